"""The arrays of the weights file that a program names, as the emulator takes them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cimc.isa.program import Program
from cimc.runtime.check_arrays import check_arrays
from cimc.runtime.machine import AnyArray, Reals, Wide
from cimc.target.model import Target


class Constants:
    """The arrays of a program. Raises CimcError with everything that is wrong with them (cimc.runtime.check_arrays)."""

    def __init__(self, program: Program, weights: Mapping[str, AnyArray], target: Target) -> None:
        check_arrays(program, weights, target, program.name)
        self._weights = weights

    def integers(self, name: str) -> Wide:
        """An array of integers, int64."""
        return np.asarray(self._weights[name], np.int64)

    def reals(self, name: str) -> Reals:
        """An array of float32."""
        return np.asarray(self._weights[name], np.float32)
