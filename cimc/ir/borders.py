"""Between a network's tensors and its maps: inputs are quantised onto maps, outputs taken back to tensors.

Arrays have the lane as axis 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.base.moves import ELEMENTS, WORDS
from cimc.ir.layers import Binding, FeatureMap, Words
from cimc.numerics.quant import Quant, dequantise, quantise

_AT_ONCE = 1 << 18
"""Elements of each lane that are quantised at once."""


def onto_map(binding: Binding, feature_map: FeatureMap, quant: Quant, x: npt.NDArray[Any]) -> Words:
    """An input tensor, (lanes, *shape), as integers on its map, (lanes, height, width, channels)."""
    assert binding.moves is not None, "an estimate has no inputs"
    laid = np.empty((len(x), feature_map.words), x.dtype)
    binding.moves.fill(WORDS, laid, x.reshape(len(x), -1))
    integers: Words = np.empty(laid.shape, np.int32 if x.dtype.itemsize < 4 or x.dtype.kind == "f" else np.int64)
    for first in range(0, feature_map.words, _AT_ONCE):
        part = laid[:, first : first + _AT_ONCE]
        integers[:, first : first + _AT_ONCE] = quantise(part, quant) if binding.dtype == "float32" else part
    return integers.reshape(len(x), *feature_map.size)


def from_maps(binding: Binding, maps: Mapping[str, Words], quant: Quant) -> npt.NDArray[Any]:
    """An output tensor, (lanes, *shape), from the maps that hold it; integer tensors stay integers."""
    assert binding.moves is not None, "an estimate has no outputs"
    lanes = maps[binding.maps[0]].shape[0]
    words = np.concatenate([maps[name].reshape(lanes, -1) for name in binding.maps], axis=1)
    result = np.empty((lanes, math.prod(binding.shape)), binding.dtype)
    binding.moves.fill(ELEMENTS, result, dequantise(words, quant) if binding.dtype == "float32" else words)
    return result.reshape(lanes, *binding.shape)
