"""quantise: real layers to integer layers - weights, multipliers, tables. Blocks, shifts and biases come later.

Needs: a format for every map. Promises: MappedLayers whose numbers do not depend on how a matrix is cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.ir.layers import (
    Floats,
    Layer,
    LayerGraph,
    MatrixLayer,
    Operand,
    PoolLayer,
    Reals,
    SoftmaxLayer,
    VectorLayer,
    Weights,
)
from cimc.ir.mapped import Arithmetic, Finish, Float32s, MappedGraph, MappedLayer, SoftmaxTables, TableValues
from cimc.numerics.functions import apply_function
from cimc.numerics.quant import SMALLEST_RANGE, Quant, dequantise, finite32, range_quant
from cimc.numerics.quant import quantise as to_integers
from cimc.passes.numbers.formats import LARGEST_FORMAT, NARROW, Ranges, Widths, clamp
from cimc.target.model import Target

TABLE_BITS = 10  # entries of a table of a wide format: 2^10 + 1, values between are interpolated
LARGEST_BIAS_BITS = 30  # of a bias in units of a column's unrounded sum
SMALLEST_UNIT = 2.0**-56  # of a product, in steps of the result: what is smaller than that cannot change it
EXPONENT_BITS = 15  # exp(0) in a table is 2^15 - 1, or as large as a word can be


def quantise(
    graph: LayerGraph, quants: Mapping[str, Quant], ranges: Ranges, target: Target, widths: Widths
) -> MappedGraph:
    """Integer layers without tasks; see the module."""
    layers = tuple(_layer(layer, quants, ranges, widths, target) for layer in graph.layers)
    wide = [_beyond_cells(m, target) for m in layers if m.weight_bits > target.largest_weight_bits]
    if wide:
        raise CimcError(wide)
    return MappedGraph(graph.name, layers, graph.maps, dict(quants), graph.inputs, graph.outputs, Arithmetic.of(target))


def scale_of(quants: Mapping[str, Quant], operand: Operand) -> Quant:
    """The format that all maps of an operand share."""
    return quants[operand.maps[0]]


def _layer(layer: Layer, quants: Mapping[str, Quant], ranges: Ranges, widths: Widths, target: Target) -> MappedLayer:
    out = quants[layer.output]
    middle = _middle(layer, quants, ranges, out, target)
    if isinstance(layer, MatrixLayer):
        return _matrix(layer, quants, middle, out, widths, target)
    if isinstance(layer, PoolLayer) and not layer.counts_padding:
        return _partial_average(layer, quants, out, target.numbers.word)
    if isinstance(layer, PoolLayer):
        source = scale_of(quants, layer.x)
        share = 1.0 if layer.kind == "max" else 1.0 / (layer.kernel[0] * layer.kernel[1])
        m = np.full(layer.x.channels, _ratio(source.scale * share, out))
        n = np.zeros(layer.x.channels) if layer.kind == "max" else None
        return MappedLayer(layer, _finish(m, n, source.zero, 0, layer, middle, out), ())
    if isinstance(layer, SoftmaxLayer):
        return _softmax(layer, quants, out, min(EXPONENT_BITS, target.numbers.word - 1))
    assert isinstance(layer, VectorLayer), f"unknown layer {layer}"
    return _vector(layer, quants, middle, out)


def _partial_average(layer: PoolLayer, quants: Mapping[str, Quant], out: Quant, word_bits: int) -> MappedLayer:
    """An average over the part of a window inside the map: the sum first, then its share of the number of pixels.

    Wide words hold the exact sum; narrow ones hold what the average would be if the whole window counted.
    """
    source = scale_of(quants, layer.x)
    channels, window = layer.x.channels, layer.kernel[0] * layer.kernel[1]
    gain = 1.0 if word_bits >= 32 else source.scale / (out.scale * window)
    limit = 1 << min(word_bits - 1, 24)  # beyond 2^24 float32 does not hold every sum
    first = Finish(np.full(channels, gain, np.float32), None, source.zero, 0, 0, -limit, limit - 1)
    share = np.full(channels, _ratio(source.scale, out) if word_bits >= 32 else window, np.float32)
    return MappedLayer(layer, Finish(share, None, 0, 0, out.zero, out.low, out.high), (), pre=(first,))


def _middle(layer: Layer, quants: Mapping[str, Quant], ranges: Ranges, out: Quant, target: Target) -> Quant:
    """The format before a layer's functions: its result's, where it has none. A narrow result's table is entered with
    NARROW bits all the same, a wide one's with as many as a result can have."""
    if not layer.functions:
        return out
    if isinstance(layer, VectorLayer) and layer.kind == "sum" and len(layer.operands) == 1:
        source = scale_of(quants, layer.operands[0])
        if (layer.gains[0] == 1).all() and not layer.bias.any():
            return source
    low, high = ranges[layer.before]
    word = target.numbers.word
    wide = out.bits > NARROW
    bits = min(word, LARGEST_FORMAT if wide else NARROW)
    return range_quant(max(low, layer.low), min(high, layer.high), bits, symmetric=wide, word_bits=word)


