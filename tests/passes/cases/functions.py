"""Functions of one map: normalisation, clamps, tables, softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import ModelProto

from tests.passes.cases.net import CASES, Net, case


@case
def batch_norm_alone() -> ModelProto:
    n = Net(1, 4, 6, 6)
    a = n.node("Relu", n.same("x", 4, 4))
    constants = [n.constant(v) for v in (n.random(4), n.random(4), n.random(4, scale=0.3), np.abs(n.random(4)) + 0.5)]
    return n.model(n.node("BatchNormalization", a, *constants))


@case
def batch_norm_in_front() -> ModelProto:
    n = Net(1, 4, 6, 6)
    constants = [n.constant(v) for v in (n.random(4), n.random(4), n.random(4, scale=0.3), np.abs(n.random(4)) + 0.5)]
    return n.model(n.same(n.node("BatchNormalization", "x", *constants), 4, 3))


@case
def batch_norm_twice_behind() -> ModelProto:
    n = Net(1, 4, 6, 6)
    a = n.same("x", 4, 5)
    for _ in range(2):
        constants = [
            n.constant(v) for v in (n.random(5), n.random(5), n.random(5, scale=0.3), np.abs(n.random(5)) + 0.5)
        ]
        a = n.node("BatchNormalization", a, *constants)
    return n.model(n.node("Relu", a))


@case
def relu6() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Mul", n.same("x", 3, 4), n.constant(5.0))
    return n.model(n.same(n.node("Clip", a, n.constant(0.0), n.constant(6.0)), 4, 3))


@case
def clip_above_zero() -> ModelProto:
    """The lower end of the clamp is above zero."""
    n = Net(1, 3, 6, 6)
    return n.model(n.same(n.node("Clip", n.same("x", 3, 4), n.constant(0.25), n.constant(0.75)), 4, 3))


@case
def clip_below_zero() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.same(n.node("Clip", n.same("x", 3, 4), n.constant(-0.75), n.constant(-0.25)), 4, 3))


def _function(op: str, **attributes: Any) -> Callable[[], ModelProto]:
    def make() -> ModelProto:
        n = Net(1, 3, 6, 6)
        return n.model(n.same(n.node(op, n.same("x", 3, 4), **attributes), 4, 3))

    return make


FUNCTIONS = {
    "LeakyRelu": {"alpha": 0.1},
    "Sigmoid": {},
    "Tanh": {},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "HardSwish": {},
    "Softplus": {},
    "Erf": {},
    "Exp": {},
    "Abs": {},
    "Neg": {},
    "Elu": {"alpha": 1.0},
    "Softsign": {},
}
CASES |= {f"function_{op}": _function(op, **attributes) for op, attributes in FUNCTIONS.items()}


@case
def reciprocal_of_a_bounded_map() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Add", n.node("Sigmoid", n.same("x", 3, 4)), n.constant(0.5))
    return n.model(n.same(n.node("Reciprocal", a), 4, 3))


@case
def square_root() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Add", n.node("Relu", n.same("x", 3, 4)), n.constant(0.5))
    return n.model(n.same(n.node("Sqrt", a), 4, 3))


@case
def function_of_the_input() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.same(n.node("Tanh", "x"), 3, 3))


@case
def two_functions_and_a_gain() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Tanh", n.node("Relu", n.same("x", 3, 4)))
    return n.model(n.node("Add", n.node("Mul", a, n.constant(-2.5)), n.constant(0.5)))


@case
def silu() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.same("x", 3, 4)
    return n.model(n.same(n.node("Mul", a, n.node("Sigmoid", a)), 4, 3))


@case
def gelu_by_erf() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.same("x", 3, 4)
    e = n.node("Erf", n.node("Div", a, n.constant(np.sqrt(2.0))))
    half = n.node("Mul", n.node("Mul", a, n.node("Add", e, n.constant(1.0))), n.constant(0.5))
    return n.model(n.same(half, 4, 3))


@case
def prelu() -> ModelProto:
    n = Net(1, 3, 6, 6)
    slope = n.constant(np.asarray([0.25, -0.5, 0.0, 1.0]).reshape(4, 1, 1))
    return n.model(n.same(n.node("PRelu", n.same("x", 3, 4), slope), 4, 3))


@case
def prelu_steep() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.same(n.node("PRelu", n.same("x", 3, 4), n.constant([[[2.0]]])), 4, 3))


@case
def softmax_over_tokens() -> ModelProto:
    n = Net(1, 5, 12)
    return n.model(n.node("Softmax", n.node("MatMul", "x", n.constant(n.random(12, 9, scale=0.3))), axis=-1))


@case
def softmax_of_a_concat() -> ModelProto:
    n = Net(1, 12)
    return n.model(n.node("Softmax", n.node("Concat", n.gemm("x", 12, 4), n.gemm("x", 12, 5), axis=1)))


@case
def softmax_over_rows() -> ModelProto:
    n = Net(1, 3, 5, 5)
    return n.model(n.node("Softmax", n.same("x", 3, 6), axis=2))


@case
def softmax_in_the_middle() -> ModelProto:
    n = Net(1, 12)
    return n.model(n.gemm(n.node("Softmax", n.gemm("x", 12, 9)), 9, 4))


@case
def softmax_of_a_map() -> ModelProto:
    n = Net(1, 3, 4, 4)
    return n.model(n.node("Softmax", n.node("Flatten", n.same("x", 3, 2))))


@case
def log_softmax() -> ModelProto:
    n = Net(1, 12)
    return n.model(n.node("LogSoftmax", n.gemm("x", 12, 9)))
