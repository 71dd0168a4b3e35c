"""Between a network's tensors and its maps: inputs are quantised onto maps, outputs taken back to tensors.

Arrays have the lane as axis 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.ir.layers import Binding, FeatureMap, Ints
from cimc.numerics.quant import Quant, dequantise, quantise


def onto_map(binding: Binding, feature_map: FeatureMap, quant: Quant, x: npt.NDArray[Any]) -> Ints:
    """An input tensor, (lanes, *shape), as integers on its map, (lanes, height, width, channels)."""
    flat = x.reshape(x.shape[0], -1)[:, binding.index]
    integers = flat.astype(np.int64) if binding.dtype != "float32" else quantise(flat, quant)
    return integers.reshape(x.shape[0], feature_map.height, feature_map.width, feature_map.channels)


def from_maps(binding: Binding, maps: Mapping[str, Ints], quant: Quant) -> npt.NDArray[Any]:
    """An output tensor, (lanes, *shape), from the maps that hold it; integer tensors stay integers."""
    lanes = maps[binding.maps[0]].shape[0]
    flat = np.concatenate([maps[name].reshape(lanes, -1) for name in binding.maps], axis=1)[:, binding.index]
    if binding.dtype == "float32":
        return dequantise(flat, quant).reshape(lanes, *binding.shape)
    return flat.astype(binding.dtype).reshape(lanes, *binding.shape)
