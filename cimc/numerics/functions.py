"""Elementwise functions that a vector unit has no gates for, each ONE float32 expression; tables come from these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.special import erf

F32 = npt.NDArray[np.float32]


def _gelu(x: F32, a: float, b: float) -> F32:
    return np.asarray(x * np.float32(0.5) * (np.float32(1) + erf(x * np.float32(0.70710678118654752))), np.float32)


def _softplus(x: F32, a: float, b: float) -> F32:
    return np.asarray(np.logaddexp(np.float32(0), x), np.float32)


def _hard_sigmoid(x: F32, a: float, b: float) -> F32:
    return np.asarray(np.clip(x * np.float32(a) + np.float32(b), np.float32(0), np.float32(1)), np.float32)


FUNCTIONS: Mapping[str, Callable[[F32, float, float], F32]] = MappingProxyType(
    {
        "identity": lambda x, a, b: x,
        "affine": lambda x, a, b: x * np.float32(a) + np.float32(b),
        "relu": lambda x, a, b: np.maximum(x, np.float32(0)),
        "leaky_relu": lambda x, a, b: np.where(x < 0, x * np.float32(a), x),
        "clip": lambda x, a, b: np.clip(x, np.float32(a), np.float32(b)),
        "sigmoid": lambda x, a, b: np.float32(1) / (np.float32(1) + np.exp(-x)),
        "tanh": lambda x, a, b: np.tanh(x),
        "hard_sigmoid": _hard_sigmoid,
        "hard_swish": lambda x, a, b: x * _hard_sigmoid(x, 1 / 6, 0.5),
        "exp": lambda x, a, b: np.exp(x),
        "log": lambda x, a, b: np.log(x),
        "sqrt": lambda x, a, b: np.sqrt(x),
        "reciprocal": lambda x, a, b: np.float32(1) / x,
        "erf": lambda x, a, b: np.asarray(erf(x), np.float32),
        "gelu": _gelu,
        "softplus": _softplus,
        "neg": lambda x, a, b: -x,
        "abs": lambda x, a, b: np.abs(x),
        "round": lambda x, a, b: np.rint(x),
        "floor": lambda x, a, b: np.floor(x),
        "ceil": lambda x, a, b: np.ceil(x),
    }
)


def apply_function(name: str, a: float, b: float, x: F32) -> F32:
    """Value of the function `name` with parameters a, b at float32 x (any shape)."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return np.asarray(FUNCTIONS[name](np.asarray(x, np.float32), a, b), np.float32)
