"""Tokens of an issuer: only the right signature, issuer, audience and time open anything."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from ledger.store import Ledger
from serving.auth import Gate, caller_of_claims
from serving.errors import ProblemError
from serving.settings import Settings
from tests.serving.conftest import NOON

ISSUER, AUDIENCE = "https://sign-in.example", "recoup"
SIGNERS = {
    "rsa": RSAKey.generate_key(2048),
    "ec": ECKey.generate_key("P-256"),
    "old": RSAKey.generate_key(2048),
}
GOOD: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "8",
    "iat": int(NOON.timestamp()),
    "exp": int((NOON + timedelta(minutes=30)).timestamp()),
    "roles": ["supervisor"],
}


def signed(signer: str = "rsa", kid: str | None = None, **changed: Any) -> str:
    claims = {name: value for name, value in (GOOD | changed).items() if value is not None}
    algorithm = "ES256" if signer == "ec" else "RS256"
    return jwt.encode(
        {"alg": algorithm, "kid": kid or signer}, claims, SIGNERS[signer], algorithms=[algorithm]
    )


@pytest.fixture
def jwks(tmp_path):
    """The file in which the issuer publishes its keys; the last signer's is not in it yet."""

    def publish(*names: str) -> str:
        found = [{**SIGNERS[name].as_dict(private=False), "kid": name, "use": "sig"} for name in names]
        (tmp_path / "jwks.json").write_text(json.dumps({"keys": found}))
        return str(tmp_path / "jwks.json")

    publish("rsa", "ec")
    return publish


class Door:
    """The gate that every call passes, and what it answers; tokens need no ledger."""

    def __init__(self, settings: Settings) -> None:
        self.gate = Gate(settings)
        self.now = NOON

    def __call__(self, token: str) -> int:
        try:
            self.gate.caller(token, cast("Ledger", None), now=self.now, address="10.0.0.1")
        except ProblemError as refusal:
            # What is said never repeats the token.
            return refusal.status if token not in str(refusal) else 500
        return 200


@pytest.fixture
def settings(jwks, tmp_path):
    return {
        "home": tmp_path,
        "oidc_issuer": ISSUER,
        "oidc_audience": AUDIENCE,
        "oidc_jwks": jwks("rsa", "ec"),
        "stranger_limit": 0,
    }


@pytest.fixture
def opened(settings):
    return lambda **changed: Door(Settings(**(settings | changed)))


def inbox(door: Door, token: str) -> int:
    return door(token)


@pytest.mark.parametrize("signer", ["rsa", "ec"])
def test_a_person_comes_in_by_a_token_of_the_issuer(make_service, settings, signer):
    service = make_service(**{name: value for name, value in settings.items() if name != "home"})
    headers = {"Authorization": f"Bearer {signed(signer)}"}
    assert service.client.get("/v1/approvals", headers=headers).status_code == 200
    forged = {"Authorization": f"Bearer {signed('old', kid='rsa')}"}
    answer = service.client.get("/v1/approvals", headers=forged)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert service.client.get("/v1/audit", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "payroll"},
        {"aud": None},
        {"exp": None},
        {"iat": None},
        {"exp": GOOD["iat"] - 60},
        {"exp": GOOD["iat"] + 24 * 3600},
        {"iat": GOOD["iat"] + 600, "exp": GOOD["iat"] + 900},
        {"nbf": GOOD["iat"] + 600},
        {"kid": "old"},
        {"signer": "old", "kid": "rsa"},
        {"signer": "old", "kid": "ec"},
    ],
    ids=str,
)
def test_a_token_that_is_wrong_in_any_one_way_opens_nothing(opened, changed):
    assert inbox(opened(), signed(**changed)) == 401


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE"])
def test_a_token_that_nobody_signed_opens_nothing(opened, algorithm):
    for signature in ("", signed().rpartition(".")[2]):
        token = f"{_part({'alg': algorithm, 'kid': 'rsa'})}.{_part(GOOD)}.{signature}"
        assert inbox(opened(), token) == 401


