"""Four ways to read signed weights, each a few lines of a target file: a 512x512 matrix on crossbars of 128 rows, 2-bit
cells and 1-bit steps, with ADCs of 5 to 8 bits, against a crossbar in plain integers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import cimc
from cimc.isa.program import Matrix
from cimc.runtime.crossbar import compile_mvmu, program_mvmu
from cimc.runtime.machine import Scratch
from cimc.target.load import load_target
from cimc.target.model import Target
from tests.crossbar.brute_force import Readout, product

Ints = npt.NDArray[np.int64]

SIZE, ROWS, CELL = 512, 128, 2

READOUTS = {
    "offset, digital correction": ("offset", Readout(digital=True)),
    "offset, unit column": ("offset", Readout()),
    "pairs subtracted": ("differential", Readout(signed=True, subtracted=True)),
    "pairs apart": ("differential", Readout()),
}

TOML = """\
extends = "ideal"

[crossbar]
rows = {{ value = 128, unit = "rows", source = "assumed: a test" }}
columns = {{ value = 128, unit = "columns", source = "assumed: a test" }}
cell_bits = {{ value = 2, unit = "bits", source = "assumed: a test" }}
dac_bits = {{ value = 1, unit = "bits", source = "assumed: a test" }}
adc_bits = {{ value = {adc_bits}, unit = "bits", source = "assumed: a test" }}
adc_signed = {{ value = {signed}, source = "assumed: a test" }}

