"""What may happen unattended: pure functions over policies written as data."""
