"""Targets drawn from everything that docs/targets.md allows, most of them able to hold a small network.

Widths are drawn freely; sizes lean towards small ones, where layers are cut and things run short.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hypothesis import strategies as st

from cimc.base.diagnostics import Diagnostic, Place
from cimc.target.consistency import check_consistency
from cimc.target.model import Chip, Core, Crossbar, Mvmu, Numbers, Target, Tile


def problems(target: Target) -> list[Diagnostic]:
    """What cimc says of a target that contradicts itself, as it does when it reads a file."""
    return check_consistency(target, lambda path: Place(target.name, item=".".join(path)))


FREE = (
    "numbers.word", "numbers.accumulator", "numbers.weight", "numbers.input",
    "crossbar.cell_bits", "crossbar.dac_bits", "crossbar.adc_bits",
)  # fmt: skip
"""Widths that targets() can be told."""


@st.composite
def targets(draw: st.DrawFn, fixed: Mapping[str, int] = MappingProxyType({})) -> Target:
    """A target, nearly always one without contradictions. fixed: values of keys of FREE."""

    def width(path: str, low: int, high: int) -> int:
        return fixed[path] if path in fixed else draw(st.integers(low, high))

    needed = max(fixed.get("numbers.input", 2), fixed.get("crossbar.dac_bits", 2))
    word = fixed.get("numbers.word") or draw(st.sampled_from([w for w in (8, 16, 24, 32) if w >= needed]))
    weight = width("numbers.weight", 2, 16)
    inputs = width("numbers.input", min(16, max(2, fixed.get("crossbar.dac_bits", 2))), min(16, word))
    rows = draw(st.sampled_from((4, 9, 16, 27, 32, 64, 100, 128, 256, 300, 1024)))
    sum_bits = weight + inputs + (rows - 1).bit_length()
    sums = fixed.get("numbers.accumulator", word)
    shifts = draw(st.booleans()) or min(word, sums) < sum_bits or sums > word
    accumulator = width("numbers.accumulator", 8 if shifts else sum_bits, 32 if shifts else word)
    encoding = draw(st.sampled_from(("offset", "differential")))
    cell_bits = width("crossbar.cell_bits", 1, 8)
    mvmu, columns = _mvmu(draw, encoding, weight, cell_bits, shifts)
    dac_bits = fixed.get("crossbar.dac_bits") or draw(st.one_of(st.just(1), st.integers(1, inputs)))
    enough = min(32, (rows * ((1 << cell_bits) - 1) * ((1 << dac_bits) - 1)).bit_length())
    adc_bits = fixed.get("crossbar.adc_bits") or draw(st.one_of(st.just(enough), st.integers(max(1, enough - 3), 32)))
    crossbar = Crossbar(rows, columns, cell_bits, dac_bits, adc_bits)
    core = Core(draw(st.integers(1, 5)), draw(st.sampled_from((64, 128, 512, 4096))), 1 << 16)
    tile = Tile(
        draw(st.integers(1, 9)), draw(st.sampled_from((1 << 11, 1 << 13, 1 << 15, 1 << 20))), 1 << 16,
        draw(st.sampled_from((2, 6, 16, 64))), draw(st.integers(1, 3)),
    )  # fmt: skip
    chip = Chip(draw(st.sampled_from((16, 138, 1000))))
    numbers = Numbers(word, accumulator, weight, inputs)
    return Target("drawn", "a target drawn at random", numbers, crossbar, mvmu, core, tile, chip, {})


def _mvmu(draw: st.DrawFn, encoding: str, weight: int, cell_bits: int, shifts: bool) -> tuple[Mvmu, int]:
    """An MVMU that holds weights of such a width, and its crossbars' columns."""
    pair = encoding == "differential"
    needed = -(-(weight - 1 if pair else weight) // cell_bits) * (2 if pair else 1)
    flipped = not pair and draw(st.booleans())
    way = draw(st.sampled_from(("crossbars", "columns")))
    columns = draw(st.sampled_from((4, 10, 16, 64, 128)))
    crossbars = draw(st.integers(1, 3))
    if way == "columns":
        columns *= needed
    else:
        crossbars = needed + draw(st.integers(0, 2))
    return Mvmu(encoding, flipped, way, crossbars, "shift" if shifts else "none"), columns
