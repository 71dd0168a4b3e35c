"""Python's collector of cycles, out of the way while many objects are built that refer to each other in none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Do not look for cycles inside: each look goes through all objects of the process, and a large program has
    millions. What is no longer referred to goes away at once, as ever."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
