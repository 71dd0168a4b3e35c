"""Changes of a model's initialisers: their values, types, shapes and places."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.fuzz.draw import Draw
from tests.fuzz.onnx_graphs import Change
from tests.fuzz.values import FLOATS, INTS, NAMES, changed_bytes

LOCATIONS = ("weights.bin", "missing.bin", "", ".", "./weights.bin", "../work/weights.bin", "../beside.bin", "a\0b")
"""All within the folder above the example's own."""
TYPES = (
    TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64,
    TensorProto.BOOL,
)  # fmt: skip


def _tensor(draw: Draw, model: ModelProto) -> TensorProto:
    """An initialiser; a new one where there is none."""
    tensors = model.graph.initializer
    found: TensorProto = (
        draw.choice(tensors) if tensors else tensors.add(name="w", data_type=TensorProto.FLOAT, dims=[1])
    )
    return found


def _array(tensor: TensorProto) -> np.ndarray[Any, Any] | None:
    """Its values, unless an earlier change made them unreadable."""
    if tensor.data_location == TensorProto.EXTERNAL:
        return None
    try:
        return np.array(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError):
        return None


def _store(tensor: TensorProto, array: np.ndarray[Any, Any]) -> None:
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def extreme_values(draw: Draw, model: ModelProto) -> None:
    """Some or all values made extreme, or all of them scaled."""
    tensor = _tensor(draw, model)
    array = _array(tensor)
    if array is None or not array.size:
        return
    with np.errstate(all="ignore"):
        if array.dtype.kind == "f":
            value = array.dtype.type(draw.choice(FLOATS))
            match draw.randrange(4):
                case 0:
                    array *= value
                case 1:
                    array[...] = value
                case 2 if array.ndim:
                    array[draw.randrange(array.shape[0])] *= value
                case _:
                    array.flat[draw.randrange(array.size)] = value
        elif array.dtype.kind in "iu":
            limits = np.iinfo(array.dtype)
            fitting = [
                value for value in (*INTS, int(limits.max), int(limits.min)) if limits.min <= value <= limits.max
            ]
            array.flat[draw.randrange(array.size)] = draw.choice(fitting)
    _store(tensor, array)


def other_values_type(draw: Draw, model: ModelProto) -> None:
    """Its values in another type, or another type said of the same bytes."""
    tensor = _tensor(draw, model)
    array = _array(tensor)
    kind = draw.choice(TYPES)
    if array is not None and draw.random() < 0.6:
        with np.errstate(all="ignore"):
            _store(tensor, array.astype(helper.tensor_dtype_to_np_dtype(kind)))
    else:
        tensor.data_type = draw.choice((*TensorProto.DataType.values(), 99))


def other_dims(draw: Draw, model: ModelProto) -> None:
    """Its values in another shape, or another shape said of the same bytes."""
    tensor = _tensor(draw, model)
    array = _array(tensor)
    match draw.randrange(5):
        case 0 if array is not None:
            _store(tensor, array.T.copy())
        case 1 if array is not None and array.ndim:
            _store(tensor, array[: draw.choice((0, 1, array.shape[0] - 1))])
        case 2 if array is not None:
            _store(tensor, array.reshape(draw.choice(((-1,), (1, -1), (-1, 1), (1, *array.shape)))))
        case 3:
            tensor.dims.append(draw.choice(INTS))
        case _ if tensor.dims:
            tensor.dims[draw.randrange(len(tensor.dims))] = draw.choice(INTS)


def other_bytes(draw: Draw, model: ModelProto) -> None:
    tensor = _tensor(draw, model)
    tensor.raw_data = changed_bytes(draw, tensor.raw_data)


def other_place(draw: Draw, model: ModelProto) -> None:
    """Its values in a file beside the model, also where there is none."""
    tensor = _tensor(draw, model)
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    location = "weights.bin" if draw.random() < 0.5 else draw.choice(LOCATIONS)
    tensor.external_data.add(key="location", value=location)
    for key in ("offset", "length"):
        if draw.random() < 0.4:
            tensor.external_data.add(
                key=key, value=draw.choice(("0", "4", "64", "-1", "", "x", str(draw.choice(INTS))))
            )


def other_holder(draw: Draw, model: ModelProto) -> None:
    """An initialiser that is an input too, that is there twice, sparse, gone, or of another name."""
    graph, tensor = model.graph, _tensor(draw, model)
    match draw.randrange(5):
        case 0:
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type or 1, list(tensor.dims)))
        case 1:
            graph.initializer.append(tensor)
        case 2:
            values = helper.make_tensor(tensor.name, TensorProto.FLOAT, [1], [1.0])
            graph.sparse_initializer.append(
                helper.make_sparse_tensor(values, helper.make_tensor("i", TensorProto.INT64, [1], [0]), [4])
            )
        case 3:
            graph.initializer.remove(tensor)
        case _:
            tensor.name = draw.choice(NAMES).replace("\ud7ff", "?")


TENSOR_CHANGES: tuple[Change, ...] = (
    extreme_values, extreme_values, extreme_values, extreme_values, other_values_type, other_dims, other_dims,
    other_bytes, other_place, other_holder,
)  # fmt: skip
