"""A user's input arrays, checked against a Graph and turned into lanes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cimc.base.diagnostics import CimcError, Diagnostic, Place, did_you_mean
from cimc.ir.graph import Array, Graph, Tensor
from cimc.numerics.integers import NARROW, integer_range, storage_of


def lanes_of(graph: Graph, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Each graph input as (lanes, *shape), or one CimcError with everything that is wrong.

    Axis 0 of an array is the lane. A graph input with a batch axis of 1, shape (1, *rest), takes (lanes, *rest); any
    other shape takes (lanes, *shape). Any floating type is cast to float32; integers must have the input's own type, or
    be bytes in its range, where it is narrower than a byte.
    """
    wrong: list[Diagnostic] = []
    result: dict[str, Array] = {}
    counts: dict[str, int] = {}
    for name in arrays:
        if name not in graph.inputs:
            todo = did_you_mean(name, graph.inputs) or "the inputs are: " + ", ".join(graph.inputs)
            wrong.append(Diagnostic("input.name", f'the network has no input "{name}"', Place(item=name), todo))
    for name in graph.inputs:
        tensor = graph.tensors[name]
        if name not in arrays:
            what = f'the input "{name}", {tensor.dtype} of shape {_asked(tensor)}, is missing'
            todo = "give one array for each input, named as the input"
            wrong.append(Diagnostic("input.name", what, Place(item=name), todo))
            continue
        array = np.asarray(arrays[name])
        problems = _problems(tensor, array)
        wrong += problems
        if not problems:
            counts[name] = len(array)
            value = array.astype(storage_of(tensor.dtype), copy=False)
            result[name] = value.reshape(len(array), *tensor.shape)
    if len(set(counts.values())) > 1:
        held = ", ".join(f'"{name}" holds {count}' for name, count in counts.items())
        todo = "axis 0 is the lane, one independent run each: give every input the same number"
        wrong.append(Diagnostic("input.shape", f"the inputs do not agree on the number of lanes: {held}", todo=todo))
    if wrong:
        raise CimcError(wrong)
    return result


def _problems(tensor: Tensor, array: Array) -> list[Diagnostic]:
    """What is wrong with one input array; NaN is looked for only where the type is right."""
    place, wrong = Place(item=tensor.name), []
    per_lane = _per_lane(tensor)
    if array.ndim == 0 or array.shape[1:] != per_lane or len(array) == 0:
        what = f'the input "{tensor.name}" expects shape {_asked(tensor)}, got {_shown(array.shape)}'
        if array.shape == per_lane and per_lane:
            todo = "put the lane axis in front: array[None]"
        else:
            todo = "axis 0 is the lane (one run of the network each), at least 1"
        wrong.append(Diagnostic("input.shape", what, place, todo))
    wants_float = tensor.dtype == "float32"
    if not is_float(array.dtype) if wants_float else array.dtype.name not in (tensor.dtype, storage_of(tensor.dtype)):
        what = f'the input "{tensor.name}" expects {tensor.dtype}, got {array.dtype}'
        todo = f"convert it to {tensor.dtype} with the network's own preprocessing (range, mean, scale)"
        wrong.append(Diagnostic("input.dtype", what, place, todo))
    elif wants_float:
        with np.errstate(over="ignore"):
            finite = np.isfinite(array.astype(np.float32, copy=False))
        if not finite.all():
            first = tuple(int(index) for index in np.argwhere(~finite)[0])
            count = finite.size - int(finite.sum())
            what = f'the input "{tensor.name}" holds NaN or infinity: {count} element(s), the first at {first}'
            wrong.append(Diagnostic("input.nan", what, place, "give finite float32 values"))
    elif tensor.dtype in NARROW and array.size:
        (low, high), integers = integer_range(tensor.dtype), array.astype(np.int64)
        if not low <= integers.min() <= integers.max() <= high:
            what = f'the input "{tensor.name}" of type {tensor.dtype} holds {integers.min()} to {integers.max()}'
            wrong.append(Diagnostic("input.range", what, place, f"give integers from {low} to {high}"))
    return wrong


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether a type is a floating one, bfloat16 included, which is no type of numpy's own."""
    return dtype.kind == "f" or dtype.name == "bfloat16"


def _per_lane(tensor: Tensor) -> tuple[int, ...]:
    """The shape of one lane in the user's array."""
    return tensor.shape[1:] if tensor.shape[:1] == (1,) else tensor.shape


def _asked(tensor: Tensor) -> str:
    return _shown(("lanes", *_per_lane(tensor)))


def _shown(shape: tuple[int | str, ...]) -> str:
    return "(" + ", ".join(str(dim) for dim in shape) + ("," if len(shape) == 1 else "") + ")"
