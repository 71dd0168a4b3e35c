"""Elementwise functions against the formulas of ONNX in Python's math, at corners and in between."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from cimc.numerics.functions import BINARY_FUNCTIONS, UNARY_FUNCTIONS, apply_function

POINTS = [-20.0, -3.5, -3.0, -2.5, -1.5, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 1.5, 2.5, 3.0, 3.5, 20.0]
POSITIVE = [2.0**-20, 0.25, 0.5, 1.0, 1.5, 2.0, 100.0]
A, B = 0.125, 0.75


def limited(x: float, low: float, high: float) -> float:
    return min(max(x, low), high)


FORMULAS: dict[str, Callable[[float], float]] = {
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: x if x >= 0 else A * x,
    "clip": lambda x: limited(x, A, B),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "hard_sigmoid": lambda x: limited(A * x + B, 0.0, 1.0),
    "hard_swish": lambda x: x * limited(x / 6 + 0.5, 0.0, 1.0),
    "exp": math.exp,
    "erf": math.erf,
    "gelu": lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "neg": lambda x: -x,
    "abs": abs,
    "round": lambda x: float(round(x)),  # Python rounds half to even, as ONNX does
    "floor": lambda x: float(math.floor(x)),
    "ceil": lambda x: float(math.ceil(x)),
    "identity": lambda x: x,
    "affine": lambda x: A * x + B,
    "sqrt": math.sqrt,
    "reciprocal": lambda x: 1 / x,
    "log": math.log,
}


def test_every_function_has_a_formula() -> None:
    assert FORMULAS.keys() == UNARY_FUNCTIONS.keys() | {"affine"}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_function_is_its_formula(name: str) -> None:
    """To one step of float32. hard_swish has float32 steps of its own: at -2.5 the sum -2.5 / 6 + 0.5 = 1/12 has lost
    three bits."""
    points = POSITIVE if name in ("sqrt", "reciprocal", "log") else POINTS
    found = apply_function(name, A, B, np.array(points, np.float32))
    assert found.dtype == np.float32
    wanted = np.array([FORMULAS[name](x) for x in points], np.float32)
    np.testing.assert_array_max_ulp(found, wanted, maxulp=8 if name == "hard_swish" else 1)


PAIRS: dict[str, Callable[[float, float], float]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "min": min,
    "max": max,
    "pow": lambda x, y: x**y,
    "prelu": lambda x, y: x if x >= 0 else y * x,
}


def test_every_function_of_two_has_a_formula() -> None:
    assert PAIRS.keys() == BINARY_FUNCTIONS.keys()


@pytest.mark.parametrize("name", PAIRS)
def test_a_function_of_two_is_its_formula(name: str) -> None:
    left = POSITIVE if name == "pow" else POINTS
    pairs = [(x, y) for x in left for y in (-2.0, -0.5, 0.25, 3.0)]
    x, y = np.array(pairs, np.float32).T
    found = BINARY_FUNCTIONS[name](x, y)
    assert found.dtype == np.float32
    wanted = np.array([PAIRS[name](*pair) for pair in pairs], np.float32)
    np.testing.assert_array_max_ulp(found, wanted, maxulp=1)
