"""Calls of onnx, onnxruntime and protobuf on a user's model: whatever they raise is about the model, not about us."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class ForeignError(Exception):
    """What another package said of a user's model, in one line."""


def foreign(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function of another package, and nothing of ours.

    These packages' exceptions have no common base (onnxruntime's are plain Exceptions, onnx's evaluator raises whatever
    numpy does), so all of them become a ForeignError; want of memory stays what it is. Python's warnings are not shown.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            return function(*args, **kwargs)
    except MemoryError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        raise ForeignError(lines[0] if lines else type(error).__name__) from error
