"""Targets drawn from everything that docs/targets.md allows, most of them able to hold a small network.

Widths are drawn freely; sizes lean towards small ones, where layers are cut and things run short.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
    once = draw(st.integers(0, 4)) == 0
    at_once = draw(st.sampled_from((0, 0, 0, 1, 4, 16, 64, 256)).filter(lambda n: n <= rows))
    dac_bits = fixed.get("crossbar.dac_bits") or draw(st.one_of(st.just(1), st.integers(1, inputs)))
    digit_bits = inputs if once else dac_bits
    enough = min(32, ((at_once or rows) * ((1 << cell_bits) - 1) * ((1 << digit_bits) - 1)).bit_length() + 1)
    adc_bits = fixed.get("crossbar.adc_bits") or draw(st.one_of(st.just(enough), st.integers(max(1, enough - 3), 32)))
    crossbar = Crossbar(rows, columns, cell_bits, dac_bits, adc_bits, "once" if once else "each step")
    mvmu, crossbar = _readout(draw, mvmu, replace(crossbar, rows_at_once=at_once), enough)
    core = Core(draw(st.integers(1, 5)), draw(st.sampled_from((64, 128, 512, 4096))), 1 << 16)
    tile = Tile(
        draw(st.integers(1, 9)), draw(st.sampled_from((1 << 11, 1 << 13, 1 << 15, 1 << 20))), 1 << 16,
        draw(st.sampled_from((2, 6, 16, 64))), draw(st.integers(1, 3)),
    )  # fmt: skip
    chip = Chip(draw(st.sampled_from((16, 138, 1000))))
    numbers = Numbers(word, accumulator, weight, inputs)
    return Target("drawn", "a target drawn at random", numbers, crossbar, mvmu, core, tile, chip, {})


def _readout(draw: st.DrawFn, mvmu: Mvmu, crossbar: Crossbar, enough: int) -> tuple[Mvmu, Crossbar]:
    """An MVMU and a crossbar with other converters; as they are as often as not. enough: bits that hold all sums."""
    if draw(st.booleans()):
        return mvmu, crossbar
    pair = mvmu.encoding == "differential"
    subtracted = pair and draw(st.booleans())
    digital = not pair and draw(st.booleans())
    mvmu = replace(
        mvmu, pairs="subtracted" if subtracted else "apart", correction="digital" if digital else "unit column"
    )
    keeps = draw(st.sampled_from(("low bits", "low bits", "high bits", "range")))
    ranges = ("full", "fixed", "minmax", "percentile", "least squares")
    found = draw(st.sampled_from(ranges)) if keeps == "range" else "full"
    top = float(draw(st.integers(1, 1 << enough))) if found == "fixed" else 0.0
    signed = subtracted or draw(st.booleans())
    twin = not signed and found in ranges[2:] and draw(st.booleans())
    return mvmu, replace(
        crossbar, adc_keeps=keeps, adc_range=found, adc_top=top,
        adc_scale=draw(st.sampled_from(("layer", "column"))) if pair or digital else "layer",
        adc_signed=signed, adc_kind="twin range" if twin else draw(st.sampled_from(("SAR", "ramp", "flash"))),
        adc_rounds=draw(st.sampled_from(("nearest", "down"))),
        signed_inputs=draw(st.sampled_from(("twos complement", "halves"))),
    )  # fmt: skip


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
