"""Events go out: to addresses that may be called, signed, until they have arrived."""
