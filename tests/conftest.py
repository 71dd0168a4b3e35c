"""Settings of all tests."""

from hypothesis import settings

# Workers share cores, so time says nothing about an example; the same examples every time, and no folder left behind.
settings.register_profile("cimc", deadline=None, derandomize=True, database=None)
settings.load_profile("cimc")
