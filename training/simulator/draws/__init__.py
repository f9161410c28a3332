"""Chance applied to the laws: people, sales, return lines and what became of them."""
