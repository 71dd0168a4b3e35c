"""THE instruction table: every instruction is declared here and nowhere else.

Text, bytes, checks, prices, documentation and execution follow from the declaration (cimc.isa.form) and from the kinds
of its operands (cimc.isa.kinds).
"""

from __future__ import annotations

import numpy as np

from cimc.base import tokens
from cimc.isa import meaning
from cimc.isa.cost import products
from cimc.isa.cost.products import passes
from cimc.isa.form import ANY, BROADCAST, NARROW, REDUCE, SAME, Field, Form
from cimc.isa.kinds.numbers import Cells, Count, Counter, Fifo, Imm, Mask, Mvmu, Shift, Tile
from cimc.isa.kinds.rings import Packed, Port, Ring, Row, Table, Ticket, Window
from cimc.isa.kinds.runs import Dest, Scale, Source, Vector, Weights

ISA_VERSION = 1

FORM: dict[str, Form] = {}
"""Instructions by mnemonic."""
FORM_BY_OPCODE: dict[int, Form] = {}


def declare(*forms: Form) -> None:
    """Add instructions."""
    for form in forms:
        known = FORM.get(form.mnemonic) or FORM_BY_OPCODE.get(form.opcode)
        assert known is None, f"{form.mnemonic} with opcode {form.opcode}: {known} has one of them"
        FORM[form.mnemonic] = FORM_BY_OPCODE[form.opcode] = form


D, A, B = Field("d", Dest()), Field("a", Source()), Field("b", Source())
VALUE = Field("value", Imm())
SCALE, TWO_ROWS, TABLE = Field("scale", Scale()), Field("scale", Scale(rows=2)), Field("table", Table())
PORT, RING, TICKET = Field("port", Port()), Field("ring", Ring()), Field("ticket", Ticket())
TILE, FIFO = Field("tile", Tile()), Field("fifo", Fifo())
READ, WRITTEN = Field("from", Window()), Field("to", Window(writes=True))


def one_more(a: int, b: int) -> int:
    """Bits of a sum."""
    return max(a, b) + 1


def of_first(a: int, *others: int) -> int:
    """Bits of what is no larger than the first operand."""
    return a


# control
declare(
    Form(
        "loop", 1, "any", "control", (Field("counter", Counter()), Field("count", Count())),
        "repeat up to the matching end; counter = 0, 1, ..., count - 1",
    ),
    Form("end", 2, "any", "control", (), "end of the innermost loop"),
    Form("hlt", 3, "any", "control", (), "end of the stream; stands last"),
)  # fmt: skip

# synchronisation
declare(
    Form("wait", 8, "any", "sync", (PORT, TICKET), "wait until signalled(ring) >= ticket", event=tokens.WAIT),
    Form("space", 9, "any", "sync", (RING, TICKET), "wait until free(ring) >= ticket", event=tokens.SPACE),
    Form(
        "release", 10, "any", "sync", (PORT, TICKET), "released(port) = max(released(port), ticket)",
        event=tokens.RELEASE,
    ),
    Form(
        "signal", 11, "any", "sync", (RING, TICKET), "signalled(ring, this stream) = max(that, ticket)",
        event=tokens.SIGNAL,
    ),
)  # fmt: skip

# memory
declare(
    Form(
        "load", 16, "core", "memory", (D, Field("from", Window(loose=True)), Field("fill", Imm())),
        "d = the window; `fill` for words outside of the map", SAME,
    ),
    Form("store", 17, "core", "memory", (WRITTEN, A), "the window = a", SAME),
    Form(
        "loadv", 18, "core", "memory", (D, Field("from", Vector())),
        "d = entries of a constant vector, each saturated to a word, then to d",
        SAME, meaning=np.positive, bits=of_first,
    ),
)  # fmt: skip

# matrix
declare(
    Form(
        "mvm", 24, "core", "mvmu", (Field("mask", Mask()),),
        "for every MVMU k in mask: xout of k = fit((sums + half) >> shift), see The product of an MVMU",
    ),
    Form(
        "write", 25, "core", "cells", (Field("mvmus", Cells()), Field("row", Row()), Field("from", Packed())),
        "for the i-th of the MVMUs: its row = the weights that pixel i of the window holds, see Cells that are written",
        work=products.write,
    ),
    Form(
        "readback", 26, "core", "cells", (Field("mvmu", Mvmu()), Field("row", Row()), Field("d", Weights())),
        "d = the first weights of a row of the MVMU, as many as d has words, each fitted",
        work=products.read_back,
    ),
)  # fmt: skip

