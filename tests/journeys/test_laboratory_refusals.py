"""Bad input: one sentence that names file, column and row, exit status 2, and nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.laboratory import Laboratory

pytestmark = pytest.mark.journey

CLAIMS = """\
claim,day,dept,place,fate
1,2026-01-05,lamps,NORTH,Fixed
2,2026-01-06,tools,SOUTH,Scrapped
3,2026-01-07,lamps,NORTH,Fixed
"""
MAPPING = """\
rename: {claim: return_line_id, dept: family, place: region}
label: {column: fate, map: {Fixed: REPAIR, Scrapped: RECYCLE}}
time: {event: day}
levels: [region, family]
"""
TRAIN = ("train", "disposition", "--data", "claims.csv", "--mapping", "claims.yaml")
FORECAST = ("forecast", "--data", "claims.csv", "--mapping", "claims.yaml", "--out", "plan.csv")


def refused(home: Path, words: tuple[str, ...], said: str) -> None:
    """Run a command that has to be refused, and look that it left everything as it was."""
    laboratory = Laboratory(home)
    before = laboratory.files()
    done = laboratory.run(*words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
    assert laboratory.files() == before


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        (("day", "date"), FORECAST, "claims.csv: column 'day', row 1: there is no such column"),
        (("2026-01-06", "yesterday"), FORECAST, "claims.csv: column 'day', row 2: 'yesterday' is not a date"),
        (("Scrapped", "Vanished"), TRAIN, "claims.csv: column 'fate', row 2: label 'Vanished'"),
        (("Scrapped", "Fixed"), TRAIN, "claims.csv: column 'fate', row 1: every label is the same"),
        (("fate", "end"), TRAIN, "claims.csv: column 'fate', row 1: there is no such column"),
    ],
)
def test_a_bad_table_is_refused_by_file_column_and_row(
    tmp_path: Path, change: tuple[str, str], words: tuple[str, ...], said: str
):
    """The first bad cell is named; a table of three good rows is changed in one place."""
    (tmp_path / "claims.csv").write_text(CLAIMS.replace(*change))
    (tmp_path / "claims.yaml").write_text(MAPPING)
    refused(tmp_path, words, said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "fraud", "--data", "no/such.csv"), "no/such.csv: no such file"),
        (("forecast", "--data", "no.csv", "--mapping", "no.yaml", "--out", "plan.csv"), "no.yaml"),
        (("train", "weather", "--data", "x.csv"), "'weather' is no task"),
        (("evaluate", "fraud"), "no registered model 'fraud'"),
        (("forecast", "--data", "no.csv", "--out", "plan.csv"), "no.csv: no such file"),
        ((*FORECAST[:-1], "no/plan.csv"), "no/plan.csv: there is no folder no"),
        ((*FORECAST[:-1], "plan.xlsx"), "plan.xlsx: cannot write this kind of file"),
        (("score", "fraud", "--out", "no/scores.csv"), "no/scores.csv: there is no folder no"),
        (("simulate", "--returns", "0", "--out", "nowhere"), "at least one return"),
    ],
)
def test_a_command_that_cannot_be_carried_out_is_refused(tmp_path: Path, words: tuple[str, ...], said: str):
    """Whatever is wrong with files and names is said before the work begins."""
    refused(tmp_path, words, said)
