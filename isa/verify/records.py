"""The verifier's look at the numbers of directives: every whole number has a range, every name and text a meaning.

The table RANGES has a row for each; numbers that the target bounds in words of its own are left to check_operands.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from cimc.isa.directives import DIRECTIVE
from cimc.isa.program import Plug, Program, Ring, TileCode
from cimc.isa.values import Int, Ints
from cimc.isa.verify.findings import Findings
from cimc.target.model import Target

LARGEST_MAP = 1 << 20
"""Rows, columns or channels of a map, and pixels of a ring."""
MOST_WORDS = 1 << 31
"""Words of a map."""
MOST_TICKETS = 1 << 17
"""Tickets of a ring in one input."""
MOST_PORTS = 1 << 10
"""Ports of a ring, and producers."""
MOST_ELEMENTS = 1 << 27
"""Elements of a network input or output."""
MOST_CHIPS = 1 << 16
LARGEST_SHIFT = 48
"""Of an MVMU's sums, the widest of which have 16 + 16 + 16 bits: weights, inputs, rows."""
DTYPES = ("float32", "bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
"""Types of network inputs and outputs."""

_Range = Callable[[Target], tuple[int, int]]


def _range(low: int, high: int) -> _Range:
    return lambda target: (low, high)


def _word(target: Target) -> tuple[int, int]:
    return signed_range(target.numbers.word)


def _register(target: Target) -> tuple[int, int]:
    """Of the widest register: a word's or an accumulator's."""
    return signed_range(max(target.numbers.word, target.numbers.accumulator))


_MAP, _ORIGIN, _STEP = _range(1, LARGEST_MAP), _range(0, LARGEST_MAP), _range(1, LARGEST_MAP)
_PLUG: Mapping[str, _Range] = {"zero": _word, "low": _word, "high": _word, "shape": _range(1, MOST_ELEMENTS)}

RANGES: Mapping[str, Mapping[str, _Range]] = MappingProxyType(
    {
        "program": {"chips": _range(1, MOST_CHIPS), "word": _range(0, 32), "accumulator": _range(0, 32)},
        "input": _PLUG,
        "output": _PLUG,
        "ring": {
            "height": _MAP,
            "width": _MAP,
            "channels": _MAP,
            "segments": _MAP,
            "pixels": _MAP,
            "ports": _range(0, MOST_PORTS),
            "channel": _ORIGIN,
            "producers": _range(1, MOST_PORTS),
            "row": _ORIGIN,
            "row_step": _STEP,
            "column": _ORIGIN,
        },
        "scale": {
            "rows": _range(1, 2),
            **dict.fromkeys(("zero", "low", "high", "a0", "b0"), _register),
        },
        "table": {"first": _register, "step": _range(0, 31)},
        "mvmu": {
            "rows": _MAP,
            "columns": _MAP,
            "at_row": _ORIGIN,
            "at_column": _ORIGIN,
            "shift": _range(0, LARGEST_SHIFT),
            "row": _range(0, 1 << 31),
            "column": _range(0, 1 << 31),
        },
    }
)
"""The range of each whole number of a directive, by its attribute: first and last value on a target."""

_ELSEWHERE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "isa": frozenset({"version"}),  # cimc.isa.text.builder, cimc.isa.binary.file
        "string": frozenset({"number"}),  # cimc.isa.text.builder
        "origin": frozenset({"number"}),  # _check_origins
        "tile": frozenset({"number"}),  # cimc.isa.verify.memory
        "core": frozenset({"number"}),
        "channel": frozenset({"number"}),
        "ring": frozenset({"address"}),
        "scale": frozenset({"address", "entries"}),
        "vector": frozenset({"address", "entries"}),
        "table": frozenset({"address", "entries"}),
        "mvmu": frozenset({"mvmu", "weight_bits", "input_bits"}),  # cimc.isa.verify.instructions
    }
)

for _name, _directive in DIRECTIVE.items():
    _whole = {key.attribute for key in _directive.leading + _directive.keys if isinstance(key.kind, Int | Ints)}
    _known = RANGES.get(_name, {}).keys() | _ELSEWHERE.get(_name, frozenset())
    assert _whole == _known, f"numbers of .{_name} that have no range, or ranges without a number: {_whole ^ _known}"


