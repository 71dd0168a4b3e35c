"""A matrix layer in integers: its weights, and how it gets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from cimc.crossbar.converter import Steps
from cimc.ir.epilogue import Epilogue, Float32s, ratio
from cimc.ir.formats import Formats
from cimc.ir.layers import Floats, Ints, Reals, Weights
from cimc.ir.mapped import MappedGraph, MappedLayer, Task, quantise_layer
from cimc.layer_kinds.matrix.cover import check_cover
from cimc.layer_kinds.matrix.layer import MatrixLayer
from cimc.numerics.quant import SMALLEST_RANGE, Quant, fits
from cimc.target.model import Numbers

LARGEST_BIAS_BITS = 30  # of a bias in units of a column's unrounded sum
SMALLEST_UNIT = 2.0**-56  # of a product, in steps of the result: what is smaller than that cannot change it


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedMatrix(MappedLayer):
    """weights (O, C/groups, KH, KW) of weight_bits; weight_scale (O,): what one unit of a weight stands for; bias (O,),
    None until shifts are chosen; shift: XbarOut's rounding; steps: of the converters, see cimc.crossbar.converter. bias
    and epilogue.m are in units of the shifted sum of codes."""

    layer: MatrixLayer
    weights: Weights
    weight_bits: int
    weight_scale: Float32s
    bias: Ints | None = None
    shift: int = 0
    steps: Steps = None

    @property
    def known_bias(self) -> Ints:
        """The bias, where shifts are chosen."""
        assert self.bias is not None, f"{self.layer.name} has no integer bias"
        return self.bias

    def bias_fits(self, word_bits: int) -> bool:
        """Whether words hold the bias, so that it can be added. Otherwise it is the second term of a requantisation by
        1 into the accumulator's range, which float32 holds well enough."""
        return self.bias is None or fits(self.bias, word_bits)

    def fed(self, graph: MappedGraph) -> Quant:
        """The format of what its crossbars are fed."""
        return graph.quants[self.layer.x.maps[0]]

    def constant_words(self, channels: int, numbers: Numbers) -> int:
        """Multipliers, table and bias."""
        bias = channels if self.bias_fits(numbers.word) else 2 * channels * -(-32 // numbers.word)
        return self.epilogue.words(channels, numbers.word) + bias

    def reads(self, task: Task, role: int) -> Iterator[tuple[str, int, int]]:
        """What its blocks multiply; and of a residual what it makes, where it finishes sums."""
        if role == 0:
            yield from ((run.map, run.channel, run.channel + run.channels) for b in task.blocks for run in b.runs)
        elif not task.is_partial:
            yield from MappedLayer.reads(self, task, role)

    def check(self, label: str, channels: int) -> None:
        """Weights as declared, and one bias and scale for each channel."""
        known = self.layer.known_weight.shape
        assert self.weights.shape == known, f"{label}: weights {self.weights.shape}, known {known}"
        for values in (self.bias, self.weight_scale, self.steps):
            assert values is None or values.shape[-1:] == (channels,), f"{label}: bias, scales or steps {values}"
        assert self.weight_bits > 0 <= self.shift, f"{label}: {self.weight_bits} bits, shift {self.shift}"

    def check_tasks(self, label: str) -> None:
        """Blocks cover every weight once."""
        check_cover(label, self.layer, self.tasks)


def as_matrix(mapped: MappedLayer) -> MappedMatrix | None:
    """A layer as what crossbars multiply; None for any other."""
    return mapped if isinstance(mapped, MappedMatrix) else None


def matrices_of(graph: MappedGraph) -> list[MappedMatrix]:
    """The layers that crossbars multiply."""
    return [mapped for mapped in graph.layers if isinstance(mapped, MappedMatrix)]


def with_matrices(graph: MappedGraph, change: Callable[[MappedMatrix], MappedMatrix]) -> MappedGraph:
    """The graph with something else for each of its matrices."""
    changed = tuple(change(one) if isinstance(one, MappedMatrix) else one for one in graph.layers)
    return replace(graph, layers=changed)


@quantise_layer.register
def _quantise(layer: MatrixLayer, formats: Formats) -> MappedMatrix:
    source, target = formats.of(layer.x), formats.target
    middle, bits = formats.before_functions(layer), formats.widths.weight(layer.name)
    if layer.given is not None:
        weights, scales = layer.given.weights.astype(np.int32), layer.given.scale
        bits = max(bits, _bits_of(weights, target.mvmu.encoding))
    else:
        top = (1 << (bits - 1)) - 1
        peaks = np.abs(layer.known_weight).max(axis=(1, 2, 3)).astype(np.float64) / top
        # A column of tiny weights with a large bias: in units of its sums the bias must stay an accumulator's number.
        # Where sums are rounded choose_shifts sees to that.
        bias_bits = LARGEST_BIAS_BITS if target.mvmu.round == "shift" else target.numbers.accumulator - 2
        peaks = np.maximum(peaks, np.abs(layer.bias) / (source.scale * 2.0**bias_bits))
        least = max(SMALLEST_UNIT * middle.scale / source.scale, SMALLEST_RANGE)
        scales = np.where(peaks > 0, np.maximum(peaks, least), 1.0).astype(np.float32)
        weights = round_weights(layer.known_weight, scales, bits)
    m = ratio(unit_of(source, scales), middle)
    n, b0 = None, 0
    if layer.residual is not None:
        other = formats.of(layer.residual)
        n = np.full(len(m), ratio(other.scale * layer.residual_gain, middle))
        b0 = other.zero
    epilogue = Epilogue.of(layer, m, n, (0, b0), middle, formats.out(layer))
    return MappedMatrix(layer=layer, epilogue=epilogue, weights=weights, weight_bits=bits, weight_scale=scales)


def _bits_of(weights: Weights, encoding: str) -> int:
    """Bits of the widest of the integers that a network carries; a pair of cells holds magnitudes, so that -2^(bits-1)
    takes a bit more there."""
    lowest = int(weights.min(initial=0)) + (0 if encoding == "differential" else 1)
    return max(int(weights.max(initial=1)), -lowest).bit_length() + 1


def unit_of(source: Quant, scales: Float32s) -> Floats:
    """What one unit of a column's sum stands for, (O,): float32(source.scale * scale), as onnxruntime's kernels take
    it, and the product itself where that is too small for float32 to hold in full."""
    exact = source.scale * scales.astype(np.float64)
    with np.errstate(under="ignore"):
        usual: Float32s = np.float32(source.scale) * scales
    return np.where(exact < SMALLEST_RANGE, exact, usual)


def round_weights(weight: Reals, scale: Float32s, bits: int) -> Weights:
    """Weights (O, ...) in units of a scale for each output, (O,), as integers of so many bits, signs alike."""
    top = (1 << (bits - 1)) - 1
    rounded: Weights = np.empty(weight.shape, np.int32)
    for to, of, unit in zip(rounded, weight, scale, strict=True):  # one by one: a large matrix has no room for copies
        to[...] = np.clip(np.rint(of / np.float64(unit)), -top, top)
    return rounded
