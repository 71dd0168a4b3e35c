"""The verifier passes a good program and refuses every mutation of it, each with its message.

The messages stand in golden/refusals.txt; `python -m tests.isa.goldens write` writes them anew.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cimc.base.diagnostics import CimcError
from cimc.isa.program import Instruction, Program
from cimc.isa.text.parser import parse
from cimc.isa.text.printer import print_program
from cimc.isa.verify.verifier import verify
from tests.isa.chip import CHIP
from tests.isa.goldens import golden
from tests.isa.small import CONV, SMALL
from tests.isa.strategies import programs

GOLDEN = "refusals.txt"
TEXT = print_program(SMALL)
RESIDUAL = (Path(__file__).parent / "residual.cimasm").read_text(encoding="utf-8")

# name: (code, [(what to replace in the small program, by what)])
CASES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "no release in the loop": ("deadlock", [("        release x.0, oy\n", "")]),
    "no release at the end": ("releases", [("      release x.0, 6\n", "")]),
    "a late signal": ("signals", [("signal  y, oy+1", "signal  y, oy")]),
    "an early release": ("discipline", [("release x.0, oy\n", "release x.0, oy+1\n")]),
    "no wait": ("discipline", [("        wait    x.0, oy+2\n", "")]),
    "a wait for too little": ("discipline", [("wait    x.0, oy+2", "wait    x.0, oy+1")]),
    "no space": ("discipline", [('        space   "conv1/y", oy+1\n', "")]),
    "a space for too little": ("discipline", [("space   y, oy+1", "space   y, oy")]),
    "an early signal": (
        "discipline",
        [
            ('        signal  "conv1/y", oy+1\n', ""),
            ("        loop    ox, 6\n", '        signal  "conv1/y", oy+1\n        loop ox, 6\n'),
        ],
    ),
    "no wait before a send": ("discipline", [('        wait    "conv1/y".0, oy+1\n', "")]),
    "a load without a port": (
        "discipline",
        [('send    "conv1/y"[oy, 0:6, 0:4], 1, 0', "send    x[0:+4, 0:6, 0], 1, 0")],
    ),
    "too small a ring": ("deadlock", [("pixels=24", "pixels=12")]),
    "no send": ("no-sender", [('        send    "conv1/y"[oy, 0:6, 0:4], 1, 0\n', "")]),
    "no receive": ("no-receiver", [("        receive y[oy, 0:6, 0:4], 0\n", "")]),
    "messages of different size": (
        "messages",
        [('send    "conv1/y"[oy, 0:6, 0:4]', 'send    "conv1/y"[oy, 0:6, 0:3]')],
    ),
    "messages of different number": (
        "messages",
        [("        receive y", "        receive y[oy, 0:6, 0:4], 0\n        receive y")],
    ),
    "two producers": (
        "producers",
        [('        release "conv1/y".0, oy+1\n', '        release "conv1/y".0, oy+1\n        signal "conv1/y", 0\n')],
    ),
    "no producer": ("no-producer", [("rings=(0:x)", "rings=()")]),
    "two owners of a port": (
        "port-owners",
        [('        release "conv1/y".0, oy+1\n', '        release "conv1/y".0, oy+1\n        release x.0, 0\n')],
    ),
    "a port without an owner": ("no-port-owner", [("pixels=24 ports=1", "pixels=24 ports=2")]),
    "no such port": ("port", [("wait    x.0", "wait    x.1")]),
    "an input from nowhere": ("plug", [("rings=(0:x)", "rings=(0:z)")]),
    "an input at a port": ("plug", [("rings=(0:x)", "rings=(0:x.0)")]),
    "an output of integers with a scale": ("plug", [("dtype=float32 shape=(4, 6, 6)", "dtype=int8 shape=(4, 6, 6)")]),
    "an output at no port": ("plug", [("rings=(1:y.0)", "rings=(1:y)")]),
    "a channel never stored": ("unstored", [("[oy, ox, 0:4], r[0:4]", "[oy, ox, 0:3], r[0:3]")]),
    "a row never stored": (
        "unstored",
        [
            ("receive y[oy, 0:6", "receive y[0, 0:6"),
            ("signal  y, oy+1", "signal  y, oy*6"),
            ("space   y, oy+1", "space   y, 1"),
        ],
    ),
    "a column never stored": ("unstored", [("loop    ox, 6", "loop    ox, 5")]),
    "only the diagonal stored": ("unstored", [("[oy, ox, 0:4], r[0:4]", "[ox, ox, 0:4], r[0:4]")]),
    "a register that is not there": ("register", [("loadv   r[8:12]", "loadv   r[498:502]")]),
    "a register never written": ("unwritten", [("    loadv   r[8:12], bias[0:4]\n", "")]),
    "an input never written": ("unwritten", [("xin[0:9], x[oy-1:+3, ox-1:+3, 0]", "xin[0:6], x[oy-1:+3, ox-1:+2, 0]")]),
    "unequal lengths": ("length", [("requant r[0:4], xout[0:4]", "requant r[0:4], xout[0:3]")]),
    "a window of another length": ("length", [("load    xin[0:9]", "load    xin[0:10]")]),
    "a scale of another length": ("length", [("conv1.scale[0:4]", "conv1.scale[0:3]")]),
    "no such entry": ("entries", [("conv1.scale[0:4]", "conv1.scale[1:5]")]),
    "a scale with two rows": ("scale-rows", [("entries=4 rows=1", "entries=4 rows=2")]),
    "no such MVMU": ("mask", [("mvm     0b1", "mvm     0b10")]),
    "an empty mask": ("mask", [("mvm     0b1", "mvm     0b0")]),
    "an MVMU beyond the core": ("mvmu", [(".mvmu 0", ".mvmu 2"), ("mvm     0b1", "mvm     0b100")]),
    "too many rows": ("matrix", [("rows=9 ", "rows=101 ")]),
    "too wide weights": ("matrix", [("weight_bits=8", "weight_bits=17")]),
    "too wide inputs": ("matrix", [("input_bits=8", "input_bits=17")]),
    "a store outside of the map": ("window", [('store   "conv1/y"[oy, ox', 'store   "conv1/y"[oy, ox+1')]),
    "channels that are not there": ("window", [('send    "conv1/y"[oy, 0:6, 0:4]', 'send    "conv1/y"[oy, 0:6, 1:5]')]),
    "three dimensions": ("window", [('send    "conv1/y"[oy, 0:6, 0:4]', 'send    "conv1/y"[0:2, 0:3, 0:2]')]),
    "channels with a step": ("window", [('send    "conv1/y"[oy, 0:6, 0:4]', 'send    "conv1/y"[oy, 0:6, 0:+2:2]')]),
    "the input in an address": ("image-counter", [("x[oy-1:+3", "x[image+oy-1:+3")]),
    "no loop over the inputs": (
        "image-loop",
        [
            (
                "loop    image, *\n      loop    oy, 6\n        space",
                "loop    image, 3\n      loop    oy, 6\n        space",
            )
        ],
    ),
    "two loops over the inputs": (
        "image-loop",
        [("    hlt\n  .channel", "    loop again, *\n    clrs\n    end\n    hlt\n  .channel")],
    ),
    "work after the inputs": (
        "image-loop",
        [("    end\n    hlt\n  .channel", "    end\n    set r[0], 1\n    set r[1], 1\n    hlt\n  .channel")],
    ),
    "a loop that never runs": ("loop", [("loop    ox, 6", "loop    ox, 0")]),
    "too far a shift": ("shift", [("maxi    r[0:4], r[0:4], 0", "shri    r[0:4], r[0:4], 64")]),
    "too many waits": (
        "too-long",
        [("        space   y, oy+1\n", "        loop again, 1000000\n        space   y, oy+1\n        end\n")],
    ),
    "overlapping rings": ("overlap", [("addr=24", "addr=20")]),
    "memory beyond the tile": ("memory", [("addr=24", "addr=960")]),
    "half a segment": ("ring", [("segments=1 pixels=24", "segments=4 pixels=24")]),
    "half a row in a ring": ("ring", [("pixels=24", "pixels=25")]),
    "an empty ring": ("ring", [("pixels=24", "pixels=0")]),
    "a ring with a million ports": ("ring", [("pixels=24 ports=1", "pixels=24 ports=1000000")]),
    "a map with a million rows": ("ring", [("height=6 width=6 channels=1 ", "height=1000000 width=6 channels=1 ")]),
    "no such tile": ("tile", [(".tile 1", ".tile 10"), ("rings=(1:y.0)", "rings=(10:y.0)"), ("], 1, 0", "], 10, 0")]),
    "no such core": ("core", [(".core 0", ".core 4")]),
    "no such FIFO": ("fifo", [("], 1, 0", "], 1, 4"), ("0:4], 0\n        signal", "0:4], 4\n        signal")]),
    "too much code": (
        "code",
        [("          maxi    r[0:4], r[0:4], 0\n", "          maxi    r[0:4], r[0:4], 0\n" * 200)],
    ),
    "a shift that is negative": ("matrix", [("signed=true shift=0", "signed=true shift=-1")]),
    "a matrix before its MVMU": ("matrix", [("row=0 column=0", "row=0 column=0 at_row=-1")]),
    "sums wider than any": ("matrix", [("input_bits=8", "input_bits=16 at_row=0"), ("shift=0", "shift=49")]),
    "a load far outside": ("window", [("x[oy-1:+3", "x[oy*72057594037927935-1:+3")]),
    "a product that overflows": ("shift", [("maxi    r[0:4], r[0:4], 0", "mulshr  r[0:4], r[0:4], r[0:4], 63")]),
    "a range upside down": ("scale", [("zero=0 low=-128 high=127 a0", "zero=0 low=1 high=0 a0")]),
    "an input of no type": ("plug", [("dtype=float32 shape=(1, 6, 6)", "dtype=object shape=(1, 6, 6)")]),
    "an input without a scale": ("plug", [("scale=0.05", "scale=-0.05")]),
    "a scale that float32 does not have": ("plug", [("scale=0.05", "scale=1e-300")]),
    "a float that is handed through": ("plug", [("scale=0.05", "scale=0.0")]),
    "an output without a ring": ("plug", [("rings=(1:y.0)", "rings=()")]),
    "an input in a ring twice": ("plug", [("rings=(0:x)", "rings=(0:x, 0:x)")]),
    "words of other widths": ("target", [('weights="', 'word=24 weights="')]),
    "an origin without a string": ("origin", [(".origin 1", ".origin 7")]),
    "a channel of no number": ("channel", [("  .channel 0\n", "  .channel -1\n")]),
    "an endless loop": (
        "work",
        [("        loop    ox, 6\n", "        loop again, 1000000000000000\n        end\n        loop ox, 6\n")],
    ),
    "too much in all": (
        "work",
        [("        loop    ox, 6\n", "        loop again, 100000000\n        clrs\n        end\n        loop ox, 6\n")],
    ),
    "too much transfer code": ("code", [("        space   y, oy+1\n", "        space   y, oy+1\n" * 300)]),
}


def mutated(name: str) -> Program:
    """The small program with the replacements of a case, each of which must be there."""
    text = TEXT
    for old, new in CASES[name][1]:
        assert old in text, f"{old!r} is not in the text"
        text = text.replace(old, new)
    return parse(text)


def message(name: str) -> str:
    """What the verifier says to a case."""
    with pytest.raises(CimcError) as caught:
        verify(mutated(name), CHIP)
    codes = [diagnostic.code for diagnostic in caught.value.diagnostics]
    assert f"verify.{CASES[name][0]}" in codes, (name, codes)
    return str(caught.value)


@pytest.mark.parametrize("name", CASES)
def test_a_mutation_is_refused_with_its_message(name: str) -> None:
    assert message(name) == golden(GOLDEN, name)


def test_the_small_program_is_right() -> None:
    verify(SMALL, CHIP)


def test_the_residual_program_is_right_and_would_not_be_with_a_smaller_ring() -> None:
    """Core 1 holds row oy of x while core 0 waits for row oy + 2: three rows run, two do not."""
    verify(parse(RESIDUAL), CHIP)
    with pytest.raises(CimcError, match=r"verify\.deadlock.*streams wait for each other"):
        verify(parse(RESIDUAL.replace("segments=2 pixels=18", "segments=2 pixels=12")), CHIP)


@pytest.mark.parametrize(
    "line",
    [line for line in RESIDUAL.split("\n") if line.strip().startswith(("wait", "space", "release", "signal", "store"))],
)
def test_no_line_of_the_residual_program_can_be_missed(line: str) -> None:
    with pytest.raises(CimcError):
        verify(parse(RESIDUAL.replace(line + "\n", "", 1)), CHIP)


def test_a_segment_too_early_is_found() -> None:
    """Half a row is two tickets a row: the right half of a row needs the wait of its own half."""
    with pytest.raises(CimcError, match=r"verify\.discipline.*slots 1 to 1 of ring x.*half = 1.*waited for 1"):
        verify(parse(RESIDUAL.replace("wait x.1, oy*2+half+1", "wait x.1, oy*2+1")), CHIP)


@settings(max_examples=150)
@given(st.integers(0, 1 << 32))
def test_whatever_the_numbers_are_there_is_a_verdict(seed: int) -> None:
    """Numbers changed and lines lost at random: a program is right, or is refused with diagnostics."""
    rng = random.Random(seed)
    lines = rng.choice([TEXT, RESIDUAL]).split("\n")
    for _ in range(rng.randint(1, 3)):
        number = rng.randrange(len(lines))
        numbers = list(re.finditer(r"\d+", lines[number]))
        if numbers and rng.random() < 0.8:
            old = rng.choice(numbers)
            new = str(rng.choice([0, 1, 2, 3, 5, 7, 12, 100, 10**6, 10**12]))
            lines[number] = lines[number][: old.start()] + new + lines[number][old.end() :]
        elif lines[number].lstrip().startswith((".", "release", "load", "add")):
            del lines[number]
    try:
        program = parse("\n".join(lines))
    except CimcError as error:
        assert all(diagnostic.code.startswith("asm.") for diagnostic in error.diagnostics)
        return
    try:
        verify(program, CHIP)
    except CimcError as error:
        assert all(diagnostic.code.startswith("verify.") for diagnostic in error.diagnostics)


@settings(max_examples=60)
@given(programs().filter(lambda program: bool(program.tiles)))  # half of them
def test_programs_of_nonsense_are_refused_too(program: Program) -> None:
    with pytest.raises(CimcError):
        verify(program, CHIP)


def test_programs_that_no_text_could_say_are_refused() -> None:
    def with_stream(*stream: Instruction) -> Program:
        tile = SMALL.tiles[0]
        return replace(SMALL, tiles=(replace(tile, cores=(replace(tile.cores[0], stream=stream),)), *SMALL.tiles[1:]))

    for stream, code in (
        ((Instruction("frob"), Instruction("hlt")), "form"),
        ((Instruction("mvm"), Instruction("hlt")), "form"),
        ((Instruction("mvm", (-1,)), Instruction("hlt")), "number"),
        (CONV[:-1], "missing-hlt"),
        ((*CONV[:-2], CONV[-1]), "missing-end"),
        ((Instruction("end"), *CONV), "unmatched-end"),
    ):
        with pytest.raises(CimcError, match=rf"verify\.{code}\]"):
            verify(with_stream(*stream), CHIP)
