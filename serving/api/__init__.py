"""The HTTP contract, one file per noun."""
