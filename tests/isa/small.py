"""A small program that a reader can check by hand: conv 3x3 + ReLU on tile 0, sent to tile 1, read by the host."""

from __future__ import annotations

from cimc.isa.operands import Affine, Axis, DataRef, Name, Port, Reg, Window
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
    TileCode,
    Vector,
)


def affine(constant: int = 0, **terms: int) -> Affine:
    """constant + coefficients by counter."""
    return Affine(constant, tuple(terms.items()))


def i(mnemonic: str, *operands: object, origin: int = 0) -> Instruction:
    """An instruction whose operands need no types spelt out."""
    return Instruction(mnemonic, operands, origin)  # type: ignore[arg-type]


OY, OX = affine(oy=1), affine(ox=1)
ALL4 = Axis(Affine(), 4)

CONV = (
    i("loadv", Reg("r", 8, 4), DataRef("bias", 0, 4)),
    i("loop", "image", -1),
    i("loop", "oy", 6),
    i("wait", Port("x", 0), affine(2, oy=1)),
    i("space", Name("conv1/y"), affine(1, oy=1)),
    i("loop", "ox", 6),
    i("load", Reg("xin", 0, 9), Window("x", Axis(affine(-1, oy=1), 3), Axis(affine(-1, ox=1), 3), Axis(Affine())), 3),
    i("mvm", 0b1),
    i("add", Reg("xout", 0, 4), Reg("xout", 0, 4), Reg("r", 8, 4)),
    i("requant", Reg("r", 0, 4), Reg("xout", 0, 4), DataRef("conv1.scale", 0, 4)),
    i("maxi", Reg("r", 0, 4), Reg("r", 0, 4), 0, origin=1),
    i("store", Window("conv1/y", Axis(OY), Axis(OX), ALL4), Reg("r", 0, 4), origin=1),
    i("end"),
    i("release", Port("x", 0), OY),
    i("signal", Name("conv1/y"), affine(1, oy=1)),
    i("end"),
    i("release", Port("x", 0), affine(6)),
    i("end"),
    i("hlt"),
)

SEND = (
    i("loop", "image", -1),
    i("loop", "oy", 6),
    i("wait", Port("conv1/y", 0), affine(1, oy=1)),
    i("send", Window("conv1/y", Axis(OY), Axis(Affine(), 6), ALL4), 1, 0),
    i("release", Port("conv1/y", 0), affine(1, oy=1)),
    i("end"),
    i("end"),
    i("hlt"),
)

RECEIVE = (
    i("loop", "image", -1),
    i("loop", "oy", 6),
    i("space", Name("y"), affine(1, oy=1)),
    i("receive", Window("y", Axis(OY), Axis(Affine(), 6), ALL4), 0),
    i("signal", Name("y"), affine(1, oy=1)),
    i("end"),
    i("end"),
    i("hlt"),
)

SMALL = Program(
    name="small",
    target="puma",
    weights="ab" * 32,
    strings=("Conv_0", 'Relu "1"'),
    inputs=(Plug("image", "float32", (1, 6, 6), 0.05, 3, -128, 127, "image.index", (RingRef(0, "x"),)),),
    outputs=(Plug("out/y:0", "float32", (4, 6, 6), 0.125, 0, -128, 127, "out.index", (RingRef(1, "y", 0),)),),
    tiles=(
        TileCode(
            0,
            rings=(Ring("x", 0, 6, 6, 1, 1, 24, 1, "image"), Ring("conv1/y", 24, 6, 6, 4, 1, 12, 1, "conv1/y")),
            scales=(Scale("conv1.scale", 72, 4, 1, 0, -128, 127, 0, 0, "conv1.multiplier"),),
            vectors=(Vector("bias", 80, 4, "conv1.bias"),),
            cores=(CoreCode(0, (Matrix(0, "conv1.weight", 9, 4, 8, 8, True, 0, "Conv_0", 0, 0),), CONV),),
            channels=(ChannelCode(0, SEND),),
        ),
        TileCode(1, rings=(Ring("y", 0, 6, 6, 4, 1, 12, 1, "conv1/y"),), channels=(ChannelCode(0, RECEIVE),)),
    ),
)
