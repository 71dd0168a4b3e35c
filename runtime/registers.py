"""What operands of a vector instruction hold while a program runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cimc.isa.meaning import Entries, Factors
from cimc.runtime.machine import AnyArray, Words

Action = Callable[[], None]


class Register(NamedTuple):
    """A run of registers, or of words like them: a view (words, lanes) of int32; bits of each."""

    words: Words
    bits: int


Argument = Register | int | Factors | Entries
"""What an operand of a meaning holds."""


def limits(bits: int, dtype: type[np.int32] | type[np.int64] = np.int32) -> tuple[AnyArray, AnyArray]:
    """Least and largest number of `bits` bits, as arrays that ufuncs take without conversion."""
    return np.array(-(1 << (bits - 1)), dtype), np.array((1 << (bits - 1)) - 1, dtype)
