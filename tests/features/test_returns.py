from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.returns import CURRENCIES, EXPONENTS, BadInputError, Money


@given(st.integers(0, 10**15), st.sampled_from(sorted(CURRENCIES)))
def test_money_survives_its_own_text(minor, currency):
    money = Money(minor, currency)
    assert Money.parse(money.text, currency) == money


@given(st.decimals(0, 10**6, places=2))
def test_parsing_is_exact_to_the_cent(amount):
    assert Money.parse(f"{amount:f}", "USD").minor == amount * 100


@pytest.mark.parametrize(
    "text", ["-1", "1e3", "NaN", "Infinity", "", " 1", "1,000", "٣", "1.", ".5", "0x1", "+1"]
)
def test_only_plain_non_negative_decimal_text_is_money(text):
    with pytest.raises(BadInputError):
        Money.parse(text, "USD")


@pytest.mark.parametrize(("text", "currency"), [("0.001", "USD"), ("0.5", "JPY"), ("0.0001", "KWD")])
def test_more_places_than_the_currency_has_are_refused(text, currency):
    with pytest.raises(BadInputError, match="decimal places"):
        Money.parse(text, currency)


def test_trailing_zeros_do_not_make_an_amount_too_precise():
    assert Money.parse("5.000", "USD") == Money(500, "USD")


@pytest.mark.parametrize("currency", ["usd", "US", "DOLLAR", "", "U5D"])
def test_a_currency_is_three_capital_letters(currency):
    with pytest.raises(BadInputError, match="ISO 4217"):
        Money.parse("1", currency)


def test_every_exponent_is_that_of_its_currency():
    for currency, exponent in EXPONENTS.items():
        assert Money(1, currency).text == f"{Decimal(1).scaleb(-exponent):f}"


def test_an_absurdly_large_amount_is_refused():
    with pytest.raises(BadInputError, match="larger"):
        Money.parse("9999999999999999", "USD")
