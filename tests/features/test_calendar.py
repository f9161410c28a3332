"""Dates into numbers: weekdays, seasons and windows."""

import numpy as np

from features import calendar


def times(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[us]")


def test_the_week_begins_on_monday():
    assert calendar.weekday(times("2026-11-23", "2026-11-29T23:59:59")).tolist() == [0.0, 6.0]


def test_december_lies_beside_january():
    sine, cosine = calendar.season(times("2025-12-31", "2026-01-01", "2026-07-01"))
    gap = np.hypot(np.diff(sine), np.diff(cosine))
    assert gap[0] < 0.05 < gap[1]


def test_days_since_christmas_start_again_every_year():
    days = calendar.days_since_christmas(times("2026-12-26T12:00", "2026-12-24T12:00"))
    assert abs(days[0] - 1.5) < 1.5
    assert days[1] > 360


def test_a_window_holds_its_start_and_not_its_end():
    start, end = np.datetime64("2026-01-01"), np.datetime64("2026-02-01")
    inside = calendar.within(times("2026-01-01", "2026-02-01", "NaT"), start=start, end=end)
    assert inside.tolist() == [True, False, False]


def test_a_missing_date_stays_missing():
    assert np.isnan(calendar.weekday(times("NaT"))).all()


def test_names_of_months_are_recognised_and_other_words_are_not():
    assert calendar.names_months(np.array(["Jan", "February", "mar", None], object))
    assert not calendar.names_months(np.array(["Honda", "Mazda", "Mar"], object))
    assert not calendar.names_months(np.array([None], object))
