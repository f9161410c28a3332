"""Values are read exactly or not at all."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.documents.values.parsers import (
    as_scanned,
    date,
    date_order,
    date_range,
    identifier,
    is_ambiguous,
    money,
    parse,
    scan,
    usual_order,
)

AMOUNTS = st.decimals(min_value=-(10**9), max_value=10**9, places=2, allow_nan=False)
DAYS = st.dates(min_value=dt.date(1930, 1, 1), max_value=dt.date(2060, 12, 31))


@given(AMOUNTS, st.sampled_from(["$", "RM", "€", "USD ", ""]))
def test_an_amount_comes_back_as_it_was_printed_with_grouped_thousands(amount: Decimal, symbol: str):
    sign = "-" if amount < 0 else ""
    read = money(f"{sign}{symbol}{abs(amount):,.2f}")
    assert read is not None
    assert Decimal(read.value) == amount


@given(AMOUNTS)
def test_continental_separators_mean_the_same(amount: Decimal):
    english = f"{amount:,.2f}"
    continental = english.translate(str.maketrans(",.", ".,"))
    left, right = money(english), money(continental)
    assert left is not None
    assert right is not None
    assert left.value == right.value


@pytest.mark.parametrize(
    "text", ["(12.00)", "-12.00", "12.00-", "12.00 CR", "$-12.00", "-RM 12.00", "\u221212.00"]
)
def test_every_way_of_writing_a_minus_is_less_than_nothing(text: str):
    read = money(text)
    assert read is not None
    assert read.value == "-12.00"


@pytest.mark.parametrize("text", ["", "twelve", "12.00)", "1.2.3", "12/02/2018", "$"])
def test_what_is_no_amount_gives_nothing(text: str):
    assert money(text) is None


@given(DAYS, st.sampled_from(["%d/%m/%Y", "%d-%m-%Y", "%d %b %Y", "%d %B %Y", "%Y-%m-%d", "%Y/%m/%d"]))
def test_a_day_first_date_comes_back_as_the_same_day(day: dt.date, pattern: str):
    read = date(day.strftime(pattern), order="DMY")
    assert read is not None
    assert read.value == day.isoformat()


@given(DAYS, st.sampled_from(["%m/%d/%Y", "%b %d, %Y", "%B %d, %Y"]))
def test_a_month_first_date_comes_back_as_the_same_day(day: dt.date, pattern: str):
    read = date(day.strftime(pattern), order="MDY")
    assert read is not None
    assert read.value == day.isoformat()


@pytest.mark.parametrize(
    "text", ["5", "mon", "May", "2018", "31/31/2020", "2020-02-30", "10:25", "yesterday"]
)
def test_a_part_of_a_date_is_no_date(text: str):
    assert date(text, order="DMY") is None


@given(st.text(max_size=60))
def test_any_text_can_be_scanned_and_every_find_is_a_part_of_it(text: str):
    for start, end, parsed in scan(text):
        assert 0 <= start < end <= len(text)
        assert parsed.value


def test_one_date_past_the_twelfth_tells_the_order_of_all():
    assert date_order(["01/02/2020", "25/02/2020"], otherwise="MDY") == ("DMY", True)
    assert date_order(["01/02/2020", "02/25/2020"], otherwise="DMY") == ("MDY", True)
    assert date_order(["01/02/2020"], otherwise="DMY") == ("DMY", False)


def test_where_a_paper_comes_from_tells_the_usual_order():
    assert usual_order("Washington, DC 20530", otherwise="DMY") == ("MDY", False)
    assert usual_order("TASTE SDN BHD, GST 6%", otherwise="MDY") == ("DMY", True)
    assert usual_order("TASTE SDN BHD, GST 6%, $ 3.00", otherwise="MDY") == ("DMY", False)


def test_a_date_is_ambiguous_only_when_both_orders_give_different_days():
    assert is_ambiguous("03/04/2026")
    assert not is_ambiguous("03/03/2026")
    assert not is_ambiguous("13/04/2026")


def test_a_range_needs_two_dates_in_order():
    read = date_range("12/24/19 - 12/30/19", order="MDY")
    assert read is not None
    assert read.value == "2019-12-24/2019-12-30"
    assert date_range("12/30/19 - 12/24/19", order="MDY") is None


def test_an_identifier_holds_a_digit_and_no_space():
    read = identifier("#rma-1001.")
    assert read is not None
    assert read.value == "RMA-1001"
    assert identifier("NONE") is None
    assert identifier("12 34") is None


def test_a_telephone_number_is_no_identifier():
    assert identifier("202-555-0142") is None
    assert identifier("1456957-2") is not None


def test_a_space_behind_a_separator_does_not_end_an_amount():
    read = money("$11, 285.79")
    assert read is not None
    assert read.value == "11285.79"


def test_the_value_of_a_type_is_found_behind_other_words():
    read = parse("Total due USD 1,250.00 today", kind="money")
    assert read is not None
    assert (read.value, read.currency) == ("1250.00", "USD")


@pytest.mark.parametrize(
    ("seen", "meant"),
    [
        ("SNO0062686", "SN00062686"),
        ("RO028363", "R0028363"),
        ("QO0001612", "000001612"),
        ("POO014843", "PO0014843"),
        ("SO-018080", "SO-018080"),
        ("OE/97272", "OE/97272"),
        ("0E/97272", "OE/97272"),
    ],
)
def test_round_letters_before_digits_are_zeros_in_what_was_scanned(seen: str, meant: str):
    assert as_scanned(seen) == meant
