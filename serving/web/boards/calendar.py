"""What the calendar holds for a region: public holidays, days on which its sites are closed, recalls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from ledger.store import Transaction
from models.volume.free_days import country_of, public_holidays
from policy.timing.calendar import Calendar
from serving.operations.planning import ALL


@dataclass(frozen=True, slots=True)
class Mark:
    """One day with a name; closures of a site are told and not drawn, as there are many."""

    day: date
    name: str
    kind: str

    @property
    def is_drawn(self) -> bool:
        """Whether it gets a line in the chart."""
        return self.kind != "closure"


def marks_of(tx: Transaction, region: str, first: date, last: date) -> tuple[Mark, ...]:
    """All from `first` to `last`, both included, by day; `*` stands for all regions that have sites."""
    sites = [(one.id, one.body) for one in tx.references("sites")]
    here = [(name, body) for name, body in sites if region in {ALL, body.get("region")}]
    regions = {str(body.get("region", "")) for _, body in here} | ({region} - {ALL})
    countries = {country for place in regions if (country := country_of(place))}
    found = [
        Mark(day, name, "holiday")
        for country in sorted(countries)
        for day, name in public_holidays(country, first.year, last.year).items()
    ]
    found += [
        Mark(day, f"{name} is closed", "closure")
        for name, body in here
        for day in Calendar.of_site(body).closed
    ]
    found += [Mark(one.at.date(), f"Recall {one.id}", "recall") for one in tx.references("recalls")]
    inside = {mark for mark in found if first <= mark.day <= last}
    return tuple(sorted(inside, key=lambda mark: (mark.day, mark.name)))
