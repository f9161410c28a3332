"""A policy set: the files of a folder, checked as a whole, with one digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import rfc8785

from policy.language import Language
from policy.loading import Assembled, assemble
from policy.rulebook import Rule, Rulebook
from policy.source import PolicyError, Problem

DEFAULT_RULES: Final = Path(__file__).parent / "rules"


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Everything that may happen unattended, everywhere.

    Attributes
    ----------
    digest : str
        ``sha256:…`` over the canonical JSON (RFC 8785) of all files; comments and layout do not count.
    content : mapping of file name to its data
        What the digest is taken over; enough to show or replay the set.
    base : Rulebook
        What holds at a site without a file of its own.
    """

    digest: str
    content: Mapping[str, Any] = field(repr=False)
    base: Rulebook = field(repr=False)
    sites: Mapping[str, Rulebook] = field(repr=False)
    language: Language = field(repr=False)

    @classmethod
    def load(cls, folder: Path) -> PolicySet:
        """Read and check the policy files of a folder.

        Raises
        ------
        PolicyError
            With every problem, each with file and line; nothing of the set is then used.
        """
        return cls.parse(files_of(folder))

    @classmethod
    def parse(cls, files: Mapping[str, str]) -> PolicySet:
        """Check policy texts by file name, ``finance.yaml`` or ``sites/DAL1.yaml``.

        Raises
        ------
        PolicyError
            As for `load`.
        """
        return cls._of(assemble(files))

    @classmethod
    def restore(cls, files: Mapping[str, str]) -> PolicySet:
        """Put a set together that was in force once, for a replay: no check that came later refuses it.

        Raises
        ------
        PolicyError
            If its rules cannot be read any more.
        """
        return cls._of(assemble(files, was_in_force=True))

    @classmethod
    def _of(cls, parts: Assembled) -> PolicySet:
        digest = "sha256:" + hashlib.sha256(rfc8785.dumps(dict(parts.content))).hexdigest()
        return cls(digest, parts.content, parts.base, parts.sites, parts.language)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule once, by id."""
        every = {rule.id: rule for book in (self.base, *self.sites.values()) for rule in book.rules}
        return tuple(every[name] for name in sorted(every))

    def at(self, site: str) -> Rulebook:
        """What holds at `site`."""
        return self.sites.get(site, self.base)


def files_of(folder: Path) -> dict[str, str]:
    """The policy texts of a folder by their name in it.

    Raises
    ------
    PolicyError
        If a file cannot be read.
    """
    texts: dict[str, str] = {}
    for path in sorted(folder.rglob("*.y*ml")):
        name = path.relative_to(folder).as_posix()
        try:
            texts[name] = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise PolicyError([Problem(name, 1, "cannot be read as UTF-8 text.")]) from None
    return texts


def check(folder: Path) -> list[Problem]:
    """Everything that is wrong with the policy files of a folder; nothing where they can be put in force."""
    try:
        PolicySet.load(folder)
    except PolicyError as refusal:
        return list(refusal.problems)
    return []
