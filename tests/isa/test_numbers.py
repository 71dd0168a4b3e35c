"""Numbers that no chip could have are refused in no time: keys of directives, nesting, loops, windows, coverage."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from cimc.base.diagnostics import CimcError
from cimc.isa.binary.file import decode, encode
from cimc.isa.directives import DIRECTIVE, Key
from cimc.isa.operands import Affine, Axis
from cimc.isa.program import Area, Instruction, Program, Table
from cimc.isa.text.parser import parse
from cimc.isa.text.printer import print_program
from cimc.isa.verify.counts import MOST_INSTRUCTIONS, check_work, count_instructions
from cimc.isa.verify.coverage import check_coverage
from cimc.isa.verify.findings import Findings
from cimc.isa.verify.reach import Reach
from cimc.isa.verify.records import range_of
from cimc.isa.verify.verifier import verify
from cimc.isa.verify.wellformed import MOST_NESTED
from cimc.isa.verify.wiring import wire
from tests.isa.chip import CHIP
from tests.isa.small import CONV, SMALL

EXTREMES = (-1, 0, 1, 1 << 31, -(1 << 31), (1 << 63) - 1)
TABLE = Table("sigmoid", 100, 4, 0, 0, "sigmoid")
AREA = Area("kept", 900, 50)
WITH_TABLE = replace(SMALL, tiles=(replace(SMALL.tiles[0], tables=(TABLE,), areas=(AREA,)), SMALL.tiles[1]))


def record_of(directive: str) -> Any:
    """The record that `changed` changes."""
    tile = WITH_TABLE.tiles[0]
    return {
        "program": WITH_TABLE,
        "input": WITH_TABLE.inputs[0],
        "output": WITH_TABLE.outputs[0],
        "ring": tile.rings[1],
        "scale": tile.scales[0],
        "vector": tile.vectors[0],
        "table": tile.tables[0],
        "area": tile.areas[0],
        "mvmu": tile.cores[0].matrices[0],
    }[directive]


def changed(directive: str, **values: object) -> Program:
    """The program with other values in its record of a directive."""
    new = replace(record_of(directive), **values)
    tile, other = WITH_TABLE.tiles
    match directive:
        case "program":
            assert isinstance(new, Program)
            return new
        case "input":
            return replace(WITH_TABLE, inputs=(new,))
        case "output":
            return replace(WITH_TABLE, outputs=(new,))
        case "mvmu":
            tile = replace(tile, cores=(replace(tile.cores[0], matrices=(new,)),))
        case "ring":
            tile = replace(tile, rings=(tile.rings[0], new))
        case "scale":
            tile = replace(tile, scales=(new,))
        case "vector":
            tile = replace(tile, vectors=(new,))
        case "table":
            tile = replace(tile, tables=(new,))
        case "area":
            tile = replace(tile, areas=(new,))
    return replace(WITH_TABLE, tiles=(tile, other))


def refusal(program: Program) -> str:
    """What the verifier says, at once."""
    start = time.process_time()
    with pytest.raises(CimcError) as caught:
        verify(program, CHIP)
    assert time.process_time() - start < 2
    return str(caught.value)


def test_the_program_with_a_table_is_right() -> None:
    verify(WITH_TABLE, CHIP)


def numbered() -> list[tuple[str, Key]]:
    """Every whole number of every directive of which the program has a record, with its directive."""
    return [
        (name, key)
        for name, directive in DIRECTIVE.items()
        if name not in ("isa", "string", "origin", "phase", "tile", "core", "channel")
        for key in directive.all
        if key.kind.name in ("int", "ints")
    ]


@pytest.mark.parametrize(("directive", "key"), numbered())
def test_a_key_may_be_anything(directive: str, key: Key) -> None:
    """Whatever a number is, there is a verdict and it comes soon; outside of its range it is a refusal by name."""
    for value in EXTREMES:
        program = changed(directive, **{key.attribute: (value,) if key.kind.name == "ints" else value})
        low, high = range_of(key, CHIP) or (-(1 << 64), 1 << 64)
        if not low <= value <= high:
            assert f"{key.attribute} is {value}; it must be {low} to {high}" in refusal(program)
            continue
        start = time.process_time()
        try:
            verify(program, CHIP)
        except CimcError as error:
            assert all(found.code.startswith("verify.") for found in error.diagnostics)
        assert time.process_time() - start < 2


@pytest.mark.parametrize("attribute", ["address", "entries"])
@pytest.mark.parametrize("directive", ["scale", "vector", "table"])
def test_a_constant_outside_of_memory_is_refused(directive: str, attribute: str) -> None:
    for value in (-1, 1 << 31, (1 << 63) - 1):
        assert "verify.memory" in refusal(changed(directive, **{attribute: value}))


def nested(depth: int) -> tuple[Instruction, ...]:
    """The stream of the small program with so many more loops around its mvm, each run once."""
    loops = tuple(Instruction("loop", (f"w{number}", 1)) for number in range(depth))
    at = next(index for index, instruction in enumerate(CONV) if instruction.mnemonic == "mvm")
    return (*CONV[:at], *loops, CONV[at], *(Instruction("end") for _ in loops), *CONV[at + 1 :])


def with_stream(stream: tuple[Instruction, ...]) -> Program:
    """The small program with another stream in its core."""
    tile = SMALL.tiles[0]
    core = replace(tile.cores[0], stream=stream)
    return replace(SMALL, tiles=(replace(tile, cores=(core,)), SMALL.tiles[1]))


def test_loops_nest_as_deep_as_is_said_and_no_deeper() -> None:
    """Three loops stand around the mvm already."""
    program = with_stream(nested(MOST_NESTED - 3))
    verify(program, CHIP)
    assert parse(print_program(program)) == decode(encode(program)) == program
    with pytest.raises(CimcError, match=r"verify\.nesting"):
        verify(with_stream(nested(MOST_NESTED - 2)), CHIP)


@pytest.mark.parametrize("depth", [MOST_NESTED, 2_000, 10_000])
def test_both_readers_refuse_what_is_nested_deeper(depth: int) -> None:
    stream = nested(depth)
    start = time.process_time()
    with pytest.raises(CimcError, match=r"binary\.structure\]: loops are nested more than 32 deep"):
        decode(encode(with_stream(stream)))
    head, tail = print_program(SMALL).split("          mvm")
    loops = "".join(f"loop w{number}, 1\n" for number in range(depth))
    with pytest.raises(CimcError, match=r"asm\.nesting.*nested more than 32 deep\n  at net\.casm:\d+") as caught:
        parse(head + loops + "          mvm" + tail.replace("\n", "\n" + "end\n" * depth, 1), "net.casm")
    line = head.count("\n") + 1 + MOST_NESTED - 3
    assert [found.where.line for found in caught.value.diagnostics] == [line]
    assert time.process_time() - start < depth / 1_000 + 2


def test_names_that_utf8_cannot_write_are_refused() -> None:
    half = "\ud800"
    text = print_program(SMALL)
    for old in ("small", "Conv_0", "conv1/y", "conv1.scale", "image.index"):
        assert old in text
        with pytest.raises(CimcError):
            parse(text.replace(f'"{old}"' if f'"{old}"' in text else old, '"' + "\\ud800" + '"'))
    with pytest.raises(CimcError, match=r"verify\.value"):
        verify(with_stream((Instruction("loop", (half, -1)), Instruction("end"), Instruction("hlt"))), CHIP)


def test_work_is_counted_and_not_done() -> None:
    """Counted here by going around the loops of the small program."""
    counted = 0
    for stream in (
        SMALL.tiles[0].cores[0].stream,
        SMALL.tiles[0].channels[0].stream,
        SMALL.tiles[1].channels[0].stream,
    ):
        at, left = 0, []
        while at < len(stream):
            counted += 1
            if stream[at].mnemonic == "loop":
                count = stream[at].operands[1]
                assert isinstance(count, int)
                left.append([at, 1 if count < 0 else count])
            elif stream[at].mnemonic == "end":
                left[-1][1] -= 1
                if left[-1][1]:
                    at = left[-1][0]
                else:
                    left.pop()
            at += 1
    assert sum(count_instructions(SMALL, 1).values()) == counted


@pytest.mark.parametrize("count", [1 << 40, 10**15, (1 << 56) - 1])
def test_an_input_takes_no_more_than_a_billion_instructions(count: int) -> None:
    at = next(index for index, instruction in enumerate(CONV) if instruction.mnemonic == "mvm")
    stream = (*CONV[:at], Instruction("loop", ("again", count)), CONV[at], Instruction("end"), *CONV[at + 1 :])
    said = refusal(with_stream(stream))
    assert "verify.work" in said and f"{MOST_INSTRUCTIONS:,} are run" in said and f"loop again, {count}" in said


def test_many_short_loops_are_too_much_together() -> None:
    """No loop of them goes around a billion times."""
    loops = [Instruction("loop", ("again", MOST_INSTRUCTIONS // 4)), Instruction("clrs"), Instruction("end")]
    program = with_stream((*loops * 4, Instruction("hlt")))
    findings = Findings(program)
    check_work(program, wire(program), findings)
    assert [found.code for found in findings.diagnostics] == ["verify.work"]
    assert findings.diagnostics[0].where.item == "all streams together"


def test_a_reach_takes_no_longer_for_large_counts() -> None:
    """60,000 numbers plus one of 5,000 each are 300 million pairs, and only some 64,000 sums."""
    start = time.process_time()
    reach = Reach.of(Axis(Affine(0, (("a", 1), ("b", -1))), 30_000), {"a": 30_000, "b": 5_000})
    assert list(reach.offsets) == list(range(-4_999, 59_999))
    assert time.process_time() - start < 1


def test_a_ring_that_is_written_in_too_many_pieces_is_refused() -> None:
    """A diagonal of 10,000 pixels is 10,000 boxes that all differ: 10^12 pixels to look at."""
    text = print_program(SMALL).replace("loop    ox, 6", "loop    ox, 10000").replace("[oy, ox, 0:4]", "[ox, ox, 0:4]")
    text = text.replace('"conv1/y" addr=24 height=6 width=6', '"conv1/y" addr=24 height=10000 width=10000')
    program = parse(text)
    assert program.tiles[0].rings[1].height == 10_000
    findings = Findings(program)
    start = time.process_time()
    check_coverage(wire(program), findings)
    assert [found.code for found in findings.diagnostics] == ["verify.too-long"]
    assert time.process_time() - start < 3


def test_a_wide_map_takes_no_memory_for_its_area() -> None:
    """A map of 2^16 rows and 2^14 columns, written row by row, has one kind of row and one of column."""
    size = "height=65536 width=16384"
    text = print_program(SMALL).replace('"conv1/y" addr=24 height=6 width=6', f'"conv1/y" addr=24 {size}')
    text = text.replace("loop    oy, 6", "loop    oy, 65536").replace("loop    ox, 6", "loop    ox, 16384")
    findings = Findings(parse(text))
    tracemalloc.start()
    check_coverage(wire(parse(text)), findings)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not [found for found in findings.diagnostics if "conv1/y" in found.where.item]
    assert most < 100 << 20