def signed_range(bits: int) -> tuple[int, int]:
    """Least and largest signed number of so many bits."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def check_records(program: Program, target: Target, findings: Findings) -> bool:
    """Whether every number of every directive is one that the target can have, and those of one directive go together;
    complains about those that are not."""
    before = len(findings)
    _check("program", program, ".program", "program", target, findings)
    for name in ("word", "accumulator"):
        made_for, there = getattr(program, name), getattr(target.numbers, name)
        if made_for not in (0, there):
            what = f"the program is made for {name}s of {made_for} bits, those of {target.name} have {there}"
            findings.add("target", what, f".program, {name}", "compile the model for this target")
    for kind, plugs in (("input", program.inputs), ("output", program.outputs)):
        for plug in plugs:
            if not _check(kind, plug, f'{kind} "{plug.name}"', "plug", target, findings):
                continue
            for what in _plug_errors(plug):
                findings.add("plug", what, f'{kind} "{plug.name}"')
            if kind == "output" and not plug.rings:
                findings.add("plug", "the output is read from no ring", f'{kind} "{plug.name}"')
            if kind == "input" and plug.scale == 0 and plug.dtype == "float32":
                what = "its scale is 0, which hands integers through, and its dtype float32"
                findings.add("plug", what, f'{kind} "{plug.name}"')
        names = [plug.name for plug in plugs]
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                findings.add("plug", f"{names.count(name)} {kind}s have this name", f'{kind} "{name}"')
    for tile in program.tiles:
        _check_tile(tile, target, findings)
    _check_origins(program, findings)
    return len(findings) == before


def _check_origins(program: Program, findings: Findings) -> None:
    """Instructions come from strings that there are, or from none."""
    known = set(range(-1, len(program.strings)))
    for tile in program.tiles:
        for code in tile.codes:
            for index, instruction in enumerate(code.stream):
                if instruction.origin not in known:
                    known.add(instruction.origin)
                    what = f"origin {instruction.origin}, and there are {len(program.strings)} strings"
                    spot = tile.number, code.unit, code.number, index
                    findings.at(spot, "origin", what, "give the number of a string, or -1")


def _check_tile(tile: TileCode, target: Target, findings: Findings) -> None:
    for ring in tile.rings:
        item = f"tile {tile.number}, ring {ring.name}"
        error = _ring_error(ring) if _check("ring", ring, item, "ring", target, findings) else ""
        if error:
            findings.add("ring", error, item)
    for scale in tile.scales:
        item = f"tile {tile.number}, scale {scale.name}"
        if _check("scale", scale, item, "scale", target, findings) and scale.low > scale.high:
            findings.add("scale", f"low is {scale.low} and high {scale.high}", item, "low is the smaller of the two")
    for table in tile.tables:
        item = f"tile {tile.number}, table {table.name}"
        sound = _check("table", table, item, "table", target, findings)
        if sound and (table.entries - 1) << table.step > 1 << 32:
            what = f"{table.entries} entries 2^{table.step} apart reach further than any register"
            findings.add("table", what, item)
    for core in tile.cores:
        for matrix in core.matrices:
            item = f"tile {tile.number} core {core.number}, mvmu {matrix.mvmu}"
            _check("mvmu", matrix, item, "matrix", target, findings)


def _check(directive: str, record: object, item: str, code: str, target: Target, findings: Findings) -> bool:
    """Whether all numbers of a record are in their ranges; complains about each that is not."""
    right = True
    for attribute, limits in RANGES[directive].items():
        value = getattr(record, attribute)
        low, high = limits(target)
        for number in value if isinstance(value, tuple) else (value,):
            if not low <= number <= high:
                right = False
                findings.add(code, f"{attribute} is {number}; it must be {low} to {high}", f"{item}, {attribute}")
    return right


def _ring_error(ring: Ring) -> str:
    if ring.width % ring.segments:
        return f"a row of {ring.width} pixels does not divide into {ring.segments} segments"
    if ring.pixels % (ring.width // ring.segments):
        return f"{ring.pixels} pixels are no whole number of segments of {ring.width // ring.segments}"
    if ring.tickets > MOST_TICKETS:
        return f"{ring.tickets} tickets; at most {MOST_TICKETS}"
    words = ring.height * ring.width * ring.channels
    return "" if words <= MOST_WORDS else f"a map of {words} words; at most {MOST_WORDS}"


def _plug_errors(plug: Plug) -> Iterator[str]:
    if plug.dtype not in DTYPES:
        yield f'its dtype is "{plug.dtype}"; it must be one of {", ".join(DTYPES)}'
    if math.prod(plug.shape) > MOST_ELEMENTS:
        yield f"its shape {plug.shape} has {math.prod(plug.shape)} elements; at most {MOST_ELEMENTS}"
    if plug.scale != 0 and not (plug.scale > 0 and _is_single(plug.scale)):
        yield f"its scale is {plug.scale}; it must be 0, or positive and a number of 32 bits"
    if not plug.low <= plug.high:
        yield f"its low is {plug.low} and its high {plug.high}"
    if len(set(plug.rings)) < len(plug.rings):
        yield "it names a ring twice"


def _is_single(value: float) -> bool:
    """Whether a positive number stays positive and finite as a float32."""
    try:
        return bool(struct.unpack("<f", struct.pack("<f", value))[0] > 0)
    except OverflowError:
        return False
