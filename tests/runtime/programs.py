"""Small programs that a reader can check by hand, built instruction by instruction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cimc.isa.operands import Affine, Axis, Name, Port, Reg, Window
from cimc.isa.program import (
    ChannelCode,
    CoreCode,
    Instruction,
    Matrix,
    Plug,
    Program,
    Ring,
    RingRef,
    Scale,
    Table,
    TileCode,
    Vector,
)
from cimc.runtime.step import StepEngine
from cimc.target import load_target
from cimc.target.model import Target

Arrays = Mapping[str, np.ndarray[Any, np.dtype[Any]]]

IDEAL = load_target("ideal")
"""32-bit words and accumulators, MVMUs of 256 x 256 that lose nothing."""
REG2, REG2_HIGH = Reg("r", 0, 2), Reg("r", 2, 2)


def affine(constant: int = 0, **terms: int) -> Affine:
    return Affine(constant, tuple(terms.items()))


def i(mnemonic: str, *operands: object) -> Instruction:
    return Instruction(mnemonic, operands)  # type: ignore[arg-type]


def axis(start: int | Affine = 0, count: int = 1, step: int = 1) -> Axis:
    return Axis(Affine(start) if isinstance(start, int) else start, count, step)


def pixel(ring: str, channels: int, row: int | Affine = 0, column: int | Affine = 0) -> Window:
    return Window(ring, axis(row), axis(column), axis(0, channels))


def once(*body: Instruction) -> tuple[Instruction, ...]:
    """A stream for maps of one row: waits for x, has space in y, does the body, hands both on."""
    return (
        i("loop", "image", -1),
        i("wait", Port("x", 0), affine(1)),
        i("space", Name("y"), affine(1)),
        *body,
        i("release", Port("x", 0), affine(1)),
        i("signal", Name("y"), affine(1)),
        i("end"),
        i("hlt"),
    )


def plug(name: str, ring: Ring, port: int, scale: float = 0, zero: int = 0, tile: int = 0) -> Plug:
    """A network input (port -1) or output that is one ring, as (height, width, channels)."""
    dtype = "float32" if scale else "int32"
    shape = ring.height, ring.width, ring.channels
    return Plug(name, dtype, shape, scale, zero, -128, 127, f"{name}.index", (RingRef(tile, ring.name, port),))


def index(ring: Ring) -> np.ndarray[Any, np.dtype[np.int64]]:
    return straight(ring.height * ring.width * ring.channels)


def straight(count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The moves of a tensor that lies as it is."""
    return np.array([1, 0, 0, count, 1, 1])


def vector_program(
    length: int,
    out: int,
    body: Sequence[Instruction],
    matrices: Sequence[Matrix] = (),
    scales: Sequence[Scale] = (),
    tables: Sequence[Table] = (),
    vectors: Sequence[Vector] = (),
) -> Program:
    """One core that turns a vector x (one pixel of `length` channels) into a vector y of `out` channels."""
    x, y = Ring("x", 0, 1, 1, length, 1, 1, 1, "x"), Ring("y", length, 1, 1, out, 1, 1, 1, "y")
    core = CoreCode(0, tuple(matrices), once(*body))
    tile = TileCode(0, (x, y), tuple(scales), tuple(vectors), tuple(tables), (core,))
    return Program("vector", "ideal", "", (), (plug("x", x, -1),), (plug("y", y, 0),), (tile,))


def run_vector(
    program: Program, weights: Arrays, x: Sequence[Sequence[int]], target: Target = IDEAL
) -> list[list[int]]:
    """Run a vector program on lanes of x and give the lanes of y."""
    x_ring, y_ring = program.tiles[0].rings
    indices = {"x.index": index(x_ring), "y.index": index(y_ring)}
    values = np.array(x).reshape(len(x), 1, 1, -1)
    execution = StepEngine(program, {**weights, **indices}, target).run({"x": values})
    lanes: list[list[int]] = execution.outputs["y"].reshape(len(x), -1).tolist()
    return lanes


def relay_program(height: int, pixels: int, segments: int = 1) -> Program:
    """Tile 0 negates a map x of 4 columns and 2 channels into m, sends m segment by segment; tile 1 has it as y."""
    x = Ring("x", 0, height, 4, 2, segments, pixels, 1)
    m = Ring("m", x.words, height, 4, 2, segments, pixels, 1, "m")
    y = Ring("y", 0, height, 4, 2, segments, pixels, 1, "m")
    part = 4 // segments
    ticket = affine(1, oy=segments, seg=1)
    column = affine(0, seg=part, ox=1)
    loops = (i("loop", "image", -1), i("loop", "oy", height), i("loop", "seg", segments))
    ends = (i("end"), i("end"), i("end"), i("hlt"))
    negate = (
        *loops,
        i("wait", Port("x", 0), ticket),
        i("space", Name("m"), ticket),
        i("loop", "ox", part),
        i("load", REG2, Window("x", axis(affine(oy=1)), axis(column), axis(0, 2)), 0),
        i("set", REG2_HIGH, 0),
        i("sub", REG2, REG2_HIGH, REG2),
        i("store", Window("m", axis(affine(oy=1)), axis(column), axis(0, 2)), REG2),
        i("end"),
        i("release", Port("x", 0), ticket),
        i("signal", Name("m"), ticket),
        *ends,
    )
    columns = axis(affine(0, seg=part), part)
    send = (
        *loops,
        i("wait", Port("m", 0), ticket),
        i("send", Window("m", axis(affine(oy=1)), columns, axis(0, 2)), 1, 3),
        i("release", Port("m", 0), ticket),
        *ends,
    )
    receive = (
        *loops,
        i("space", Name("y"), ticket),
        i("receive", Window("y", axis(affine(oy=1)), columns, axis(0, 2)), 3),
        i("signal", Name("y"), ticket),
        *ends,
    )
    tiles = (
        TileCode(0, (x, m), cores=(CoreCode(0, (), negate),), channels=(ChannelCode(0, send),)),
        TileCode(1, (y,), channels=(ChannelCode(0, receive),)),
    )
    return Program("relay", "ideal", "", (), (plug("x", x, -1),), (plug("y", y, 0, tile=1),), tiles)


def relay_weights(height: int) -> Arrays:
    return {"x.index": straight(height * 8), "y.index": straight(height * 8)}


def with_converters(adc_bits: int, **mvmu: object) -> Target:
    """The ideal target with other converters, and, if named, another way to store weights."""
    crossbar = replace(IDEAL.crossbar, adc_bits=adc_bits)
    return replace(IDEAL, crossbar=crossbar, mvmu=replace(IDEAL.mvmu, **mvmu))  # type: ignore[arg-type]
