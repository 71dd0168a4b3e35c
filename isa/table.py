"""THE instruction table. Grammar, printer, encoder, verifier, documentation and dispatch are all derived from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ISA_VERSION = 1

# Kinds of fields, and what an operand of each is (cimc.isa.operands):
#   counter  str      the name that a loop gives its counter
#   count    int      a loop's count; -1, written *, is the number of inputs of the run
#   dest     Reg      written          source   Reg    read; of length 1 it is broadcast where the table says so
#   window   Window   in a ring        port     Port   a consumer's port
#   ring     Name     a ring           ticket   Affine clamped to 0 .. the ring's tickets an input
#   scale    DataRef  entries of a scale    vector   DataRef   entries of a constant vector
#   table    Name     a lookup table   imm      int    a signed number
#   mask     int      a bit set        tile     int    a tile         fifo     int    a receive FIFO


@dataclass(frozen=True, slots=True)
class Field:
    """One operand of an instruction: its name in the documentation and its kind."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Form:
    """One instruction: mnemonic, opcode, where it may stand ("core", "tile" or "any"), unit, operands, meaning."""

    mnemonic: str
    opcode: int
    place: str
    unit: str
    fields: tuple[Field, ...]
    meaning: str


def _form(opcode: int, place: str, unit: str, text: str, meaning: str) -> Form:
    """A form from its one-line sketch: "load dst:dest src:window fill:imm"."""
    mnemonic, *fields = text.split()
    return Form(mnemonic, opcode, place, unit, tuple(Field(*field.split(":")) for field in fields), meaning)


_BINARY = "d:dest a:source b:source"
_IMMEDIATE = "d:dest a:source value:imm"

FORMS: tuple[Form, ...] = (
    # control
    _form(
        1,
        "any",
        "control",
        "loop counter:counter count:count",
        "repeat up to the matching end; counter = 0, 1, ..., count - 1",
    ),
    _form(2, "any", "control", "end", "end of the innermost loop"),
    _form(3, "any", "control", "hlt", "end of the stream; stands last"),
    # synchronisation
    _form(8, "any", "sync", "wait port:port ticket:ticket", "wait until signalled(ring) >= ticket"),
    _form(9, "any", "sync", "space ring:ring ticket:ticket", "wait until free(ring) >= ticket"),
    _form(10, "any", "sync", "release port:port ticket:ticket", "released(port) = max(released(port), ticket)"),
    _form(11, "any", "sync", "signal ring:ring ticket:ticket", "signalled(ring, this stream) = max(that, ticket)"),
    # memory
    _form(
        16, "core", "memory", "load d:dest from:window fill:imm", "d = the window; `fill` for words outside of the map"
    ),
    _form(17, "core", "memory", "store to:window a:source", "the window = a"),
    _form(
        18,
        "core",
        "memory",
        "loadv d:dest from:vector",
        "d = entries of a constant vector, each saturated to a word, then to d",
    ),
    # matrix
    _form(
        24,
        "core",
        "mvmu",
        "mvm mask:mask",
        "for every MVMU k in mask: xout of k = fit((sums + half) >> shift), see The product of an MVMU",
    ),
    # vector arithmetic; results saturate to a word, or to an accumulator in xout
    _form(32, "core", "vfu", "set d:dest value:imm", "d = value"),
    _form(33, "core", "vfu", "copy d:dest a:source", "d = a"),
    _form(34, "core", "vfu", f"add {_BINARY}", "d = a + b"),
    _form(35, "core", "vfu", f"sub {_BINARY}", "d = a - b"),
    _form(36, "core", "vfu", f"max {_BINARY}", "d = the larger of a and b"),
    _form(37, "core", "vfu", f"min {_BINARY}", "d = the smaller of a and b"),
    _form(38, "core", "vfu", f"addi {_IMMEDIATE}", "d = a + value"),
    _form(39, "core", "vfu", f"maxi {_IMMEDIATE}", "d = the larger of a and value"),
    _form(40, "core", "vfu", f"mini {_IMMEDIATE}", "d = the smaller of a and value"),
    _form(41, "core", "vfu", f"shri {_IMMEDIATE}", "d = floor(a / 2^value); value is 0 to 63"),
    _form(42, "core", "vfu", f"andi {_IMMEDIATE}", "d = a & value, both in two's complement without end"),
    _form(
        43,
        "core",
        "vfu",
        "mulshr d:dest a:source b:source value:imm",
        "d = floor((a * b + 2^(value - 1)) / 2^value); value is 1 to 62",
    ),
    # requantisation: float32 multipliers; settle rounds half to even and saturates to the scale's low .. high
    _form(48, "core", "vfu", "requant d:dest a:source scale:scale", "d = settle(f32(a) * m)"),
    _form(
        49,
        "core",
        "vfu",
        "requant2 d:dest a:source b:source scale:scale",
        "d = settle(f32(a - a0) * m + f32(b - b0) * n)",
    ),
    _form(
        50,
        "core",
        "vfu",
        "requantm d:dest a:source b:source scale:scale",
        "d = settle(f32((a - a0) * (b - b0)) * m)",
    ),
    _form(
        51,
        "core",
        "vfu",
        "rsum d:dest a:source scale:scale",
        "d[j] = settle(f32(sum over i of (a[i * len(d) + j] - a0)) * m)",
    ),
    _form(52, "core", "vfu", "rmax d:dest a:source", "d[j] = the largest a[i * len(d) + j]"),
    _form(
        53,
        "core",
        "sfu",
        "lut d:dest a:source table:table",
        "d = the table at a, see Numbers",
    ),
    # scalar register s (one a core, 64 bits), for sums over more words than the registers hold
    _form(56, "core", "sfu", "clrs", "s = 0"),
    _form(57, "core", "sfu", "sums a:source", "s = s + the sum of a; it wraps around at 64 bits"),
    _form(58, "core", "sfu", "requants d:dest a:source scale:scale", "d = settle(f32(a) * (m / f32(s)))"),
    # transfers between tiles
    _form(
        64,
        "tile",
        "network",
        "send from:window tile:tile fifo:fifo",
        "wait while FIFO `fifo` of `tile` is full, then put the window's words into it as one message",
    ),
    _form(
        65,
        "tile",
        "network",
        "receive to:window fifo:fifo",
        "wait for a message in FIFO `fifo` of this tile, then the window = the oldest, which leaves",
    ),
)

FORM: Mapping[str, Form] = MappingProxyType({form.mnemonic: form for form in FORMS})
FORM_BY_OPCODE: Mapping[int, Form] = MappingProxyType({form.opcode: form for form in FORMS})

assert len(FORM) == len(FORMS) == len(FORM_BY_OPCODE), "a mnemonic or an opcode is declared twice"