def _finish(m: Floats, n: Floats | None, a0: int, b0: int, layer: Layer, middle: Quant, out: Quant) -> Finish:
    limits = clamp(layer, middle)
    second = None if n is None else np.asarray(n, np.float32)
    table = _table(layer, middle, out) if layer.functions else None
    return Finish(np.asarray(m, np.float32), second, a0, b0, middle.zero, limits.low, limits.high, table)


def _table(layer: Layer, middle: Quant, out: Quant) -> TableValues:
    """Entries of all of a layer's functions in one, for every input, or every 2^step-th of a wide format."""
    step = max(0, middle.bits - TABLE_BITS) if middle.bits > 8 else 0
    count = ((middle.high - middle.low) >> step) + (2 if step else 1)
    at = middle.low + (np.arange(count, dtype=np.int64) << step)
    real = dequantise(at, middle)
    for function in layer.functions:
        real = apply_function(function.name, function.a, function.b, real)
    return TableValues(to_integers(np.nan_to_num(real), out), middle.low, step)


def _ratio(scale: Floats | float, out: Quant) -> Floats:
    """float32(float32(scale) / float32(out.scale)), as onnxruntime's kernels take it; of a scale too small for float32
    to hold in full, float32(scale / out.scale); of one too large, the largest number of float32."""
    with np.errstate(under="ignore", over="ignore"):
        usual = np.float32(scale) / np.float32(out.scale)
        exact = np.float64(scale) / out.scale
        return finite32(np.where(np.abs(scale) < SMALLEST_RANGE, exact, usual)).astype(np.float64)


def _matrix(
    layer: MatrixLayer, quants: Mapping[str, Quant], middle: Quant, out: Quant, widths: Widths, target: Target
) -> MappedLayer:
    source = scale_of(quants, layer.x)
    bits = widths.weight(layer.name)
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
    m = _ratio(unit_of(source, scales), middle)
    n, b0 = None, 0
    if layer.residual is not None:
        other = scale_of(quants, layer.residual)
        n = np.full(len(m), _ratio(other.scale * layer.residual_gain, middle))
        b0 = other.zero
    return MappedLayer(layer, _finish(m, n, 0, b0, layer, middle, out), (), weights, bits, scales)


def _bits_of(weights: Weights, encoding: str) -> int:
    """Bits of the widest of the integers that a network carries; a pair of cells holds magnitudes, so that -2^(bits-1)
    takes a bit more there."""
    lowest = int(weights.min(initial=0)) + (0 if encoding == "differential" else 1)
    return max(int(weights.max(initial=1)), -lowest).bit_length() + 1


def _beyond_cells(mapped: MappedLayer, target: Target) -> Diagnostic:
    """What is said of weights that the network fixes and the target's cells do not hold."""
    most = target.largest_weight_bits
    what = f"weights of {mapped.weight_bits} bits, and an MVMU of {target.name} holds at most {most}"
    todo = "take a target with more cells a weight, or quantise the network to fewer bits"
    return Diagnostic("quant.weights", what, Place(item=mapped.layer.name), todo)


