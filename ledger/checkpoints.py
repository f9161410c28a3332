"""Signed checkpoints: that the chain reached a head, vouched for by a key that the database does not hold.

Whoever owns the database could write a whole new chain; it would not carry these signatures (Ed25519).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from features.returns import BadInputError
from ledger.chain import BrokenChainError, Head, canonical, digest


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signature over the head that the chain had at a moment; `key` is the public key, in hexadecimal."""

    seq: int
    head: str
    at: str
    key: str
    signature: str

    @classmethod
    def of(cls, head: Head, *, at: str, key: Ed25519PrivateKey) -> Checkpoint:
        """Sign a head."""
        public = name_of(key.public_key())
        return cls(head.seq, head.hash, at, public, key.sign(_message(head, at)).hex())

    @property
    def line(self) -> bytes:
        """The checkpoint as it stands in a dump."""
        return canonical({"checkpoint": asdict(self)}) + b"\n"

    def check(self, head: Head) -> None:
        """Return if the signature is good and the chain stands where it says.

        Raises
        ------
        BrokenChainError
            Otherwise, saying which.
        """
        if (self.seq, self.head) != (head.seq, head.hash):
            raise BrokenChainError(f"the checkpoint at entry {self.seq} was signed for another chain.")
        if (self.key + self.signature) != (self.key + self.signature).lower():
            raise BrokenChainError(f"the checkpoint at entry {self.seq} is not spelled as it was written.")
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.key))
            key.verify(bytes.fromhex(self.signature), _message(head, self.at))
        except (InvalidSignature, ValueError) as problem:
            raise BrokenChainError(f"the checkpoint at entry {self.seq} has a false signature.") from problem


def seal_of(checkpoints: Iterable[Checkpoint]) -> str:
    """Return the digest by which a dump's trailer names its checkpoints."""
    return digest([asdict(one) for one in checkpoints])


def last_by(checkpoints: Iterable[Checkpoint], key: Ed25519PublicKey) -> Checkpoint:
    """Return the last checkpoint that a key signed.

    Raises
    ------
    BrokenChainError
        If it signed none.
    """
    name = name_of(key)
    mine = [one for one in checkpoints if one.key == name]
    if not mine:
        raise BrokenChainError("no checkpoint is signed by this key.")
    return mine[-1]


def read_checkpoint(fields: Mapping[str, object]) -> Checkpoint:
    """Return the checkpoint that a dump holds as JSON."""
    types = {"seq": int, "head": str, "at": str, "key": str, "signature": str}
    if set(fields) != set(types) or any(type(fields[name]) is not kind for name, kind in types.items()):
        raise BrokenChainError("a line looks like a checkpoint but is none.")
    return Checkpoint(**fields)  # type: ignore[arg-type]  # checked in the line above


def signing_key(path: Path) -> Ed25519PrivateKey:
    """Return the key that signs, made on first use and readable by its owner alone; `.pub` lies beside it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = Ed25519PrivateKey.generate()
        path.touch(mode=0o600)
        path.write_bytes(new.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = new.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        path.with_suffix(".pub").write_bytes(public)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as problem:
        raise BadInputError(f"{path.name} holds no private key; restore it from its copy.") from problem
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInputError(f"{path.name} holds no Ed25519 key; restore it from its copy.")
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """Return the key that checks signatures."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise BadInputError(f"{path.name} holds no public key; give the file that ends in .pub.") from problem
    if not isinstance(key, Ed25519PublicKey):
        raise BadInputError(f"{path.name} holds no Ed25519 key; give the file that ends in .pub.")
    return key


def name_of(key: Ed25519PublicKey) -> str:
    """Return a public key in hexadecimal."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def _message(head: Head, at: str) -> bytes:
    return canonical({"format": "recoup-checkpoint/1", "seq": head.seq, "head": head.hash, "at": at})
