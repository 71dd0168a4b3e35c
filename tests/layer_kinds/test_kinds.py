"""What every kind of layer must have, and that nobody else asks which kind a layer is."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cimc.backends.body import write_code
from cimc.ir.layers import Layer
from cimc.ir.mapped import MappedLayer, evaluate_layer, quantise_layer
from cimc.passes import pipelines

ROOT = Path(__file__).parents[2]
MAY_ASK = ("cimc/layer_kinds/", "cimc/passes/lower/")
assert pipelines.PASSES  # with lowering, all kinds are known


def kinds_of(base: type) -> list[type]:
    """The project's; a dataclass with slots leaves the class behind that it was made of."""
    there = [kind for kind in base.__subclasses__() if kind.__module__.startswith("cimc.")]
    return [kind for kind in there if getattr(sys.modules[kind.__module__], kind.__name__) is kind]


LAYERS, MAPPED = kinds_of(Layer), kinds_of(MappedLayer)


def test_there_are_kinds() -> None:
    assert {kind.__name__ for kind in LAYERS} == {"MatrixLayer", "PoolLayer", "SoftmaxLayer", "VectorLayer"}
    assert len(MAPPED) == len(LAYERS)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_has_integers(layer: type) -> None:
    assert layer in quantise_layer.registry


@pytest.mark.parametrize("mapped", MAPPED)
def test_a_mapped_layer_has_a_reference_and_code(mapped: type) -> None:
    assert mapped in evaluate_layer.registry
    assert mapped in write_code.registry


def asked(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, kind) wherever an isinstance, a match or a comparison of types names a kind of layer."""
    names = {kind.__name__ for kind in (*LAYERS, *MAPPED)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            where: list[ast.AST] = [node.args[1]]
        elif isinstance(node, ast.MatchClass):
            where = [node.cls]
        elif isinstance(node, ast.Compare):
            where = [node.left, *node.comparators]
        else:
            continue
        for one in where:
            for name in ast.walk(one):
                found = name.id if isinstance(name, ast.Name) else name.attr if isinstance(name, ast.Attribute) else ""
                if found in names:
                    yield node.lineno, found  # type: ignore[attr-defined]


def test_nobody_else_asks() -> None:
    found = []
    for room in ("cimc", "isa", "frontends", "backends", "runtime"):
        for file in sorted((ROOT / room).rglob("*.py")):
            name = file.relative_to(ROOT).as_posix()
            if not name.startswith(MAY_ASK):
                found += [(name, *one) for one in asked(ast.parse(file.read_text(encoding="utf-8")))]
    assert found == []


def test_asking_is_seen() -> None:
    source = """
if isinstance(layer, PoolLayer | layers.VectorLayer): pass
match layer:
    case MatrixLayer(): pass
type(layer) is SoftmaxLayer
"""
    found = [name for _, name in sorted(asked(ast.parse(source)))]
    assert found == ["PoolLayer", "VectorLayer", "MatrixLayer", "SoftmaxLayer"]
