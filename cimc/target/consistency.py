"""Values that are sensible one by one and cannot be true together."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cimc.base.diagnostics import Diagnostic, Place
from cimc.target.keys import Path
from cimc.target.model import Target

LEAST_STEP = 2.0**-10
"""Of a converter, in units: the least that a program may have (docs/isa.md)."""


def check_consistency(target: Target, place: Callable[[Path], Place]) -> list[Diagnostic]:
    """Every contradiction in a target. `place` tells where a key was set."""
    return [
        Diagnostic("target.inconsistent", what, place(path), todo)
        for rule in (_widths, _slices, _converters, _sums, _writing, _cells)
        for path, what, todo in rule(target)
    ]


def _widths(target: Target) -> Iterator[tuple[Path, str, str]]:
    numbers, dac_bits = target.numbers, target.crossbar.dac_bits
    if numbers.word % 8:
        what = f"a word of {numbers.word} bits is not a whole number of bytes"
        yield ("numbers", "word"), what, "use a multiple of 8"
    if numbers.input > numbers.word:
        what = f"inputs of {numbers.input} bits do not fit words of {numbers.word} bits"
        yield ("numbers", "input"), what, "make numbers.word wider or numbers.input narrower"
    if dac_bits > numbers.input:
        what = f"a DAC of {dac_bits} bits is wider than inputs of {numbers.input} bits"
        yield ("crossbar", "dac_bits"), what, "make crossbar.dac_bits at most numbers.input"


def _slices(target: Target) -> Iterator[tuple[Path, str, str]]:
    crossbar, mvmu, bits = target.crossbar, target.mvmu, target.numbers.weight
    if mvmu.flipped and mvmu.encoding != "offset":
        what = f'columns cannot be flipped with encoding "{mvmu.encoding}"'
        yield ("mvmu", "flipped"), what, 'set mvmu.flipped to false, or mvmu.encoding to "offset"'
    needed = target.slices(bits) * target.cells_abreast
    path, places = ("mvmu", "crossbars"), mvmu.crossbars
    if mvmu.slices == "columns":
        path, places = ("crossbar", "columns"), crossbar.columns
    if needed > places:
        cells = f"{crossbar.cell_bits}-bit cells ({mvmu.encoding} encoding)"
        what = f"a {bits}-bit weight needs {needed} {path[1]} in {cells}, and there are {places}"
        yield path, what, f"give it {needed} {path[1]}, more crossbar.cell_bits, or a narrower numbers.weight"


def _converters(target: Target) -> Iterator[tuple[Path, str, str]]:
    crossbar, mvmu = target.crossbar, target.mvmu
    pairs = mvmu.encoding == "differential"
    if mvmu.pairs == "subtracted" and not pairs:
        what = f'encoding "{mvmu.encoding}" has no pairs of cells to subtract'
        yield ("mvmu", "pairs"), what, 'set mvmu.pairs to "apart", or mvmu.encoding to "differential"'
    if mvmu.pairs == "subtracted" and not crossbar.adc_signed:
        what = "the difference of a pair may be negative, and the ADC has no negative codes"
        yield ("crossbar", "adc_signed"), what, 'set crossbar.adc_signed to true, or mvmu.pairs to "apart"'
    if mvmu.correction == "digital" and pairs:
        what = "pairs of cells have no offset to correct"
        yield ("mvmu", "correction"), what, 'set mvmu.correction to "unit column", which pairs do not have either'
    fixed = crossbar.adc_keeps == "range" and crossbar.adc_range == "fixed"
    if fixed != (crossbar.adc_top > 0):
        what = 'the top of the ADC\'s range is given where adc_keeps is "range" and adc_range "fixed", and only there'
        yield ("crossbar", "adc_top"), what, "set crossbar.adc_top to the sum at the largest code, or leave it out"
    codes = (1 << (crossbar.adc_bits - 1)) if crossbar.adc_signed else (1 << crossbar.adc_bits) - 1
    largest = crossbar.adc_top * (1 << crossbar.dac_bits if crossbar.conversions == "once" else 1)
    if fixed and 0 < largest < codes * LEAST_STEP:
        what = f"a range of {crossbar.adc_top:g} units for {codes} codes has steps below 2^-10 units"
        yield ("crossbar", "adc_top"), what, "make crossbar.adc_top larger, or crossbar.adc_bits smaller"
    if crossbar.adc_scale == "column" and not (pairs or mvmu.correction == "digital"):
        what = "columns have ranges of their own, and the unit column, which all of them share, would need all of these"
        yield ("crossbar", "adc_scale"), what, 'set mvmu.correction to "digital", or crossbar.adc_scale to "layer"'
    data = crossbar.adc_keeps == "range" and crossbar.adc_range in ("minmax", "percentile", "least squares")
    if crossbar.adc_kind == "twin range" and (crossbar.adc_signed or not data):
        what = "a twin-range converter takes both steps from calibration data, and reads no negative sums"
        todo = 'set crossbar.adc_keeps to "range", adc_range to "least squares" and adc_signed to false'
        yield ("crossbar", "adc_kind"), what, todo
    if crossbar.rows_at_once > crossbar.rows:
        what = f"{crossbar.rows_at_once} rows at once of {crossbar.rows}"
        yield ("crossbar", "rows_at_once"), what, "make crossbar.rows_at_once at most crossbar.rows, or 0 for all"


def _sums(target: Target) -> Iterator[tuple[Path, str, str]]:
    numbers, rows = target.numbers, target.crossbar.rows
    if target.mvmu.round != "none":
        return
    if numbers.accumulator > numbers.word:
        fit = f"do not fit words of {numbers.word} bits, and nothing rounds them"
        todo = 'make numbers.word wider, or set mvmu.round to "shift"'
        yield ("numbers", "accumulator"), f"sums of {numbers.accumulator} bits {fit}", todo
    sum_bits = numbers.weight + numbers.input + (rows - 1).bit_length()
    if sum_bits > numbers.accumulator:
        terms = f"{numbers.weight}-bit weights times {numbers.input}-bit inputs has up to {sum_bits} bits"
        what = f"a sum over {rows} rows of {terms}; the accumulator has {numbers.accumulator} and nothing rounds"
        yield ("mvmu", "round"), what, 'set mvmu.round to "shift", or make numbers.accumulator wider'


def _writing(target: Target) -> Iterator[tuple[Path, str, str]]:
    if target.chip.resident == "one layer" and target.writing is None:
        what = "layers take turns on the crossbars, and the target does not say what writing them takes"
        yield ("chip", "resident"), what, 'add [writing], or set chip.resident to "all layers"'


def _cells(target: Target) -> Iterator[tuple[Path, str, str]]:
    device, levels = target.device, 1 << target.crossbar.cell_bits
    if device is None:
        return
    if device.off_conductance >= device.on_conductance:
        what = (
            f"off_conductance, {device.off_conductance:g} S, is not below on_conductance, {device.on_conductance:g} S"
        )
        yield ("device", "off_conductance"), what, "make it smaller"
    if device.levels in ("logarithmic", "even in resistance") and device.off_conductance == 0:
        what = f'levels that lie "{device.levels}" cannot start from an off_conductance of 0'
        yield ("device", "levels"), what, "give device.off_conductance"
    if device.levels == "listed":
        if len(device.level_list) != levels:
            listed, bits = len(device.level_list), target.crossbar.cell_bits
            what = f"{listed} levels are listed, and a cell of {bits} bits has {levels}"
            yield ("device", "level_list"), what, f"list {levels} conductances"
        elif any(b <= a for a, b in zip(device.level_list, device.level_list[1:], strict=False)):
            yield ("device", "level_list"), "the listed levels do not rise", "list the lowest first, each once"
    elif device.level_list:
        what = f'levels are listed, and device.levels is "{device.levels}"'
        yield ("device", "level_list"), what, 'set device.levels to "listed"'
    if device.stuck_on + device.stuck_off > 1:
        yield ("device", "stuck_on"), "more cells are stuck than there are", "stuck_on + stuck_off is at most 1"
