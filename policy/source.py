"""YAML read strictly, every value with its line; problems that name file and line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from features.returns import BadInputError

Path = tuple[str | int, ...]
MAX_CHARACTERS: Final = 500_000  # far above any real rule file; a larger one is a mistake or an attack


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with a policy file, for the person who wrote it."""

    file: str
    line: int
    sentence: str

    def __str__(self) -> str:
        """As compilers say it, so that editors jump there."""
        return f"{self.file}:{self.line}: {self.sentence}"


class PolicyError(BadInputError):
    """A policy set that must not be used, with everything that is wrong with it."""

    code = "policy_invalid"
    hint = "Run 'recoup policy check DIR' and correct what it names; the policy in force is unchanged."

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Source:
    """The content of one file and where each value stands in it."""

    file: str
    data: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """The line of a value, or of the nearest thing around it."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def problem(self, path: Path, sentence: str) -> Problem:
        """Something wrong with the value at `path`."""
        return Problem(self.file, self.line(path), sentence)


def read(file: str, text: str) -> Source:
    """Parse YAML text; refuse doubled keys and aliases, which hide what a rule says.

    Raises
    ------
    PolicyError
        With file and line.
    """
    if len(text) > MAX_CHARACTERS:
        raise PolicyError([Problem(file, 1, f"is larger than {MAX_CHARACTERS} characters; split it.")])
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
        lines: dict[Path, int] = {(): 1}
        return Source(file, None if node is None else _Reader(file, lines).value(node, ()), lines)
    except (yaml.YAMLError, RecursionError, ValueError) as refusal:
        mark = getattr(refusal, "problem_mark", None)
        said = getattr(refusal, "problem", None) or "cannot be read as YAML"
        raise PolicyError(
            [Problem(file, mark.line + 1 if mark else 1, f"{said}; correct the YAML here.")]
        ) from None


class _Reader:
    """Turns one tree of YAML nodes into plain values, noting lines."""

    def __init__(self, file: str, lines: dict[Path, int]) -> None:
        self._file = file
        self._lines = lines
        self._seen: set[int] = set()
        self._scalars = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, path: Path) -> Any:
        self._lines[path] = node.start_mark.line + 1
        if id(node) in self._seen:
            raise self._refusal(node, "an alias hides what is meant; write the value out")
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, place)) for place, item in enumerate(node.value)]
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value  # a date stays the text that was written
        return self._scalars.construct_object(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key, str):
                raise self._refusal(key_node, "a key must be plain text")
            if key in values:
                raise self._refusal(key_node, f"'{key}' stands here twice; keep one")
            values[key] = self.value(value_node, (*path, key))
            self._lines[(*path, key)] = key_node.start_mark.line + 1
        return values

    def _refusal(self, node: yaml.Node, sentence: str) -> PolicyError:
        return PolicyError([Problem(self._file, node.start_mark.line + 1, f"{sentence}.")])
