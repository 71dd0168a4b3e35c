"""Settings of all tests."""

import os

from hypothesis import Phase, settings

from cimc.passes.pipelines import VERIFY_EACH

os.environ[VERIFY_EACH] = "1"  # every stage of every network that a test compiles, in its child processes too

# Workers share cores, so time says nothing about an example; the same examples every time, and no folder left behind.
settings.register_profile("cimc", deadline=None, derandomize=True, database=None)
# For tests.mutants: that an example fails is enough, the smallest one is not looked for.
settings.register_profile("planted", settings.get_profile("cimc"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("cimc")