[mvmu]
encoding = {{ value = "{encoding}", source = "assumed: a test" }}
flipped = {{ value = false, source = "assumed: a test" }}
pairs = {{ value = "{pairs}", source = "assumed: a test" }}
correction = {{ value = "{correction}", source = "assumed: a test" }}
crossbars = {{ value = 8, unit = "crossbars", source = "assumed: a test" }}
"""


def target_of(name: str, adc_bits: int, folder: Path) -> Target:
    """From a file."""
    encoding, readout = READOUTS[name]
    keys = {
        "encoding": encoding,
        "signed": str(readout.signed).lower(),
        "pairs": "subtracted" if readout.subtracted else "apart",
        "correction": "digital" if readout.digital else "unit column",
    }
    file = folder / "chip.toml"
    file.write_text(TOML.format(adc_bits=adc_bits, **keys))
    return load_target(str(file))


def matrix() -> Ints:
    """(SIZE, SIZE), of 8 bits: small weights, columns of large ones, and both ends."""
    rng = np.random.default_rng(7)
    w = np.rint(rng.normal(0, 1, (SIZE, SIZE)) * rng.choice([4, 20, 60], SIZE)).clip(-127, 127)
    w[rng.random(w.shape) < 0.01] = 127
    return np.where(rng.random(w.shape) < 0.01, -127, w).astype(np.int64)


def inputs(signed: bool) -> Ints:
    """(lanes, SIZE), of 8 bits: dense, sparse, and all at one end."""
    rng = np.random.default_rng(8)
    x = rng.integers(0, 256, (4, SIZE))
    x[1, rng.random(SIZE) < 0.8] = 0
    x[3] = 255
    return x - 128 if signed else x


def in_plain_integers(w: Ints, x: Ints, signed: bool, name: str, adc_bits: int) -> Ints:
    """Sums of all four crossbars, (lanes, SIZE), slice by slice and step by step."""
    encoding, readout = READOUTS[name]
    first, last = (1 - 2 ** (adc_bits - 1), 2 ** (adc_bits - 1)) if readout.signed else (0, 2**adc_bits - 1)
    total = np.zeros((len(x), w.shape[1]), np.int64)
    for start in range(0, len(w), ROWS):
        rows, fed = w[start : start + ROWS], x[:, start : start + ROWS]
        for step in range(8):
            bits = (fed % 256) // 2**step % 2
            worth = -(2**step) if signed and step == 7 else 2**step
            for number in range(4):
                place = 4**number
                if encoding == "offset":
                    codes = np.clip(bits @ ((rows + 128) // place % 4), first, last)
                else:
                    up, down = (bits @ (np.maximum(half, 0) // place % 4) for half in (rows, -rows))
                    if readout.subtracted:
                        codes = np.clip(up - down, first, last)
                    else:
                        codes = np.clip(up, first, last) - np.clip(down, first, last)
                total += worth * place * codes
            if encoding == "offset" and not readout.digital:
                total -= 128 * worth * np.clip(bits.sum(axis=1, keepdims=True), first, last)
        if readout.digital:
            total -= 128 * fed.sum(axis=1, keepdims=True)
    return total


def in_the_emulator(w: Ints, x: Ints, signed: bool, target: Target) -> Ints:
    """Sums of all four crossbars, (lanes, SIZE), before anything is rounded."""
    total = np.zeros((len(x), w.shape[1]), np.int64)
    for start in range(0, len(w), ROWS):
        rows = w[start : start + ROWS]
        held = Matrix(0, "w", *rows.shape, 8, 8, signed, 0, "", 0, 0)
        out = np.zeros((w.shape[1], len(x)), np.int32)
        fed = np.ascontiguousarray(x[:, start : start + ROWS].T, np.int32)
        compile_mvmu(program_mvmu(held, rows, None, target), fed, out, Scratch(len(x)))()
        total += out.T
    return total


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("adc_bits", [5, 6, 7, 8])
@pytest.mark.parametrize("name", READOUTS)
def test_sums_are_those_of_a_crossbar_in_plain_integers(name: str, adc_bits: int, signed: bool, tmp_path: Path) -> None:
    w, x = matrix(), inputs(signed)
    wanted = in_plain_integers(w, x, signed, name, adc_bits)
    assert np.array_equal(in_the_emulator(w, x, signed, target_of(name, adc_bits, tmp_path)), wanted)
    if adc_bits == 5:
        assert not np.array_equal(wanted, x @ w), "nothing is lost, and any converter would do"


@pytest.mark.parametrize("name", READOUTS)
def test_a_few_columns_cell_by_cell(name: str) -> None:
    """What the other tests expect, against cells and conversions one at a time."""
    w, x = matrix()[:, ::100], inputs(signed=True)[:2]
    encoding, readout = READOUTS[name]
    wanted = sum(
        np.array([
            product(w[at : at + ROWS].tolist(), lane[at : at + ROWS].tolist(), 8, 8, True, CELL, 1, 6, encoding, False,
                    readout)
            for lane in x
        ])
        for at in range(0, SIZE, ROWS)
    )  # fmt: skip
    assert np.array_equal(in_plain_integers(w, x, True, name, 6), wanted)


def network(w: Ints, step: float) -> onnx.ModelProto:
    """y = x @ w of 8-bit integers x and w, in steps of y, saturated to 16 bits."""
    info = helper.make_tensor_value_info
    constants = [
        numpy_helper.from_array(w.astype(np.int8), "w"),
        numpy_helper.from_array(np.array(1, np.float32), "one"),
        numpy_helper.from_array(np.array(step, np.float32), "step"),
        numpy_helper.from_array(np.array(0, np.uint8), "zx"),
        numpy_helper.from_array(np.array(0, np.int8), "zw"),
        numpy_helper.from_array(np.array(0, np.int16), "zy"),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "one", "zx"], ["xr"], name="dx"),
        helper.make_node("DequantizeLinear", ["w", "one", "zw"], ["wr"], name="dw"),
        helper.make_node("MatMul", ["xr", "wr"], ["yr"], name="matmul"),
        helper.make_node("QuantizeLinear", ["yr", "step", "zy"], ["y"], name="qy"),
    ]
    graph = helper.make_graph(
        nodes, "matmul", [info("x", TensorProto.UINT8, [1, SIZE])], [info("y", TensorProto.INT16, [1, SIZE])], constants
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@pytest.mark.parametrize("adc_bits", [5, 8])
@pytest.mark.parametrize("name", READOUTS)
def test_a_compiled_network_gives_these_sums(name: str, adc_bits: int, tmp_path: Path) -> None:
    """In steps of 16, halves to the even one, saturated: of sums below 2^24 a sixteenth is exact in float32."""
    w, x = matrix(), inputs(signed=False)
    program = cimc.compile(network(w, 16.0), target_of(name, adc_bits, tmp_path))
    found = program.run({"x": x.astype(np.uint8)})["y"]
    sums = in_plain_integers(w, x, False, name, adc_bits)
    assert np.abs(sums).max() < 1 << 24
    assert np.array_equal(found, np.rint(sums / 16).clip(-(1 << 15), (1 << 15) - 1))
