"""Stages as text: what is printed is read back as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cimc.base.diagnostics import CimcError
from cimc.driver.compile import compile_network
from cimc.driver.options import CompileOptions
from cimc.ir.graph import Graph
from cimc.ir.layers import FeatureMap, Function, LayerGraph, Operand, Part
from cimc.ir.mapped import MappedGraph
from cimc.ir.placed import PlacedGraph
from cimc.ir.scheduled import ScheduledGraph
from cimc.ir.text import parse_stage, print_stage
from cimc.layer_kinds.vector import VectorLayer
from cimc.numerics.quant import Quant
from cimc.passes.scheduling.schedule import schedule
from tests.cli.commands import DIGITS, QUANTISED, RESIDUAL
from tests.shared_data import MODELS, require

SMALL = VectorLayer(
    name="y", output="y", origin="add", kind="sum", low=0.0, functions=(Function("affine", 2.0, -0.5),),
    operands=(Operand((Part("x", 0, 2), Part("", 0, 1)), 4, 4, (-1, 0)),),
    gains=(np.array([1.0, 2.0, np.inf]),), bias=np.zeros(5),
)  # fmt: skip
TEXT = """\
VectorLayer(
  name='y',
  output='y',
  origin='add',
  low=0.0,
  functions=(Function(name='affine', a=2.0, b=-0.5),),
  kind='sum',
  operands=(
    Operand(
      parts=(Part(map='x', channel=0, count=2), Part(map='', channel=0, count=1)),
      height=4,
      width=4,
      offset=(-1, 0),
    ),
  ),
  gains=(array('float64', (3,), [1.0, 2.0, inf]),),
  bias=array('float64', (5,), '326e690dee8f92ce'),
)
"""


def stages_of(model: str, target: str) -> list[Any]:
    """Everything that passes make of a network."""
    found: list[Any] = []
    made = compile_network(model, CompileOptions(target=target), observe=lambda name, stage: found.append(stage))
    return [made.graph, *found]


def check(model: str, target: str) -> None:
    """Every stage is read back as it was: it prints the same again, with the same arrays."""
    stages = stages_of(model, target)
    assert {type(stage) for stage in stages} == {Graph, LayerGraph, MappedGraph, PlacedGraph, ScheduledGraph}
    for stage in stages:
        text, arrays = print_stage(stage)
        back = parse_stage(text, arrays)
        assert type(back) is type(stage)
        again, same = print_stage(back)
        assert again == text and same.keys() == arrays.keys()
        if isinstance(stage, PlacedGraph):
            assert back.tiles == stage.tiles and schedule(back).rings == schedule(stage).rings


@pytest.mark.parametrize("target", ["ideal", "puma"])
@pytest.mark.parametrize("model", [DIGITS, RESIDUAL, QUANTISED], ids=["plain", "residual", "quantised"])
def test_stages_of_bundled_networks(model: str, target: str) -> None:
    check(model, target)


@pytest.mark.slow
@pytest.mark.parametrize("name", [file.stem for file in sorted(MODELS.glob("*.onnx"))])
def test_stages_of_real_networks(name: str) -> None:
    try:
        check(str(require(Path(MODELS / f"{name}.onnx"))), "puma")
    except CimcError as error:
        assert {d.code for d in error.diagnostics} <= {"onnx.unsupported", "lower.unsupported"}


def test_golden_text() -> None:
    text, arrays = print_stage(SMALL)
    assert text == TEXT
    assert list(arrays) == ["326e690dee8f92ce"]
    back = parse_stage(text, arrays)
    assert back.functions == SMALL.functions and back.operands == SMALL.operands and back.high == np.inf
    assert np.array_equal(back.gains[0], SMALL.gains[0]) and np.array_equal(back.bias, SMALL.bias)


def test_values_keep_their_types() -> None:
    """A number that is equal to a default and of another type is told; None, booleans and mappings come back."""
    m = FeatureMap("m", 1, 2, 3, Quant(0.5, 0, -8, 7))
    for value in (m, {"a": (1, -2.5, None, True)}, (), (m,)):
        assert parse_stage(*print_stage(value)) == value
    assert print_stage(Function("clip", 0, 0.0))[0] == "Function(name='clip', a=0)\n"


@pytest.mark.parametrize(
    "text",
    [
        "Part(",
        "Part(map='x')",
        "open('x')",
        "Part(map='x', channel=f(1), count=1)",
        "(1).real",
        "array('f4', (2,), 'no')",
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(CimcError, match="not the text of a stage"):
        parse_stage(text, {})
