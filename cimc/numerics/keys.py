"""Random keys: what is drawn at random is a function of a seed and of what it is drawn for, never of what came before.

A counter-based generator: the numbers that say what is drawn for go through the mixer of SplitMix64 (Steele, Lea and
Flood, OOPSLA 2014), one after the other. So a cell's deviation does not depend on how large its matrix is, and the
noise of a read not on which inputs ran before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
GOLDEN, FIRST, SECOND = (np.uint64(c) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


@dataclass(frozen=True, slots=True)
class Key:
    """A seed and numbers that say what is drawn for: Key(seed).at(tile, core, mvmu, write)."""

    seed: int
    path: tuple[int, ...] = ()

    def at(self, *numbers: int) -> Key:
        """The key of a thing within this one's."""
        return Key(self.seed, self.path + numbers)

    @property
    def around(self) -> Key:
        """The key of what this one's thing is in."""
        return Key(self.seed, self.path[:-1])

    def uniform(self, *coordinates: Ints) -> npt.NDArray[np.float64]:
        """Numbers between 0 and 1, neither of them among them, one for each place; coordinates broadcast against each
        other."""
        state = np.zeros((), np.uint64)
        for number in (self.seed, *self.path, *coordinates):
            state = _mixed(state, np.asarray(number, np.int64).astype(np.uint64))
        return np.asarray(((state >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52)

    def normal(self, *coordinates: Ints) -> npt.NDArray[np.float64]:
        """Numbers of the standard normal distribution, one for each place."""
        return np.asarray(ndtri(self.uniform(*coordinates)), np.float64)


NOTHING_DRAWN = Key(0)
"""For what draws nothing."""


def _mixed(state: Hashes, number: Hashes) -> Hashes:
    """One more number mixed into a state."""
    with np.errstate(over="ignore"):  # all of it modulo 2^64
        z = (state ^ number) + GOLDEN
        z = (z ^ (z >> np.uint64(30))) * FIRST
        z = (z ^ (z >> np.uint64(27))) * SECOND
        return np.asarray(z ^ (z >> np.uint64(31)))
