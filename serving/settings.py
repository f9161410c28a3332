"""The settings of the service: the only place that reads the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    deadline_seconds: float = Field(
        10.0, gt=0, description="a request that waits longer for the ledger gets 503, seconds"
    )

    webhooks_to_private: bool = Field(
        default=False, description="allow webhooks to private and loopback addresses"
    )

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

    @property
    def ledger_url(self) -> str:
        """Where the ledger lives."""
        return self.database_url or f"sqlite:///{(self.home / 'ledger.sqlite').resolve()}"

    @property
    def bentoml_home(self) -> Path:
        """BentoML's own folder, its model store included."""
        return self.home / "bentoml"
