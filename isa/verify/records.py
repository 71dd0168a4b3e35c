"""The verifier's look at the numbers of directives: those of one record in their ranges, and going together."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterator

from cimc.isa.directives import DIRECTIVE, Key
from cimc.isa.program import MOST_ELEMENTS, REGISTER, WORD, Plug, Program, Ring, Scale, Table
from cimc.isa.verify.findings import Findings
from cimc.target.model import Target

MOST_WORDS = 1 << 31
"""Words of a map."""
MOST_TICKETS = 1 << 17
"""Tickets of a ring in one input."""
DTYPES = ("float32", "bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
"""Types of network inputs and outputs."""


def signed_range(bits: int) -> tuple[int, int]:
    """Least and largest signed number of so many bits."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def range_of(key: Key, target: Target) -> tuple[int, int] | None:
    """First and last value of the numbers of a key on a target; None where this is not the place to look."""
    if isinstance(key.limits, tuple):
        return key.limits
    word, accumulator = target.numbers.word, target.numbers.accumulator
    bits = {WORD: word, REGISTER: max(word, accumulator)}.get(key.limits)  # a register holds a word or an accumulator
    return signed_range(bits) if bits else None


def check_records(program: Program, target: Target, findings: Findings) -> bool:
    """Whether every number of every directive is one that the target can have, and those of one directive go together;
    complains about those that are not."""
    before = len(findings)
    ranges = {
        name: [(key.attribute, limits) for key in directive.all if (limits := range_of(key, target))]
        for name, directive in DIRECTIVE.items()
    }
    for directive, record, item in _records_of(program):
        code, so_far = _CODES.get(directive, directive), len(findings)
        for attribute, (low, high) in ranges[directive]:
            value = getattr(record, attribute)
            for number in value if isinstance(value, tuple) else (value,):
                if not low <= number <= high:
                    what = f"{attribute} is {number}; it must be {low} to {high}"
                    findings.add(code, what, f"{item}, {attribute}")
        if len(findings) == so_far:
            for what, todo in _errors(directive, record):
                findings.add(code, what, item, todo)
    for name in ("word", "accumulator"):
        made_for, there = getattr(program, name), getattr(target.numbers, name)
        if made_for not in (0, there):
            what = f"the program is made for {name}s of {made_for} bits, those of {target.name} have {there}"
            findings.add("target", what, f".program, {name}", "compile the model for this target")
    for kind, plugs in (("input", program.inputs), ("output", program.outputs)):
        for name, count in Counter(plug.name for plug in plugs).items():
            if count > 1:
                findings.add("plug", f"{count} {kind}s have this name", f'{kind} "{name}"')
    _check_origins(program, findings)
    return len(findings) == before


_CODES = {"input": "plug", "output": "plug", "mvmu": "matrix"}
"""Codes of findings about records, where they are not their directive's name."""


def _records_of(program: Program) -> Iterator[tuple[str, object, str]]:
    """The directive of each record, the record, and the item of a finding about it."""
    yield "program", program, ".program"
    for kind, plugs in (("input", program.inputs), ("output", program.outputs)):
        yield from ((kind, plug, f'{kind} "{plug.name}"') for plug in plugs)
    for tile in program.tiles:
        for thing, records in tile.things.items():
            yield from ((thing, record, f"tile {tile.number}, {thing} {record.name}") for record in records)
        for core in tile.cores:
            where = f"tile {tile.number} core {core.number}"
            yield from (("mvmu", matrix, f"{where}, mvmu {matrix.mvmu}") for matrix in core.matrices)


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


def _errors(directive: str, record: object) -> Iterator[tuple[str, str]]:
    """What is wrong with a record whose numbers are all in their ranges, and what to do."""
    match record:
        case Plug():
            yield from ((what, "") for what in _plug_errors(record, directive))
        case Ring():
            error = _ring_error(record)
            yield from [(error, "")] if error else []
        case Scale() if record.low > record.high:
            yield f"low is {record.low} and high {record.high}", "low is the smaller of the two"
        case Table() if (record.entries - 1) << record.step > 1 << 32:
            yield f"{record.entries} entries 2^{record.step} apart reach further than any register", ""


def _ring_error(ring: Ring) -> str:
    if ring.width % ring.segments:
        return f"a row of {ring.width} pixels does not divide into {ring.segments} segments"
    if ring.pixels % (ring.width // ring.segments):
        return f"{ring.pixels} pixels are no whole number of segments of {ring.width // ring.segments}"
    if ring.tickets > MOST_TICKETS:
        return f"{ring.tickets} tickets; at most {MOST_TICKETS}"
    words = ring.height * ring.width * ring.channels
    return "" if words <= MOST_WORDS else f"a map of {words} words; at most {MOST_WORDS}"


def _plug_errors(plug: Plug, kind: str) -> Iterator[str]:
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
    if kind == "output" and not plug.rings:
        yield "the output is read from no ring"
    if kind == "input" and plug.scale == 0 and plug.dtype == "float32":
        yield "its scale is 0, which hands integers through, and its dtype float32"


def _is_single(value: float) -> bool:
    """Whether a positive number stays positive and finite as a float32."""
    try:
        return bool(struct.unpack("<f", struct.pack("<f", value))[0] > 0)
    except OverflowError:
        return False
