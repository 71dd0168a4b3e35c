"""Gemm and MatMul: a constant side makes a MatMul (to be stored on crossbars), two activations a MatMulDynamic."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from cimc.frontends.graph_builder import Unsupported
from cimc.frontends.onnx_node import OnnxNode
from cimc.ir.graph import MatMul, MatMulDynamic


def gemm(node: OnnxNode) -> None:
    """Gemm: alpha * A' @ B' + beta * C, with alpha, beta and transB folded into constants where B is one."""
    general_product(node, node.operand(0), node.operand(1), node.operand(2) if node.has(2) else None, node.output)


def general_product(node: OnnxNode, a: str, b: str, c: str | None, output: str) -> None:
    """Gemm of the Graph tensors given (QGemm shares this)."""
    build, alpha = node.build, node.real("alpha", 1.0)
    for name in (a, b):
        if len(build.shape(name)) != 2:
            raise Unsupported(f'"{name}" of shape {build.shape(name)} is no matrix', "onnx.shape")
    if node.integer("transA", 0):
        a = node.transpose(a, (1, 0), node.fresh("a_transposed"))
    if c is not None:
        c = _scaled(node, c, node.real("beta", 1.0))
    kind: type[MatMul | MatMulDynamic] = MatMul if build.is_known(b) else MatMulDynamic
    if node.integer("transB", 0):
        if kind is MatMul:
            b = build.transpose_known(b, (1, 0), node.origin)
        else:
            b = node.transpose(b, (1, 0), node.fresh("b_transposed"))
    if kind is MatMul:
        b, alpha = _scaled(node, b, alpha), 1.0
        columns = build.shape(b)[1]
        if c is not None and build.is_known(c) and build.shape(c)[-1:] in ((columns,), (1,), ()):
            if math.prod(build.shape(c)) == columns:
                c = build.reshape_known(c, (columns,), node.origin)
            elif math.prod(build.shape(c)) == 1:
                value = build.array(c)
                assert value is not None, c
                c = node.vector(np.full(columns, value.reshape(()), np.float32), "bias")
            if build.shape(c) == (columns,):
                node.emit(MatMul, (a, b, c), output)
                return
    name = node.emit(kind, (a, b), output if alpha == 1.0 and c is None else node.fresh("product"))
    if alpha != 1.0:
        name = node.binary("mul", name, node.scalar(alpha, "alpha"), output if c is None else node.fresh("scaled"))
    if c is not None:
        node.binary("add", name, c, output)


def matmul(node: OnnxNode) -> None:
    """MatMul with numpy's meaning: vectors, matrices and stacks of them."""
    product(node, node.operand(0), node.operand(1), node.output)


def product(node: OnnxNode, a: str, b: str, output: str) -> None:
    """numpy.matmul of the Graph tensors given (QLinearMatMul shares this)."""
    build = node.build
    left, right = build.shape(a), build.shape(b)
    if not left or not right:
        raise Unsupported("a matrix product of a scalar", "onnx.invalid")
    if len(left) == 1:
        a = build.reshape(a, (1, *left), node.fresh("row"), node.origin)
    if len(right) == 1:
        b = build.reshape(b, (*right, 1), node.fresh("column"), node.origin)
    plain = len(left) > 1 and len(right) > 1
    name = _matrix_product(node, a, b, output if plain else node.fresh("product"))
    if not plain:
        full = build.shape(name)
        rows = full[-2:-1] if len(left) > 1 else ()
        columns = full[-1:] if len(right) > 1 else ()
        node.reshape(name, (*full[:-2], *rows, *columns), output)


def _matrix_product(node: OnnxNode, a: str, b: str, output: str) -> str:
    """The product of operands with at least two axes."""
    build = node.build
    left, right = build.shape(a), build.shape(b)
    if build.is_known(b) and not (build.is_known(a) and len(right) > 2):
        if math.prod(right[:-2]) == 1 and left[-1:] == right[-2:-1]:
            b = build.reshape_known(b, right[-2:], node.origin)
            extra = len(right) - len(left)
            if extra <= 0:
                return node.emit(MatMul, (a, b), output)
            short = node.emit(MatMul, (a, b), node.fresh("short"))
            return node.reshape(short, (*(1,) * extra, *build.shape(short)), output)
        if not build.is_known(a) and left[-1:] == right[-2:-1]:
            raise Unsupported(f"a stack of weight matrices of shape {right}; one matrix is supported")
    elif build.is_known(a) and math.prod(left[:-2]) == 1 and left[-1:] == right[-2:-1]:
        return _constant_left(node, a, b, output)
    return node.emit(MatMulDynamic, (a, b), output)


def _constant_left(node: OnnxNode, a: str, b: str, output: str) -> str:
    """W @ x as the transpose of (x transposed @ W transposed)."""
    build = node.build
    left, right = build.shape(a), build.shape(b)
    weight = build.transpose_known(build.reshape_known(a, left[-2:], node.origin), (1, 0), node.origin)
    extra = (1,) * (len(left) - len(right))
    if extra:
        b = node.reshape(b, (*extra, *right), node.fresh("stacked"))
    rank = len(build.shape(b))
    swap = (*range(rank - 2), rank - 1, rank - 2)
    turned = node.transpose(b, swap, node.fresh("input_transposed"))
    made = node.emit(MatMul, (turned, weight), node.fresh("transposed"))
    return node.transpose(made, swap, output)


def _scaled(node: OnnxNode, name: str, factor: float) -> str:
    """`name` times a factor; known values are scaled at once, quantised ones in their scale."""
    build = node.build
    if factor == 1.0:
        return name
    if name in build.dequantised:
        source = build.dequantised[name]
        integers, scale, zero_point = source.inputs
        scaled = node.vector(np.asarray(build.constants[scale], np.float32) * np.float32(factor), "scale")
        output = node.build.fresh(f"{name}/scaled")
        return build.add(replace(source, inputs=(integers, scaled, zero_point), outputs=(output,)))
    array = build.array(name)
    if array is not None:
        return build.constant(node.build.fresh(f"{name}/scaled"), np.asarray(array, np.float32) * np.float32(factor))
    return node.binary("mul", name, node.scalar(factor, "factor"), node.fresh("scaled"))
