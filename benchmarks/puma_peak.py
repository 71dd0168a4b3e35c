"""PUMA's peak from its stated timing beside the printed one: `python benchmarks/puma_peak.py`. No constant is fitted.

A node's MVMUs multiply all the time; a multiplication and an addition are two operations. The same rate comes out of
the timing engine, run on one MVMU that does nothing but multiply.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cimc.isa.program import CoreCode, Instruction, Matrix, Program, TileCode
from cimc.runtime.timing.engine import time_program
from cimc.target import load_target
from cimc.target.model import Target

PRINTED = 52.3e12
"""PUMA, ASPLOS 2019: 577 GOPS/s/mm2 x 90.638 mm2, or 837 GOPS/s/W x 62.5 W; operations a second of a node."""
PRODUCTS = 1000


@dataclass(frozen=True, slots=True)
class Peak:
    """Operations a second of a node. mvmus: of it; product: s of one by the preset; stated: from these; engine: by the
    timing engine, with the fetch of each mvm; needed: s a product would have to take for the printed peak."""

    mvmus: int
    operations: int
    product: float
    stated: float
    engine: float
    needed: float


def peak(target: Target) -> Peak:
    """The peak of a target's chip."""
    mvmus = target.chip.tiles * target.tile.cores * target.core.mvmus
    bits = target.numbers.weight
    rows, columns = target.mvmu_rows, target.mvmu_columns(bits)
    operations = mvmus * 2 * rows * columns
    product = target.prices["mvm"].seconds
    matrix = Matrix(0, "w", rows, columns, bits, target.numbers.input, True, 0, "w", 0, 0)
    stream = (
        Instruction("loop", ("image", -1)),
        Instruction("loop", ("i", PRODUCTS)),
        Instruction("mvm", (1,)),
        Instruction("end"),
        Instruction("end"),
        Instruction("hlt"),
    )
    program = Program("peak", target.name, "", tiles=(TileCode(0, cores=(CoreCode(0, (matrix,), stream),)),))
    interval = time_program(program, target, inputs=3).interval
    assert interval is not None, "three inputs have an interval"
    stated = operations / product
    return Peak(mvmus, operations, product, stated, operations * PRODUCTS / interval, operations / PRINTED)


def main() -> None:
    """Print the comparison."""
    found = peak(load_target("puma"))
    print(f"MVMUs of a node                 {found.mvmus:>8,}")
    print(f"one product (simulator)         {found.product * 1e9:>8.0f} ns = 100 ns x (16 steps + 3 - 1)")
    print(f"peak from the stated timing     {found.stated / 1e12:>8.1f} TOPS")
    print(f"by the engine, fetch included   {found.engine / 1e12:>8.1f} TOPS")
    print(f"peak as the paper prints it     {PRINTED / 1e12:>8.1f} TOPS")
    lines = (
        f"The printed peak needs a product every {found.needed * 1e9:.0f} ns. A 16-bit input fed bit by bit at 100 ns",
        f"a step takes {found.product * 1e9:.0f} ns with the two steps that fill the pipeline, 1600 without. The",
        "paper does not say which timing its peak is for; its two figures (a mm2, a W) agree with each",
        "other, not with the simulator.",
    )
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