# vector arithmetic; results saturate to a word, or to an accumulator in xout
declare(
    Form("set", 32, "core", "vfu", (D, VALUE), "d = value", work=passes(1), meaning=np.positive, bits=of_first),
    Form("copy", 33, "core", "vfu", (D, A), "d = a", SAME, passes(1), meaning=np.positive, bits=of_first),
    Form("add", 34, "core", "vfu", (D, A, B), "d = a + b", BROADCAST, passes(1), meaning=np.add, bits=one_more),
    Form("sub", 35, "core", "vfu", (D, A, B), "d = a - b", BROADCAST, passes(1), meaning=np.subtract, bits=one_more),
    Form(
        "max", 36, "core", "vfu", (D, A, B), "d = the larger of a and b", BROADCAST, passes(1),
        meaning=np.maximum, bits=max,
    ),
    Form(
        "min", 37, "core", "vfu", (D, A, B), "d = the smaller of a and b", BROADCAST, passes(1),
        meaning=np.minimum, bits=max,
    ),
    Form("addi", 38, "core", "vfu", (D, A, VALUE), "d = a + value", SAME, passes(1), meaning=np.add, bits=one_more),
    Form(
        "maxi", 39, "core", "vfu", (D, A, VALUE), "d = the larger of a and value", SAME, passes(1),
        meaning=np.maximum, bits=max,
    ),
    Form(
        "mini", 40, "core", "vfu", (D, A, VALUE), "d = the smaller of a and value", SAME, passes(1),
        meaning=np.minimum, bits=max,
    ),
    Form(
        "shri", 41, "core", "vfu", (D, A, Field("value", Shift(0, 63))), "d = floor(a / 2^value); value is 0 to 63",
        SAME, passes(1), meaning=meaning.shri, takes=ANY, bits=of_first,
    ),
    Form(
        "andi", 42, "core", "vfu", (D, A, VALUE), "d = a & value, both in two's complement without end",
        SAME, passes(1), meaning=np.bitwise_and, bits=max,
    ),
    Form(
        "mulshr", 43, "core", "vfu", (D, A, B, Field("value", Shift(1, 62))),
        "d = floor((a * b + 2^(value - 1)) / 2^value); value is 1 to 62",
        BROADCAST, passes(2), meaning=meaning.mulshr, takes=ANY,  # a product and a shift
    ),
)  # fmt: skip

# requantisation: float32 multipliers; settle rounds half to even and saturates to the scale's low .. high
declare(
    Form(
        "requant", 48, "core", "vfu", (D, A, SCALE), "d = settle(f32(a) * m)",
        SAME, passes(2), meaning=meaning.requant, settled=True, takes=ANY,  # a product, the zero point
    ),
    Form(
        "requant2", 49, "core", "vfu", (D, A, B, TWO_ROWS), "d = settle(f32(a - a0) * m + f32(b - b0) * n)",
        BROADCAST, passes(4), meaning=meaning.requant2, settled=True, takes=NARROW,  # two products, a sum, zero points
    ),
    Form(
        "requantm", 50, "core", "vfu", (D, A, B, SCALE), "d = settle(f32((a - a0) * (b - b0)) * m)",
        BROADCAST, passes(5), meaning=meaning.requantm, settled=True, takes=NARROW,  # three zero points, two products
    ),
    Form(
        "rsum", 51, "core", "vfu", (D, A, SCALE), "d[j] = settle(f32(sum over i of (a[i * len(d) + j] - a0)) * m)",
        REDUCE, passes(2, source=1), meaning=meaning.rsum, settled=True, takes=ANY,  # a sum over a, then as requant
    ),
    Form(
        "rmax", 52, "core", "vfu", (D, A), "d[j] = the largest a[i * len(d) + j]",
        REDUCE, passes(source=1), meaning=meaning.rmax, takes=ANY, bits=of_first,
    ),
    Form(
        "lut", 53, "core", "sfu", (D, A, TABLE), "d = the table at a, see Numbers",
        SAME, products.look_up, meaning=meaning.lut, takes=ANY, bits=lambda a, table: table,
    ),
)  # fmt: skip

# scalar register s (one a core, 64 bits), for sums over more words than the registers hold
declare(
    Form("clrs", 56, "core", "sfu", (), "s = 0", work=passes(once=1), meaning=meaning.clrs, s=True),
    Form(
        "sums", 57, "core", "sfu", (A,), "s = s + the sum of a; it wraps around at 64 bits",
        work=passes(source=1), meaning=meaning.sums, s=True, takes=ANY,
    ),
    Form(
        "requants", 58, "core", "sfu", (D, A, SCALE), "d = settle(f32(a) * (m / f32(s)))",
        SAME, passes(3, once=1),  # one division; then two products and the zero point
        meaning=meaning.requants, settled=True, s=True, takes=ANY,
    ),
)  # fmt: skip

# transfers between tiles
declare(
    Form(
        "send", 64, "tile", "network", (READ, TILE, FIFO),
        "wait while FIFO `fifo` of `tile` is full, then put the window's words into it as one message",
        work=products.send, event=tokens.SEND,
    ),
    Form(
        "receive", 65, "tile", "network", (WRITTEN, FIFO),
        "wait for a message in FIFO `fifo` of this tile, then the window = the oldest, which leaves",
        work=products.receive, event=tokens.RECEIVE,
    ),
)  # fmt: skip
