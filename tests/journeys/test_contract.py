"""The contract, tried by schemathesis against the running service."""

from dataclasses import replace

import pytest

from benchmarks.contract_cases import SETTINGS, against

pytestmark = pytest.mark.journey


def test_hundreds_of_right_and_wrong_requests_are_answered_as_documented(make_home, serve):
    """No 5xx, no status, media type, header or shape that the document does not name, with links followed."""
    home = replace(make_home(), settings=SETTINGS)
    tested = against(serve(home).running, home.folder, mode="quick")
    assert tested.cases >= 500
    assert tested.failures == 0, tested.said