def test_the_public_key_is_no_secret_to_sign_with(opened):
    pem = SIGNERS["rsa"].public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, json.dumps(SIGNERS["rsa"].as_dict(private=False)).encode()):
        key = OctKey.import_key(base64.urlsafe_b64encode(secret))
        forged = jwt.encode({"alg": "HS256", "kid": "rsa"}, GOOD, key, algorithms=["HS256"])
        assert inbox(opened(), forged) == 401


def test_a_key_that_comes_along_in_the_token_is_not_trusted(opened):
    own = SIGNERS["old"]
    header = {"alg": "RS256", "jwk": own.as_dict(private=False), "jku": "https://evil.example/jwks"}
    assert inbox(opened(), jwt.encode(header, GOOD, own, algorithms=["RS256"])) == 401


def test_a_token_that_is_sent_again_later_opens_nothing(opened):
    service, token = opened(), signed()
    assert inbox(service, token) == 200
    service.now += timedelta(minutes=31)
    assert inbox(service, token) == 401


def test_changed_claims_break_the_signature(opened):
    head, _, signature = signed().split(".")
    assert inbox(opened(), f"{head}.{_part(GOOD | {'roles': ['cfo']})}.{signature}") == 401


def test_a_key_that_the_issuer_renews_is_fetched_and_one_it_takes_back_ends(opened, jwks):
    service = opened()
    assert [inbox(service, signed(name)) for name in ("rsa", "old")] == [200, 401]
    jwks("old")
    service.now += timedelta(minutes=1)
    assert [inbox(service, signed(name)) for name in ("old", "rsa")] == [200, 401]


def test_without_the_issuer_s_keys_nobody_is_let_in_and_callers_are_told_to_wait(opened, tmp_path):
    assert inbox(opened(oidc_jwks=str(tmp_path / "nowhere.json")), signed()) == 503
    assert inbox(opened(oidc_jwks="http://sign-in.example/jwks"), signed()) == 503


def test_tokens_are_not_taken_until_issuer_audience_and_keys_are_set(opened):
    for name in ("oidc_issuer", "oidc_audience", "oidc_jwks"):
        assert inbox(opened(**{name: None}), signed()) == 401


@pytest.mark.parametrize(
    ("changed", "claims", "status"),
    [
        ({}, {"roles": []}, 403),
        ({}, {"roles": None}, 403),
        ({}, {"roles": ["king"]}, 403),
        ({}, {"roles": ["planner", "supervisor"]}, 403),
        ({}, {"roles": "supervisor"}, 200),
        ({}, {"sub": "a b"}, 403),
        ({}, {"sub": None}, 403),
        ({"oidc_role_claim": "realm_access.roles"}, {"realm_access": {"roles": ["supervisor"]}}, 200),
        ({"oidc_roles": {"returns-leads": "supervisor"}}, {"roles": ["returns-leads", "staff"]}, 200),
        ({"oidc_roles": {"returns-leads": "supervisor"}}, {"roles": ["supervisor"]}, 403),
        ({"oidc_sites_claim": "sites"}, {}, 403),
        ({"oidc_sites_claim": "sites"}, {"sites": ["DAL1"]}, 200),
        ({"oidc_sites_claim": "sites"}, {"sites": "*"}, 200),
    ],
    ids=str,
)
def test_claims_give_one_role_and_what_is_missing_never_opens_more(opened, changed, claims, status):
    assert inbox(opened(**changed), signed(**claims)) == status


def test_the_sites_of_a_token_are_the_sites_in_reach(settings):
    settings = Settings(**settings, oidc_sites_claim="sites")
    caller = caller_of_claims(GOOD | {"sites": ["DAL1"]}, settings)
    assert (caller.actor, caller.sees("DAL1"), caller.sees("RNO1")) == ("emp:8", True, False)
