"""Calls of onnx, onnxruntime and protobuf on a user's model: whatever they raise is about the model, not about us."""

from __future__ import annotations

import faulthandler
import os
import sys
import warnings
from collections.abc import Callable
from typing import Never, ParamSpec, TypeVar

if sys.platform != "win32":
    import resource

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


def foreign_apart(function: Callable[P, bytes], *args: P.args, **kwargs: P.kwargs) -> bytes:
    """The same in a process of its own, on Linux: compiled code that ends its process (a failed C++ assertion) is a
    ForeignError then. What it writes on the terminal is not shown."""
    if sys.platform != "linux":
        return foreign(function, *args, **kwargs)
    reader, writer = os.pipe()
    with warnings.catch_warnings(action="ignore"):  # of threads, which the child has no use for
        child = os.fork()
    if child == 0:
        _answer(writer, function, *args, **kwargs)
    os.close(writer)
    with open(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    if answer[:1] == _GOOD:
        return answer[1:]
    raise ForeignError(answer[1:].decode() or "onnx ends on it without an answer")


_GOOD, _BAD = b"+", b"-"


def _answer(writer: int, function: Callable[P, bytes], *args: P.args, **kwargs: P.kwargs) -> Never:
    """Write the result of a call, or what it raised, into a pipe, and end the process."""
    try:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            answer = _GOOD + foreign(function, *args, **kwargs)
        except ForeignError as error:
            answer = _BAD + str(error).encode()
        with open(writer, "wb") as stream:
            stream.write(answer)
    finally:
        os._exit(0)
