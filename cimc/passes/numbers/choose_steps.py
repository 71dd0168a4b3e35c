"""The steps of a layer's converters: what one code is worth, in units of a cell's first level at digit 1.

An ADC that keeps low bits has steps of 1, one that keeps high bits the least step 2^k at which the largest sum that a
crossbar can carry is a code. A range is all such sums (full), what the target says (fixed), or what sums the
calibration data make: all of them (minmax), all but rare ones (percentile), or the range of least error (least
squares), of the whole layer or column by column. Only fixed steps may be finer than a unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from cimc.crossbar.converter import Converter, TwinRangeConverter, UniformConverter, fine
from cimc.crossbar.feed import Feed
from cimc.ir.layers import Floats, Ints, Words
from cimc.ir.mapped import MappedGraph
from cimc.layer_kinds.matrix.mapped import MappedMatrix
from cimc.layer_kinds.matrix.sums import bands_of, block_inputs, in_cells
from cimc.target.model import Crossbar

FROM_DATA = ("minmax", "percentile", "least squares")
SUMS = 1 << 21
"""Column sums of a layer that are looked at, at least those of WINDOWS windows."""
WINDOWS = 64
PERCENTILE = 99.99
TRIED = 48
"""Ranges that least squares tries, from all sums down to a SMALLEST part of that."""
SMALLEST = 1 / 32
RATIOS = 8
"""Coarse steps of a twin-range converter that are tried: 1, 2, 4, ... fine ones."""
PARTS = (1.0, 0.84, 0.71, 0.59, 0.5, 0.35, 0.25)
"""And parts of the largest coarse step."""


class Sums(NamedTuple):
    """Sums of one slice and step, (count, columns), and what a unit of them counts in the result, (columns,)."""

    values: Floats
    counts: Floats


def from_data(crossbar: Crossbar) -> bool:
    """Whether steps depend on calibration data."""
    return crossbar.adc_keeps == "range" and crossbar.adc_range in FROM_DATA


def choose_steps(graph: MappedGraph, mapped: MappedMatrix, maps: Mapping[str, Words]) -> Floats | None:
    """Of every output, (O,); None for 1. maps: integers of calibration lanes, of what the layer reads."""
    crossbar, fed = graph.arithmetic.crossbar, mapped.fed(graph)
    outputs = mapped.layer.shape[0]
    if from_data(crossbar):
        steps = _measured(graph, mapped, maps)
    else:
        chain = graph.arithmetic.chain
        if isinstance(chain.converter, TwinRangeConverter):
            return None
        assert isinstance(chain.converter, UniformConverter), chain.converter
        steps = np.full(outputs, _declared(crossbar, chain.converter, chain.feed(fed.bits, fed.signed)))
    return None if (steps == 1).all() else steps


def _declared(crossbar: Crossbar, converter: UniformConverter, feed: Feed) -> float:
    """The step that a target says."""
    if crossbar.adc_keeps == "low bits":
        return 1.0
    if crossbar.adc_keeps == "range" and crossbar.adc_range == "fixed":
        return crossbar.adc_top * 2.0 ** (feed.steps * feed.dac_bits if feed.once else 0) / converter.top
    least, most = feed.digit_range
    rows = min(crossbar.rows_at_once or crossbar.rows, crossbar.rows)
    largest = rows * ((1 << crossbar.cell_bits) - 1) * max(-least, most)
    if crossbar.adc_keeps == "high bits":
        return 2.0 ** max(0, largest.bit_length() - converter.top.bit_length())
    return max(1.0, converter.full_step(-largest, largest))


def _measured(graph: MappedGraph, mapped: MappedMatrix, maps: Mapping[str, Words]) -> Floats:
    crossbar, converter = graph.arithmetic.crossbar, graph.arithmetic.chain.converter
    outputs = mapped.layer.shape[0]
    whole = list(_sums(graph, mapped, maps))
    if crossbar.adc_scale == "layer":
        values = np.concatenate([s.values.ravel() for _, s in whole])
        counts = np.concatenate([np.broadcast_to(s.counts, s.values.shape).ravel() for _, s in whole])
        return np.repeat(_step(values, counts, converter, crossbar.adc_range)[..., None], outputs, axis=-1)
    steps = []
    for column in range(outputs):
        mine = [(s.values[:, column - low], s.counts[column - low]) for low, s in whole
                if low <= column < low + len(s.counts)]  # fmt: skip
        values = np.concatenate([values for values, _ in mine])
        counts = np.concatenate([np.full(len(values), count) for values, count in mine])
        steps.append(_step(values, counts, converter, crossbar.adc_range))
    return np.stack(steps, axis=-1)


def _step(sums: Floats, counts: Floats, converter: Converter, method: str) -> Floats:
    """The step for sums, each counting so much in the result, (count,) both; of two ranges both steps."""
    one = converter.one if isinstance(converter, TwinRangeConverter) else converter
    assert isinstance(one, UniformConverter), converter
    least, largest = min(0.0, float(sums.min(initial=0))), float(sums.max(initial=0))
    if method == "percentile":
        least, largest = (float(np.percentile(sums, p)) for p in (100 - PERCENTILE, PERCENTILE))
        least = min(0.0, least)
    whole = max(1.0, one.full_step(least, largest))
    if one is not converter:
        ratios = 2.0 ** np.arange(min(RATIOS, 33 - one.bits))  # codes stay below 2^32
        tried = [np.array([max(1.0, whole * part / ratio), max(1.0, whole * part / ratio) * ratio])
                 for part in (PARTS if method == "least squares" else (1.0,)) for ratio in ratios]  # fmt: skip
    elif method == "least squares":
        tried = [np.array(max(1.0, whole * part)) for part in np.geomspace(SMALLEST, 1, TRIED)]
    else:
        return np.array(whole)
    values, where = np.unique(sums, return_inverse=True)
    weights = np.bincount(where, np.square(counts))

    def error(steps: Floats) -> float:
        """Of the results."""
        worth = fine(steps[..., None])
        return float((weights * np.square(converter.convert(values, steps[..., None]) * worth - values)).sum())

    return min(tried, key=error)


def _sums(graph: MappedGraph, mapped: MappedMatrix, maps: Mapping[str, Words]) -> Iterator[tuple[int, Sums]]:
    """What the layer's conversions meet on a part of the windows of calibration data, with the first output; the unit
    column's sums lie beside those of the first column."""
    windows = _some_windows(graph, mapped, maps)
    for task in mapped.tasks:
        for block, x in block_inputs(windows, task):
            programmed, feed = in_cells(graph, mapped, block)
            for worth, cells, unit in programmed.reads(x.astype(np.int64), feed):
                counts = programmed.recombination.counts * worth
                for sign, slice_ in np.ndindex(cells.shape[:2]):
                    yield block.low, Sums(cells[sign, slice_], counts[sign, slice_])
                if unit is not None:
                    largest = np.abs(programmed.recombination.unit).max(initial=0) * worth
                    yield block.low, Sums(unit, np.array([largest]))


def _some_windows(graph: MappedGraph, mapped: MappedMatrix, maps: Mapping[str, Words]) -> Ints:
    """Windows of the layer, evenly taken from all of the data, as (lanes 1, rows 1, windows, ...)."""
    chain, out = graph.arithmetic.chain, graph.maps[mapped.layer.output]
    fed = mapped.fed(graph)
    feed = chain.feed(fed.bits, fed.signed)
    columns = sum(block.high - block.low for task in mapped.tasks for block in task.blocks)
    cells = chain.storage.store(np.zeros((1, 1), np.int64), mapped.weight_bits).levels.size
    each = columns * cells * (1 if feed.once else feed.steps)
    wanted = max(WINDOWS, SUMS // each)
    there = len(next(iter(maps.values()))) * out.height * out.width
    taken = []
    for _, windows in bands_of(graph, mapped, maps):
        flat = windows.reshape(1, 1, -1, *windows.shape[3:])
        share = max(1, round(wanted * flat.shape[2] / there))
        taken.append(flat[:, :, np.linspace(0, flat.shape[2] - 1, min(share, flat.shape[2])).astype(int)])
    return np.concatenate(taken, axis=2)
