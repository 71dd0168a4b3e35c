"""The bundled digits networks, compiled for any Target and run: what the law tests compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc import examples
from cimc.driver.compile import Compiled
from cimc.driver.verify import reference_maps
from cimc.frontends import load_onnx
from cimc.ir.graph import Graph
from cimc.runtime.execution import Execution
from cimc.runtime.step import StepEngine
from cimc.target.model import Target
from tests.passes.end_to_end import build

Arrays = Mapping[str, npt.NDArray[Any]]

NETWORKS = ("digits_plain", "digits_residual", "digits_plain_int8_qdq")


@cache
def graph_of(network: str) -> Graph:
    """A bundled network."""
    return load_onnx(examples.path(f"{network}.onnx"))


@cache
def digits(part: str, count: int) -> npt.NDArray[np.float32]:
    """The first images of "test" or "calibration", (count, 1, 1, 8, 8): lanes of the networks' input."""
    with np.load(examples.path(f"digits_{part}.npz")) as file:
        return file["input"][:count, None]


def compiled(network: str, target: Target, **options: Any) -> Compiled:
    """A bundled network, calibrated on the data bundled for that."""
    return build(graph_of(network), target, {"input": digits("calibration", 64)}, **options)


def run(made: Compiled, count: int = 6, **options: Any) -> Execution:
    """The first `count` test images, each a lane, everything stored kept."""
    engine = StepEngine(made.program, made.weights, made.target)
    return engine.run({"input": digits("test", count)}, capture=True, **options)


@dataclass(frozen=True, slots=True)
class Bits:
    """All that a run gave: outputs as they are, and every map's integers."""

    outputs: Arrays
    stored: Arrays


def bits_of(execution: Execution) -> Bits:
    """What two runs are compared by."""
    return Bits(execution.outputs, execution.stored)


def same(a: Bits, b: Bits) -> bool:
    """Whether two runs agree in every bit of every output and map."""
    return all(
        x.keys() == y.keys() and all(np.array_equal(x[name], y[name]) for name in x)
        for x, y in ((a.outputs, b.outputs), (a.stored, b.stored))
    )


def equals_reference(made: Compiled, execution: Execution, count: int = 6) -> bool:
    """Whether every stored map is the reference's."""
    wanted = reference_maps(made, {"input": digits("test", count)})
    return all(np.array_equal(execution.stored[m.layer.output][0], wanted[m.layer.output]) for m in made.mapped.layers)


def varied(target: Target, **sections: Mapping[str, Any]) -> Target:
    """A target with other values: varied(IDEAL, crossbar={"rows": 64})."""
    return replace(target, **{name: replace(getattr(target, name), **dict(v)) for name, v in sections.items()})
