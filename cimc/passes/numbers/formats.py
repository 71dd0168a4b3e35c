"""choose_formats: a number format for every map, from what the network fixes, its rounding grids, and calibration.

Needs: the range of every map and of every table's input. Promises: maps that one operand or one network output
joins share one format, and every format fits a word.

A map that is never negative is unsigned. Any other one of up to NARROW bits has a zero point, so that all of its
numbers are used. Wider ones are symmetric on targets that round sums, where a zero point would cost the sums more than
it gives the map, and keep one bit free above what calibration has seen.
"""

from __future__ import annotations

import numpy as np

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.ir.formats import Ranges
from cimc.ir.layers import Layer, LayerGraph
from cimc.ir.widths import LARGEST_FORMAT, Widths, has_spare
from cimc.numerics.quant import Quant, fits, range_quant
from cimc.target.model import Target


def choose_formats(graph: LayerGraph, ranges: Ranges, target: Target, widths: Widths) -> dict[str, Quant]:
    """Formats by map name."""
    groups = _groups(graph)
    bits = _bits(graph, target, widths)
    made_by = {layer.output: layer for layer in graph.layers}
    found: dict[str, Quant] = {}
    problems = []
    for members in groups:
        given = {m.quant for m in (graph.maps[name] for name in members) if m.quant is not None}
        if len(given) > 1:
            problems.append(
                Diagnostic(
                    "quant.mixed",
                    f"maps {', '.join(members)} are read side by side in different number formats",
                    Place(item=members[0]),
                    "give them one scale and zero point in the network",
                )
            )
            continue
        grids = [made_by[name] for name in members if name in made_by and made_by[name].grid]
        width = min(bits[name] for name in members)
        if given:
            quant = as_words(given.pop(), target)
            problems += _beyond_a_word(graph, members, quant, target)
        elif grids and len(members) == 1:
            quant = _grid_format(grids[0], width, target)
        else:
            low = min(ranges[name][0] for name in members)
            high = max(ranges[name][1] for name in members)
            quant = format_for(low, high, width, target)
        found.update(dict.fromkeys(members, quant))
    if problems:
        raise CimcError(problems)
    return found


def format_for(low: float, high: float, bits: int, target: Target) -> Quant:
    """The format of a map of `bits` bits whose values were between low and high in calibration."""
    spare = has_spare(bits, target)
    return range_quant(low, high, bits, symmetric=spare, word_bits=target.numbers.word, headroom_bits=int(spare))


def as_words(quant: Quant, target: Target) -> Quant:
    """A format that the network fixes, moved by half a word's range where words do not hold its integers but do hold
    their differences: 0 .. 255 becomes -128 .. 127 in words of 8 bits, and the real numbers stay the same."""
    half = 1 << (target.numbers.word - 1)
    if quant.low < 0 or quant.high < half:
        return quant
    return Quant(quant.scale, quant.zero - half, quant.low - half, quant.high - half)


def _beyond_a_word(graph: LayerGraph, members: list[str], quant: Quant, target: Target) -> list[Diagnostic]:
    """What is said of a format that the network fixes and the target's words do not hold; integers that enter or leave
    the network must be words as they are."""
    name, word = members[0], target.numbers.word
    borders = {name for b in (*graph.inputs, *graph.outputs) if b.dtype != "float32" for name in b.maps}
    passed = [name for name in members if name in borders]
    given = next(q for q in (graph.maps[name].quant for name in members) if q is not None)
    if passed:
        name, quant = passed[0], given
    if fits(np.asarray([quant.low, quant.high]), word):
        return []
    what = (
        f"the network fixes integers from {quant.low} to {quant.high}; words of {target.name} have {word} bits, signed"
    )
    todo = "take a target with wider words, or quantise the network to integers that they hold"
    return [Diagnostic("quant.word", what, Place(item=name), todo)]


def _grid_format(layer: Layer, bits: int, target: Target) -> Quant:
    """A Round in the network fixes the step: integers times the grid."""
    unsigned = layer.low >= 0
    top = (1 << min(bits, target.numbers.word - 1)) - 1 if unsigned else (1 << (bits - 1)) - 1
    bottom = 0 if unsigned else -top - 1
    low = int(np.clip(np.rint(layer.low / layer.grid), bottom, top))
    high = int(np.clip(np.rint(layer.high / layer.grid), bottom, top))
    return Quant(float(np.float32(layer.grid)), 0, low, high)


def _bits(graph: LayerGraph, target: Target, widths: Widths) -> dict[str, int]:
    """Bits of every map: what layers that read it are fed with, else a word (LARGEST_FORMAT at most)."""
    bits = dict.fromkeys(graph.maps, min(target.numbers.word, LARGEST_FORMAT))
    for layer in graph.layers:
        for name in layer.reads[0].maps:
            bits[name] = min(bits[name], layer.fed_bits(bits[name], widths, target))
    return bits


def _groups(graph: LayerGraph) -> list[list[str]]:
    """Sets of maps that must share a format, in order of first member."""
    parent = {name: name for name in graph.maps}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    def join(names: tuple[str, ...]) -> None:
        for name in names[1:]:
            parent[root(name)] = root(names[0])

    for layer in graph.layers:
        for operand in layer.reads:
            join(operand.maps)
        if layer.keeps_format and graph.maps[layer.output].quant is None:
            source = layer.reads[0].maps
            if source and graph.maps[source[0]].quant is None:
                join((source[0], layer.output))
    for binding in graph.outputs:
        join(binding.maps)
    groups: dict[str, list[str]] = {}
    for name in graph.maps:
        groups.setdefault(root(name), []).append(name)
    return list(groups.values())


def needed_ranges(graph: LayerGraph) -> tuple[str, ...]:
    """The Graph tensors whose ranges choose_formats and tables need."""
    names = [name for name, m in graph.maps.items() if m.quant is None]
    return tuple(dict.fromkeys([*names, *(layer.before for layer in graph.layers if layer.before)]))


def complete_ranges(graph: LayerGraph, measured: Ranges) -> dict[str, tuple[float, float]]:
    """Ranges of all maps: maps that no Graph tensor names (copies, halves of a pool) take their source's."""
    ranges = {name: measured[name] for name in measured}
    for layer in graph.layers:
        if layer.output in ranges or graph.maps[layer.output].quant is not None:
            continue
        operand = layer.reads[0]
        known = [ranges[name] for name in operand.maps if name in ranges]
        known += [_limits(q) for q in (graph.maps[n].quant for n in operand.maps) if q is not None]
        assert known, f"no range is known for {layer.output}"
        ranges[layer.output] = (min(low for low, _ in known), max(high for _, high in known))
    return ranges


def _limits(quant: Quant) -> tuple[float, float]:
    return (quant.low - quant.zero) * quant.scale, (quant.high - quant.zero) * quant.scale
