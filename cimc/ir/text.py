"""Stages as text and back: Graph, LayerGraph, MappedGraph, PlacedGraph and ScheduledGraph, and all they are made of.

A stage is written as nested calls of its classes with the fields that are not at their defaults. An array of more than
SHORT numbers stands by its digest, under which it is kept apart. What is read is looked up among the classes of the
stages, never evaluated.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.base import moves
from cimc.base.diagnostics import fail
from cimc.ir import epilogue, graph, layers, mapped, placed, scheduled
from cimc.numerics import quant
from cimc.target import model

Arrays = dict[str, npt.NDArray[Any]]

SHORT = 4
"""Elements of an array that are written out."""

WIDTH = 118
"""Columns of a line, where it can be broken."""


def _records(*modules: ModuleType) -> dict[str, type]:
    found = (thing for module in modules for thing in vars(module).values())
    return {thing.__name__: thing for thing in found if isinstance(thing, type) and dataclasses.is_dataclass(thing)}


def _subclasses(base: type) -> Iterator[type]:
    kinds: list[type] = base.__subclasses__()
    yield from kinds
    for one in kinds:
        yield from _subclasses(one)


@cache
def _classes() -> dict[str, type]:
    """The classes that a stage is made of, by name: those of the stages, and what stands beside the kinds of layers."""
    bases = layers.Layer, mapped.MappedLayer
    kinds = (sys.modules[kind.__module__] for base in bases for kind in _subclasses(base))
    return _records(graph, layers, epilogue, mapped, placed, scheduled, quant, model, moves, *kinds)


def print_stage(stage: object) -> tuple[str, Arrays]:
    """A stage, or a part of one, as text, and the arrays that stand in it by their digests."""
    arrays: Arrays = {}
    return "\n".join(_lines(stage, arrays)) + "\n", arrays


def parse_stage(text: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    """What print_stage wrote. Raises CimcError (stage.text) for any other text."""
    try:
        return _value(ast.parse(text, mode="eval").body, arrays)
    except (SyntaxError, TypeError, ValueError, KeyError, RecursionError) as error:
        raise fail("stage.text", f"this is not the text of a stage: {error}") from None


def _lines(value: object, arrays: Arrays, head: str = "", tail: str = "") -> Iterator[str]:
    """A value as lines, `head` in front of the first and `tail` behind the last."""
    opening, items, closing = _parts(value, arrays)
    if items is None:
        yield f"{head}{opening}{tail}"
        return
    within = [list(_lines(item, arrays, name, ",")) for name, item in items]
    line = f"{head}{opening}{' '.join(lines[0] for lines in within).rstrip(',')}{closing}{tail}"
    if isinstance(value, tuple) and len(value) == 1:
        line = f"{head}({within[0][0]}){tail}"
    if all(len(lines) == 1 for lines in within) and len(line) <= WIDTH:
        yield line
        return
    yield f"{head}{opening}"
    for lines in within:
        yield from (f"  {line}" for line in lines)
    yield f"{closing}{tail}"


def _parts(value: object, arrays: Arrays) -> tuple[str, list[tuple[str, object]] | None, str]:
    """(opening, named items, closing) of a value that has items; (text, None, "") of one that has none."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        name = type(value).__name__
        assert _classes().get(name) is type(value), f"{name} is no class of a stage"
        return f"{name}(", [(f"{field.name}=", held) for field, held in _told(value)], ")"
    if isinstance(value, Mapping):
        return "{", [(f"{key!r}: ", held) for key, held in value.items()], "}"
    if isinstance(value, tuple):
        return "(", [("", held) for held in value], ")"
    if isinstance(value, np.ndarray):
        return _array(value, arrays), None, ""
    assert value is None or isinstance(value, bool | int | float | str), f"no value of a stage: {value!r}"
    return repr(value), None, ""


def _told(record: Any) -> Iterator[tuple[dataclasses.Field[Any], object]]:
    """The fields of a record that are not at their defaults."""
    for field in dataclasses.fields(record):
        held = getattr(record, field.name)
        if isinstance(held, np.generic):
            held = held.item()
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        plain = not isinstance(held, np.ndarray) and default is not dataclasses.MISSING
        if not plain or type(held) is not type(default) or held != default:
            yield field, held


def _array(value: npt.NDArray[Any], arrays: Arrays) -> str:
    kind = value.dtype.name
    if value.size <= SHORT:
        return f"array({kind!r}, {value.shape!r}, {value.ravel().tolist()!r})"
    held = f"{kind} {value.shape} ".encode() + np.ascontiguousarray(value).tobytes()
    digest = hashlib.sha256(held).hexdigest()[:16]
    arrays[digest] = value
    return f"array({kind!r}, {value.shape!r}, {digest!r})"


def _value(node: ast.expr, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, arrays)
        case ast.Name(id="inf" | "nan" as name):
            return float(name)
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return tuple(_value(item, arrays) for item in items)
        case ast.Dict(keys=keys, values=values):
            return {_value(k, arrays): _value(v, arrays) for k, v in zip(keys, values, strict=True) if k is not None}
        case ast.Call(func=ast.Name(id="array"), args=args, keywords=[]):
            kind, shape, held = (_value(argument, arrays) for argument in args)
            found = arrays[held] if isinstance(held, str) else np.array(held, kind)
            return np.asarray(found, kind).reshape(shape)
        case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords):
            return _classes()[name](**{str(keyword.arg): _value(keyword.value, arrays) for keyword in keywords})
    raise ValueError(f"line {node.lineno}: {type(node).__name__}")
