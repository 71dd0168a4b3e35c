"""Elementwise functions of float32 numbers: the evaluator's meaning of them, and what tables are made of.

Arithmetic is ONE float32 expression. Transcendental functions are computed in float64 and rounded to float32 once: the
float32 ones of a processor's vector unit differ in their last bit from one processor to the next.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import erf, expit

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


def _wide(function: Callable[[Doubles], Doubles]) -> Callable[[Floats, float, float], Floats]:
    """A function of float64 numbers as one of float32 numbers, rounded once."""
    return lambda x, a, b: np.asarray(function(np.asarray(x, np.float64)), np.float32)


def _gelu(x: Doubles) -> Doubles:
    curve: Doubles = erf(x * 0.5**0.5)
    return 0.5 * x * (1 + curve)


def _hard_sigmoid(x: Floats, alpha: float, beta: float) -> Floats:
    line: Floats = np.float32(alpha) * x + np.float32(beta)
    return np.clip(line, np.float32(0), np.float32(1))


UNARY_FUNCTIONS: dict[str, Callable[[Floats, float, float], Floats]] = {
    "relu": lambda x, a, b: np.maximum(x, np.float32(0)),
    "leaky_relu": lambda x, a, b: np.where(x < 0, np.float32(a) * x, x),
    "clip": lambda x, a, b: np.minimum(np.maximum(x, np.float32(a)), np.float32(b)),
    "sigmoid": _wide(expit),
    "tanh": _wide(np.tanh),
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": lambda x, a, b: x * _hard_sigmoid(x, 1 / 6, 0.5),
    "exp": _wide(np.exp),
    "sqrt": lambda x, a, b: np.sqrt(x),
    "reciprocal": lambda x, a, b: np.float32(1) / x,
    "erf": _wide(erf),
    "gelu": _wide(_gelu),
    "softplus": _wide(lambda x: np.logaddexp(x, 0.0)),
    "neg": lambda x, a, b: -x,
    "abs": lambda x, a, b: np.abs(x),
    "round": lambda x, a, b: np.rint(x),
    "floor": lambda x, a, b: np.floor(x),
    "ceil": lambda x, a, b: np.ceil(x),
    "log": _wide(np.log),
    "identity": lambda x, a, b: x,
}
"""Unary.function to its meaning, given x and the node's a and b."""

BINARY_FUNCTIONS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "min": lambda x, y: np.minimum(x, y),
    "max": lambda x, y: np.maximum(x, y),
    "pow": lambda x, y: np.power(x.astype(np.float64), y).astype(np.float32),
    "prelu": lambda x, y: np.where(x < 0, y * x, x),
}
"""Binary.function to its meaning."""


def apply_function(name: str, a: float, b: float, x: Floats) -> Floats:
    """The function `name` of UNARY_FUNCTIONS with its parameters, or "affine", a * x + b, at float32 x of any shape."""
    x = np.asarray(x, np.float32)
    if name == "affine":
        return x * np.float32(a) + np.float32(b)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return np.asarray(UNARY_FUNCTIONS[name](x, a, b), np.float32)
