"""A compiled program on the emulator: a user's arrays in, outputs out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from cimc.base.diagnostics import CimcError, Place, fail
from cimc.base.options import fits, shown
from cimc.driver.arrays import Arrays, named, read_arrays
from cimc.ir.graph import Graph, Tensor
from cimc.ir.lanes import lanes_of
from cimc.isa.program import Plug, Program
from cimc.isa.verify.checked import read_checked
from cimc.runtime.execution import MOST_STATE, Engine, Execution
from cimc.runtime.machine import bytes_per_lane
from cimc.runtime.package import Package, load_package
from cimc.target.model import Target

LABELS = "labels"


def lanes_in(program: Program, file: str, limit: int | None = None) -> Arrays:
    """The inputs in a file as the program takes them, (lanes, *shape); CimcError with everything that is wrong."""
    arrays = named(read_arrays(file, limit), tuple(plug.name for plug in program.inputs), file)
    try:
        return lanes_for(program, arrays)
    except CimcError as error:
        places = [replace(d, where=replace(d.where, file=file)) for d in error.diagnostics]
        raise CimcError(places) from None


def lanes_for(program: Program, arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """A user's arrays as the program takes them, (lanes, *shape). "labels" may be among them."""
    names = tuple(plug.name for plug in program.inputs)
    tensors = {plug.name: Tensor(plug.name, plug.shape, plug.dtype) for plug in program.inputs}
    return lanes_of(Graph(program.name, (), tensors, {}, names, ()), without_labels(arrays, names))


def without_labels(arrays: Mapping[str, npt.NDArray[Any]], inputs: tuple[str, ...]) -> Arrays:
    """A user's arrays without labels, where no input is called so."""
    return {name: array for name, array in arrays.items() if name != LABELS or name in inputs}


def without_batch(plug: Plug, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An output, (lanes, *shape), as users give inputs: a batch axis of 1 is the lane axis."""
    return values.reshape(len(values), *plug.shape[1:]) if plug.shape[:1] == (1,) else values


def package_of(folder: Path, program: Path | None = None) -> Package:
    """A compiled program; with `program`, that text or binary in place of the folder's own, once it is checked."""
    package = load_package(folder)
    if program is None:
        return package
    other = edited_program(program, package.program, package.target, str(folder))
    return Package(other, package.weights, package.target)


def edited_program(file: Path, of: Program, target: Target, where: str) -> Program:
    """A program in a file, once it is checked and known to be of the same weights. where: those are, in words."""
    found = read_checked(file, target)
    if found.weights != of.weights:
        what = f"the program is not of the weights in {where}: their sha256 differ"
        raise fail("package.weights", what, Place(str(file)), "give an edited copy of the program there")
    return found


def run_program(
    engine: Engine, program: Program, target: Target, lanes: Arrays, max_memory: int | None
) -> tuple[Arrays, Execution]:
    """Outputs of a program on its engine by name as users know them, and the run. max_memory: bound of the emulated
    state in bytes."""
    if max_memory is not None and not (fits(max_memory, int) and max_memory > 0):
        what = f"max_memory is {shown(max_memory)}"
        raise fail("options.memory", what, Place(item="--max-memory"), "give a whole number of bytes, 1 or more")
    needed = bytes_per_lane(program, target)
    if max_memory is not None and needed > max_memory:
        what = f"one input takes {needed} bytes of emulated state; {max_memory} are allowed"
        raise fail("run.memory", what, Place(item="--max-memory"), "allow more")
    engine.max_memory = max_memory or MOST_STATE
    execution = engine.run(lanes)
    plugs = {plug.name: plug for plug in program.outputs}
    return {name: without_batch(plugs[name], values) for name, values in execution.outputs.items()}, execution
