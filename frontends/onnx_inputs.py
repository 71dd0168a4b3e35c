"""What a graph lists: its inputs with static shapes - the batch bound to 1, other symbolic dimensions by the user - and
everything under one name."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from onnx import ModelProto, TensorProto, ValueInfoProto
from onnx.helper import tensor_dtype_to_np_dtype

from cimc.base.diagnostics import Diagnostic, Place, did_you_mean
from cimc.frontends.graph_builder import ELEMENTS_LIMIT, Unsupported
from cimc.ir.graph import Tensor
from cimc.numerics.integers import NARROW

FLOATS = ("float16", "float32", "float64", "bfloat16")
INTEGERS = (*NARROW, "int8", "uint8", "int16", "uint16", "int32", "int64")


def graph_inputs(model: ModelProto, bind: Mapping[str, int], place: Place) -> tuple[list[Tensor], list[Diagnostic]]:
    """The inputs that are no initialisers, and what is wrong with them. Floating types become float32."""
    held = {tensor.name for tensor in model.graph.initializer}
    held |= {sparse.values.name for sparse in model.graph.sparse_initializer}
    infos = [info for info in model.graph.input if info.name not in held]
    bound = {name: 1 for info in infos for name in _batch_names(info)} | dict(bind)
    wrong = _wrong_bindings(infos, bind)
    tensors: list[Tensor] = []
    for info in infos:
        try:
            tensors.append(_input(info, bound))
        except Unsupported as refusal:
            where = Place(file=place.file, item=f'input "{info.name}"')
            wrong.append(Diagnostic(refusal.code, f'input "{info.name}" {refusal.reason}', where, refusal.todo))
    return tensors, wrong


def _input(info: ValueInfoProto, bound: Mapping[str, int]) -> Tensor:
    """An input with its static shape. Raises Unsupported, the reason behind its name."""
    if info.type.WhichOneof("value") != "tensor_type":
        raise Unsupported("is no tensor; sequences, maps and optionals are not supported")
    dtype = _type_name(info.type.tensor_type.elem_type)
    if dtype not in FLOATS + INTEGERS:
        raise Unsupported(f"has type {dtype}", todo="supported: " + ", ".join((*FLOATS, *INTEGERS)))
    if not info.type.tensor_type.HasField("shape"):
        raise Unsupported("has no shape", "onnx.shape", "export it with one")
    shape, unbound = _bound_shape(info, bound)
    if unbound:
        what = f"of shape ({', '.join(map(str, shape))}) has dimensions that are not fixed: {', '.join(unbound)}"
        named = [f"--bind {name}=INT" for name in unbound if not name.startswith("axis ")]
        todo = f"fix them: {' '.join(named)}" if named else "export the network with a fixed shape"
        raise Unsupported(what, "onnx.shape", todo)
    static = tuple(dim for dim in shape if isinstance(dim, int))
    if math.prod(static) > ELEMENTS_LIMIT:
        what = f"of shape {static} has more than 2^28 elements"
        raise Unsupported(what, "onnx.shape", "export or bind it with a smaller shape")
    return Tensor(info.name, static, "float32" if dtype in FLOATS else dtype)


def _batch_names(info: ValueInfoProto) -> list[str]:
    """The name of axis 0, where it is symbolic."""
    dims = info.type.tensor_type.shape.dim
    return [dims[0].dim_param] if dims and dims[0].dim_param else []


def _bound_shape(info: ValueInfoProto, bound: Mapping[str, int]) -> tuple[list[int | str], list[str]]:
    """The shape with bindings applied, and what is still open in it: names, or "axis 2" where there is none."""
    shape: list[int | str] = []
    unbound: list[str] = []
    for axis, dim in enumerate(info.type.tensor_type.shape.dim):
        if dim.dim_value > 0:
            shape.append(dim.dim_value)
        elif dim.dim_param in bound:
            shape.append(bound[dim.dim_param])
        elif axis == 0:
            shape.append(1)
        else:
            name = dim.dim_param or f"axis {axis}"
            shape.append(dim.dim_param or "?")
            unbound.append(name)
    return shape, unbound


def _wrong_bindings(infos: list[ValueInfoProto], bind: Mapping[str, int]) -> list[Diagnostic]:
    symbols = [dim.dim_param for info in infos for dim in info.type.tensor_type.shape.dim if dim.dim_param]
    wrong = []
    for name, value in bind.items():
        if name not in symbols:
            known = ", ".join(dict.fromkeys(symbols)) or "none"
            todo = did_you_mean(name, symbols) or f"the symbolic dimensions are: {known}"
            wrong.append(Diagnostic("onnx.shape", f'no input has a symbolic dimension "{name}"', todo=todo))
        elif value < 1:
            wrong.append(Diagnostic("onnx.shape", f'the dimension "{name}" cannot be {value}', todo="at least 1"))
    return wrong


def _type_name(number: int) -> str:
    if number == TensorProto.STRING:
        return "string"
    try:
        return tensor_dtype_to_np_dtype(number).name
    except KeyError:
        return TensorProto.DataType.Name(number) if number in TensorProto.DataType.values() else str(number)


def wrong_names(model: ModelProto, place: Place) -> list[Diagnostic]:
    """Inputs, outputs and initialisers that are listed twice or have no name."""
    graph = model.graph
    initialisers = [tensor.name for tensor in graph.initializer]
    initialisers += [sparse.values.name for sparse in graph.sparse_initializer]
    wrong: list[Diagnostic] = []
    for kind, names in (
        ("input", [info.name for info in graph.input]),
        ("output", [info.name for info in graph.output]),
        ("initialiser", initialisers),
    ):
        wrong += _wrong_list(kind, names, place)
    return wrong


def _wrong_list(kind: str, names: Iterable[str], place: Place) -> Iterator[Diagnostic]:
    for name, count in Counter(names).items():
        where = Place(file=place.file, item=f'{kind} "{name}"')
        if not name:
            yield Diagnostic("onnx.invalid", f"an {kind} has no name", Place(file=place.file), "name every one")
        elif count > 1:
            yield Diagnostic("onnx.invalid", f'the {kind} "{name}" is listed {count} times', where, "list it once")
