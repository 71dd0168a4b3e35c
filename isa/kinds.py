"""The kinds of operands in words: for messages and for docs/isa.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cimc.isa.table import FORM


@dataclass(frozen=True, slots=True)
class Kind:
    """What an operand of a kind is, how one is written, and how it is encoded."""

    what: str
    example: str
    bytes: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "counter": Kind("the name that a loop gives its counter", "oy", "nothing; the names stand beside the code"),
        "count": Kind("how often a loop runs; * is the number of inputs of the run", "24", "count + 1, and 0 for *"),
        "dest": Kind("registers that are written", "r[0:64]", "first * 4 + register file (xin 0, xout 1, r 2), length"),
        "source": Kind("registers that are read", "xout[128:256]", "like dest"),
        "window": Kind(
            "rows, columns and channels of a ring: an index, from:to, start:+count or start:+count:step",
            "x[oy*2-1:+3, ox*2-1:+3, 0:16]",
            "ring, then for each axis the start as a ticket, (count - 1) * 2 + s and, if s = 1, zigzag(step)",
        ),
        "port": Kind("a consumer's port of a ring", "x.0", "ring, port"),
        "ring": Kind("a ring", "x", "ring"),
        "ticket": Kind(
            "an affine number in the counters of the enclosing loops, outermost first",
            "oy*2+1",
            "zigzag(constant) * 4 + t, t = terms, at most 3; if t = 3 the further terms' number; for each term "
            "zigzag(coefficient) * 8 + d, d = depth of its loop, at most 7; if d = 7 the further depth",
        ),
        "scale": Kind("entries of a scale", "conv1.scale[0:64]", "scale, first, length"),
        "vector": Kind("entries of a constant vector", "bias[0:64]", "vector, first, length"),
        "table": Kind("a lookup table", "sigmoid", "table"),
        "imm": Kind("a signed number", "-128", "zigzag(number)"),
        "mask": Kind("a set of MVMUs, MVMU 0 the lowest bit", "0b01", "mask"),
        "tile": Kind("the number of a tile", "3", "tile"),
        "fifo": Kind("the number of a receive FIFO", "0", "fifo"),
    }
)

assert {field.kind for form in FORM.values() for field in form.fields} == set(KINDS), "a kind is not described"
