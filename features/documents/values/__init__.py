"""Text -> typed values: dates, amounts, identifiers, check digits."""
