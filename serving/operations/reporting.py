"""A backtest as a page of text, eighty columns wide."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

WIDTH: Final = 80
_PLACE: Final = 30  # columns for the name of what differs


def page(said: Mapping[str, Any], budgets: Mapping[str, int]) -> str:
    """What a candidate would change: transitions, money, reviews by role and day, examples.

    Parameters
    ----------
    said : mapping
        A backtest as `replaying.backtest` gives it.
    budgets : mapping of role to int
        Reviews a site and day that the candidate has people for.
    """
    parts = [*_head(said), *_transitions(said), *_money(said), *_reviews(said, budgets), *_examples(said)]
    return "\n".join(line.rstrip()[:WIDTH] for line in parts)


def _head(said: Mapping[str, Any]) -> Iterator[str]:
    yield f"Candidate {said['policy'][:23]}…"
    yield f"{said['recommendations']:,} recommendations judged again, {said['changed']:,} come out otherwise."


def _transitions(said: Mapping[str, Any]) -> Iterator[str]:
    statuses = sorted({*said["transitions"], *(to for row in said["transitions"].values() for to in row)})
    yield ""
    yield from _table(
        ("from \\ to", *statuses),
        ((one, *(f"{said['transitions'].get(one, {}).get(to, 0):,}" for to in statuses)) for one in statuses),
    )


def _money(said: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    columns = ("recorded", "replayed", "change", "at_stake")
    rows = ((currency, *(sums[name] for name in columns)) for currency, sums in said["money"].items())
    yield from _table(("credit", "recorded", "replayed", "change", "at stake"), rows)


def _reviews(said: Mapping[str, Any], budgets: Mapping[str, int]) -> Iterator[str]:
    most: defaultdict[str, dict[str, int]] = defaultdict(lambda: {"recorded": 0, "replayed": 0})
    for day in said["reviews_by_day"]:
        for side, so_far in most[day["role"]].items():
            most[day["role"]][side] = max(so_far, day[side])
    yield ""
    yield from _table(
        ("reviews", "recorded", "replayed", "most a day", "then", "budget"),
        (
            (
                role,
                f"{sums['recorded']:,}",
                f"{sums['replayed']:,}",
                f"{most[role]['recorded']:,}",
                f"{most[role]['replayed']:,}",
                f"{budgets[role]:,}" if role in budgets else "-",
            )
            for role, sums in said["reviews_by_role"].items()
        ),
    )


def _examples(said: Mapping[str, Any]) -> Iterator[str]:
    for example in said["examples"]:
        yield ""
        yield example["id"]
        for place, sides in example["differences"].items():
            yield f"  {place:<{_PLACE}.{_PLACE}} {_brief(sides['recorded'])}"
            yield f"  {'':<{_PLACE}} -> {_brief(sides['replayed'])}"


def _brief(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    room = WIDTH - _PLACE - 6
    return text if len(text) <= room else text[: room - 1] + "…"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Names to the left, figures to the right, each column as wide as its widest cell."""
    lines = [header, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(header))]
    for line in lines:
        first, *others = (
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join([first, *others])
