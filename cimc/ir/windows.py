"""Convolution and pooling over (lanes, N, C, H, W) in NumPy, with bounded memory.

Products of float32 numbers are summed in float64 and rounded once, so that neither the order of a sum nor the BLAS that
chooses it can be seen in a result (but for a tie in a hundred million).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from cimc.ir.graph import Array, Conv, Pool

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
T = TypeVar("T", bound=np.generic)

COLUMNS_LIMIT = 1 << 21
"""Elements of the unfolded input that may be in memory at once (16 MiB of float64), at least one row of the result."""


def multiply(a: Floats, b: Floats | Doubles) -> Doubles:
    """a @ b of float32 numbers, in float64."""
    product: Doubles = np.matmul(a.astype(np.float64), b.astype(np.float64, copy=False))
    return product


def convolve(node: Conv, x: Floats, weight: Floats, bias: Floats | None, size: tuple[int, int]) -> Floats:
    """x (lanes, N, C, H, W) by weight (O, C/groups, KH, KW) to (lanes, N, O, *size)."""
    lanes, batch, channels = x.shape[:3]
    outputs, inputs_per_group, *kernel = weight.shape
    images = x.reshape(lanes * batch, *x.shape[2:])
    result: Floats = np.empty((lanes * batch, outputs, *size), np.float32)
    row = max(1, channels * kernel[0] * kernel[1] * size[1])
    at_once = max(1, COLUMNS_LIMIT // (row * max(1, size[0])))
    for first in range(0, len(images), at_once):
        part = slice(first, first + at_once)
        padded = _padded(images[part], node.pads, np.float32(0))
        if inputs_per_group == 1 and outputs == channels:
            result[part] = _depthwise(node, padded, weight, size)
            continue
        rows = COLUMNS_LIMIT // row if at_once == 1 else size[0]
        for top in range(0, size[0], max(1, rows)):
            band = (min(max(1, rows), size[0] - top), size[1])
            result[part, :, top : top + band[0]] = _unfolded(node, padded[:, :, top * node.strides[0] :], weight, band)
    if bias is not None:
        result += bias[:, None, None]
    return result.reshape(lanes, batch, outputs, *size)


def pool(node: Pool, x: Array, size: tuple[int, int]) -> Array:
    """x (lanes, N, C, H, W) to (lanes, N, C, *size); padding never wins a maximum."""
    images = x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])
    if node.kind == "max":
        return _max_pool(node, images, size).reshape(*x.shape[:3], *size)
    total: Floats = np.zeros((*images.shape[:2], *size), np.float32)
    for _, _, tap in _taps(node, _padded(images, node.pads, np.float32(0)), node.kernel, size):
        total += tap
    if node.count_include_pad:
        return (total / np.float32(node.kernel[0] * node.kernel[1])).reshape(*x.shape[:3], *size)
    inside = _padded(np.ones((1, 1, *images.shape[2:]), np.float32), node.pads, np.float32(0))
    counts: Floats = np.zeros((1, 1, *size), np.float32)
    for _, _, tap in _taps(node, inside, node.kernel, size):
        counts += tap
    return (total / counts).reshape(*x.shape[:3], *size)


def _max_pool(node: Pool, images: Array, size: tuple[int, int]) -> Array:
    lowest = np.float32(-np.inf) if images.dtype.kind == "f" else np.iinfo(images.dtype.name).min
    result: Array | None = None
    for _, _, tap in _taps(node, _padded(images, node.pads, lowest), node.kernel, size):
        result = tap.copy() if result is None else np.maximum(result, tap, out=result)
    assert result is not None, node.kernel
    return result


def _depthwise(node: Conv, padded: Floats, weight: Floats, size: tuple[int, int]) -> Floats:
    """One filter for each channel: a sum over the taps of the window."""
    result: Floats = np.zeros((*padded.shape[:2], *size), np.float32)
    for ky, kx, tap in _taps(node, padded, weight.shape[2:], size):
        result += tap * weight[:, 0, ky, kx, None, None]
    return result


def _unfolded(node: Conv, padded: Floats, weight: Floats, size: tuple[int, int]) -> Floats:
    """Every window laid out as a column, then one matrix product an image and group."""
    images, channels = padded.shape[:2]
    outputs, inputs_per_group, height, width = weight.shape
    points, rows = size[0] * size[1], inputs_per_group * height * width
    columns: Floats | Doubles
    if (height, width) == (1, 1):
        columns = padded[:, :, :: node.strides[0], :: node.strides[1]][:, :, : size[0], : size[1]]
    else:
        columns = np.empty((images, channels, height, width, *size), np.float64)
        for ky, kx, tap in _taps(node, padded, (height, width), size):
            columns[:, :, ky, kx] = tap
    grouped = columns.reshape(images, node.groups, rows, points)
    matrices = weight.reshape(node.groups, outputs // node.groups, rows)
    return multiply(matrices, grouped).astype(np.float32).reshape(images, outputs, *size)


def _taps(
    node: Conv | Pool, padded: npt.NDArray[T], kernel: tuple[int, ...], size: tuple[int, int]
) -> Iterator[tuple[int, int, npt.NDArray[T]]]:
    """For each place in the window: the element of every window that lies there, (images, C, *size)."""
    for ky in range(kernel[0]):
        for kx in range(kernel[1]):
            y, x = ky * node.dilations[0], kx * node.dilations[1]
            yield (
                ky,
                kx,
                padded[
                    :,
                    :,
                    y : y + (size[0] - 1) * node.strides[0] + 1 : node.strides[0],
                    x : x + (size[1] - 1) * node.strides[1] + 1 : node.strides[1],
                ],
            )


def _padded(images: npt.NDArray[T], pads: tuple[int, int, int, int], value: float | np.float32) -> npt.NDArray[T]:
    top, left, bottom, right = pads
    if not any(pads):
        return images
    return np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)
