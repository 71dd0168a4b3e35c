"""Random keys: what is drawn at random is a function of a seed and of what it is drawn for, never of what came before.

A counter-based generator: the numbers that say what is drawn for go through the mixer of SplitMix64 (Steele, Lea and
Flood, OOPSLA 2014), one after the other. So a cell's deviation does not depend on how large its matrix is, and the
noise of a read not on which inputs ran before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cimc.numerics.normal import normal_of

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
_THIRTY, _TWENTY_SEVEN, _THIRTY_ONE = (np.uint64(bits) for bits in (30, 27, 31))
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
        return uniform(self.hashed(*coordinates))

    def normal(self, *coordinates: Ints) -> npt.NDArray[np.float64]:
        """Numbers of the standard normal distribution, one for each place."""
        return normal(self.hashed(*coordinates))

    def hashed(self, *coordinates: Ints) -> Hashes:
        """What more coordinates may be mixed into: see mixed, uniform and normal."""
        return mixed(np.zeros(1, np.uint64), self.seed, *self.path, *coordinates).reshape(
            np.broadcast_shapes(*(np.shape(one) for one in coordinates))
        )


def uniform(hashes: Hashes) -> npt.NDArray[np.float64]:
    """Numbers between 0 and 1, neither of them among them."""
    return np.asarray(((hashes >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52)


def normal(hashes: Hashes) -> npt.NDArray[np.float64]:
    """Numbers of the standard normal distribution."""
    return normal_of(hashes)


def mixed(state: Hashes, *coordinates: int | Ints) -> Hashes:
    """Coordinates, one after the other, mixed into a state that is an array of one axis or more; all broadcast."""
    for number in coordinates:
        z = np.asarray(state ^ np.asarray(number, np.int64).astype(np.uint64))
        z += GOLDEN  # all of it modulo 2^64
        z ^= z >> _THIRTY
        z *= FIRST
        z ^= z >> _TWENTY_SEVEN
        z *= SECOND
        z ^= z >> _THIRTY_ONE
        state = z
    return state


NOTHING_DRAWN = Key(0)
"""For what draws nothing."""
