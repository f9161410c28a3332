"""The settings of the service: the only place that reads the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import Field, FilePath, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from serving.access import RIGHTS

SECRET_LENGTH: Final = 32  # characters: what signs sessions must not be guessed


class Settings(BaseSettings):
    """What an operator can set; every field is the variable RECOUP_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="RECOUP_", frozen=True, extra="ignore")

    home: Path = Field(Path(".recoup"), description="folder for everything a local installation writes")
    database_url: str | None = Field(
        None, description="SQLAlchemy URL of the ledger; SQLite under home by default"
    )
    policy_dir: Path = Field(
        Path(__file__).parents[1] / "policy" / "rules", description="folder of the policy files in force"
    )
    shadow_policy_dir: Path | None = Field(
        None,
        description="folder of a candidate policy set that judges beside the one in force, without effect",
    )
    sites_file: Path = Field(
        Path(__file__).parent / "operations" / "sites.yaml",
        description="planning parameters of the sites: allowances, shifts, doors, storage",
    )
    bentoml_dir: Path | None = Field(
        None, description="BentoML's folder with the promoted models; bentoml under home by default"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level that is logged"
    )
    workers: int = Field(1, ge=1, le=64, description="service processes")
    without_models: Literal["rules", "refuse"] = Field(
        "rules", description="missing models: answer from rules alone, saying degraded, or refuse with 503"
    )
    body_limit: int = Field(2_000_000, ge=1_000, description="largest JSON body, bytes")
    document_limit: int = Field(20_000_000, ge=1_000, description="largest document, bytes")
    document_seconds: float = Field(60.0, gt=0, description="longest time to read one document, seconds")
    tesseract: FilePath | None = Field(
        None,
        description="a system's own Tesseract to read scans with; the one that comes along without it",
    )
    deadline_seconds: float = Field(
        10.0, gt=0, description="a request that waits longer for the ledger gets 503, seconds"
    )

    webhooks_to_private: bool = Field(
        default=False, description="allow webhooks to private and loopback addresses"
    )
    rate_limit: float = Field(
        1000.0,
        ge=0,
        description="requests a second of a caller in each worker, twice as many at once; 0: any",
    )
    stranger_limit: float = Field(
        50.0, ge=0, description="requests a second of one address without a good key or token; 0: any"
    )
    approver_keys: bool = Field(
        default=True,
        description="whether API keys may carry roles that approve; off where people sign in by OIDC",
    )
    oidc_issuer: str | None = Field(None, description="issuer (iss) whose tokens are taken, as it says")
    oidc_audience: str | None = Field(None, description="audience (aud) that tokens must name")
    oidc_jwks: str | None = Field(None, description="URL (https) or file of the issuer's public keys (JWKS)")
    oidc_subject_claim: str = Field("sub", description="claim that says who it is; becomes emp:<claim>")
    oidc_role_claim: str = Field(
        "roles", description="claim with roles or groups; dots lead into objects, as in realm_access.roles"
    )
    oidc_roles: dict[str, str] = Field(
        {}, description="JSON of group to role, first match first; without it roles are named as in Recoup"
    )
    oidc_sites_claim: str | None = Field(
        None, description="claim with the sites in reach, * for all; unset means all sites"
    )
    oidc_token_seconds: int = Field(3600, ge=60, description="longest life of a token, seconds")
    traces_to: str | None = Field(
        None, description="OTLP/HTTP address for traces, such as http://collector:4318/v1/traces"
    )
    traces_share: float = Field(0.05, ge=0, le=1, description="share of requests that are traced")

    public_url: str | None = Field(
        None,
        description="address under which people reach the pages; with https cookies are sent over TLS alone",
    )
    session_hours: float = Field(
        8.0, gt=0, le=168, description="how long a sign-in to the pages holds, hours"
    )
    session_secret: SecretStr = Field(
        SecretStr(""), description="signs sessions; the same for every replica; made under home by default"
    )

    oidc_client_id: str | None = Field(
        None,
        description="this service at the issuer: people then sign in to the pages with their company account",
    )
    oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="secret of that client; public clients have none"
    )
    oidc_scope: str = Field("openid profile email", description="what sign-in asks the issuer for")

    @field_validator("session_secret")
    @classmethod
    def _long(cls, given: SecretStr) -> SecretStr:
        if 0 < len(given.get_secret_value()) < SECRET_LENGTH:
            raise ValueError(f"needs {SECRET_LENGTH} characters or more, by chance")
        return given

    @field_validator("oidc_roles")
    @classmethod
    def _roles(cls, given: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(given.values()) - set(RIGHTS))
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: no roles of this service")
        return given

    @property
    def ledger_url(self) -> str:
        """Where the ledger lives."""
        return self.database_url or f"sqlite:///{(self.home / 'ledger.sqlite').resolve()}"

    @property
    def bentoml_home(self) -> Path:
        """BentoML's own folder, its model store included."""
        return self.bentoml_dir or self.home / "bentoml"
