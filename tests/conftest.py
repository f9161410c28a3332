"""What holds for every test."""

from hypothesis import settings

# How long an example takes is for the benchmarks: a busy machine must not fail a law.
settings.register_profile("recoup", deadline=None)
settings.load_profile("recoup")
