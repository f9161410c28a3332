"""What nobody foresaw: an answer without a word of it, and a log that leads to the place."""

from starlette.requests import Request
from structlog.testing import capture_logs

from serving.errors import unexpected

WORDS = "Anna Smith, 555-0100"


def fail():
    raise ValueError(WORDS)


def test_what_nobody_foresaw_is_logged_by_its_place_and_not_in_its_words():
    """Whoever renders an exception that is being handled renders its words."""
    with capture_logs() as logged:
        try:
            fail()
        except ValueError as error:
            answer = unexpected(Request({"type": "http", "state": {}}), error)
    (entry,) = logged
    assert (answer.status_code, entry["error"]) == (500, "ValueError")
    assert entry["places"][-1].endswith(" fail")
    assert "exc_info" not in entry
    assert WORDS not in repr(entry) + bytes(answer.body).decode()
