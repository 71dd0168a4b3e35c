"""How many instructions an input takes, counted without running any: a program that would never end is refused.

Control does not depend on data: a loop's body runs as often as the loops around it say.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from cimc.isa.program import Instruction, Program
from cimc.isa.tree import loop_of, nesting
from cimc.isa.verify.findings import Findings
from cimc.isa.verify.wiring import Wiring

MOST_INSTRUCTIONS = 1_000_000_000
"""Instructions that an input may take, of all streams together. ResNet-50 for 224x224 takes 2 million."""


def count_instructions(program: Program, images: int) -> dict[str, int]:
    """Instructions that a run of so many inputs executes, by mnemonic. A loop counts once each time it is entered, its
    end once each time around."""
    counts: Counter[str] = Counter()
    for tile in program.tiles:
        for code in tile.codes:
            for mnemonic, times in _times(code.stream, images):
                counts[mnemonic] += times
    return dict(sorted(counts.items()))


def check_work(program: Program, wiring: Wiring, findings: Findings) -> None:
    """Complain about a program whose inputs take more than MOST_INSTRUCTIONS, at the loop that makes it so."""
    total = sum(count_instructions(program, 1).values())
    if total <= MOST_INSTRUCTIONS:
        return
    what = f"an input takes {total:,} instructions, at most {MOST_INSTRUCTIONS:,} are run"
    todo = "let loops run less often"
    longest = [(stream, _longest(stream.instructions)) for stream in wiring.streams]
    for stream, index in longest:
        if index is not None:
            findings.at(stream.spot(index), "work", what, todo)
    if not any(index is not None for _, index in longest):
        findings.add("work", what, "all streams together", todo)


def _longest(stream: Sequence[Instruction]) -> int | None:
    """The first loop that goes around more than MOST_INSTRUCTIONS times an input."""
    for index, (instruction, (_, times)) in enumerate(zip(stream, _times(stream, 1), strict=True)):
        loop = loop_of(instruction)
        if loop is not None and times * loop[1] > MOST_INSTRUCTIONS:
            return index
    return None


def _times(stream: Sequence[Instruction], images: int) -> Iterator[tuple[str, int]]:
    """Each instruction's mnemonic, and how often it runs."""
    for instruction, around in nesting(stream):
        yield instruction.mnemonic, math.prod(images if count < 0 else count for _, count in around)