def unit_of(source: Quant, scales: Float32s) -> Floats:
    """What one unit of a column's sum stands for, (O,): float32(source.scale * scale), as onnxruntime's kernels take
    it, and the product itself where that is too small for float32 to hold in full."""
    exact = source.scale * scales.astype(np.float64)
    with np.errstate(under="ignore"):
        usual: Float32s = np.float32(source.scale) * scales
    return np.where(exact < SMALLEST_RANGE, exact, usual)


def underflows(mapped: MappedGraph) -> Iterator[Diagnostic]:
    """A warning for each layer whose own scales have products that float32 does not hold in full."""
    for one in mapped.layers:
        if one.weight_scale is None or one.matrix.given is None:
            continue
        unit = float(unit_of(mapped.quants[one.matrix.x.maps[0]], one.weight_scale).min())
        if unit < np.finfo(np.float32).tiny:
            what = (
                f"the scales that the network carries for its inputs and weights have a product of {unit:.3g}, which "
                "underflows float32: other runtimes may take it for 0"
            )
            yield Diagnostic("quant.underflow", what, Place(item=one.layer.name), "calibrate that layer again")


def round_weights(weight: Reals, scale: Float32s, bits: int) -> Weights:
    """Weights (O, ...) in units of a scale for each output, (O,), as integers of so many bits, signs alike."""
    top = (1 << (bits - 1)) - 1
    rounded: Weights = np.empty(weight.shape, np.int32)
    for to, of, unit in zip(rounded, weight, scale, strict=True):  # one by one: a large matrix has no room for copies
        to[...] = np.clip(np.rint(of / np.float64(unit)), -top, top)
    return rounded


def _vector(layer: VectorLayer, quants: Mapping[str, Quant], middle: Quant, out: Quant) -> MappedLayer:
    formats = [scale_of(quants, operand) for operand in layer.operands]
    channels = layer.operands[0].channels
    if layer.kind == "sum":
        m = _ratio(formats[0].scale * layer.gains[0], middle)
        if len(formats) == 2:
            assert not layer.bias.any(), "a sum of two has no bias"
            n, b0 = _ratio(formats[1].scale * layer.gains[1], middle), formats[1].zero
        else:
            n, b0 = _ratio(layer.bias, middle), 0
        return MappedLayer(layer, _finish(m, n, formats[0].zero, b0, layer, middle, out), ())
    if layer.kind == "product":
        gain = layer.gains[0] * layer.gains[1]
        m = _ratio(formats[0].scale * formats[1].scale * gain, middle)
        return MappedLayer(layer, _finish(m, None, formats[0].zero, formats[1].zero, layer, middle, out), ())
    zeros = np.zeros(channels, np.float32)
    limits = clamp(layer, middle)
    pre = tuple(
        Finish(
            np.asarray(_ratio(f.scale * gain, middle), np.float32),
            zeros,
            f.zero,
            0,
            middle.zero,
            limits.low,
            limits.high,
        )
        for f, gain in zip(formats, layer.gains, strict=True)
    )
    return MappedLayer(layer, _finish(np.ones(channels), None, 0, 0, layer, middle, out), (), pre=pre)


def _softmax(layer: SoftmaxLayer, quants: Mapping[str, Quant], out: Quant, exponent_bits: int) -> MappedLayer:
    source = scale_of(quants, layer.x)
    one = (1 << exponent_bits) - 1
    if source.bits <= 8:
        high, low, split, shift = _exponents(source, 1, 1 << source.bits, one), None, 0, 0
    else:
        split, shift = source.bits // 2, exponent_bits
        high = _exponents(source, 1 << split, 1 << (source.bits - split), one)
        low = _exponents(source, 1, 1 << split, one)
    m = np.full(layer.x.channels, np.float32(1) / np.float32(out.scale), np.float32)
    finish = Finish(m, None, 0, 0, out.zero, out.low, out.high)
    return MappedLayer(layer, finish, (), softmax=SoftmaxTables(high, low, split, shift))


def _exponents(source: Quant, stride: int, count: int, one: int) -> TableValues:
    """exp(-d * scale) for d = 0, stride, 2 * stride, ... as integers, exp(0) = one."""
    real = np.exp(-(np.arange(count) * stride) * source.scale).astype(np.float32)
    return TableValues(np.rint(real * np.float32(one)).astype(np.int64), 0, 0)
