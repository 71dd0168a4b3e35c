"""A target with round numbers, for tests of the verifier."""

from __future__ import annotations

from cimc.target.model import Chip, Core, Crossbar, Mvmu, Numbers, Target, Tile

CHIP = Target(
    name="round",
    description="round numbers",
    numbers=Numbers(word=16, accumulator=32, weight=8, input=8),
    crossbar=Crossbar(rows=100, columns=100, cell_bits=2, dac_bits=1, adc_bits=8),
    mvmu=Mvmu(encoding="offset", flipped=False, slices="crossbars", crossbars=8, round="none"),
    core=Core(mvmus=2, registers=500, instruction_bytes=1000),
    tile=Tile(cores=4, memory_words=1000, instruction_bytes=1000, fifos=4, fifo_depth=2),
    chip=Chip(tiles=10),
    prices={},
)
