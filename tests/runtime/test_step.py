"""The step engine on programs whose results can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cimc.isa.operands import DataRef, Name, Port, Reg, Window
from cimc.isa.program import CoreCode, Matrix, Program, Ring, Scale, Table, TileCode, Vector
from cimc.runtime.execution import Writer
from cimc.runtime.step import StepEngine
from tests.isa.small import SMALL
from tests.runtime.programs import (
    IDEAL,
    affine,
    axis,
    i,
    index,
    pixel,
    plug,
    relay_program,
    relay_weights,
    run_vector,
    straight,
    vector_program,
)


def r(start: int, length: int) -> Reg:
    return Reg("r", start, length)


def test_one_product() -> None:
    body = [
        i("load", Reg("xin", 0, 2), pixel("x", 2), 0),
        i("mvm", 0b1),
        i("store", pixel("y", 3), Reg("xout", 0, 3)),
    ]
    program = vector_program(2, 3, body, [Matrix(0, "w", 2, 3, 8, 8, True, 0, "", 0, 0)])
    weights = {"w": np.array([[1, 2, 3], [10, 20, -30]])}
    assert run_vector(program, weights, [[1, 1], [-2, 5]]) == [[11, 22, -27], [48, 96, -156]]


def test_shift_rounds_half_up() -> None:
    body = [
        i("load", Reg("xin", 0, 1), pixel("x", 1), 0),
        i("mvm", 0b1),
        i("store", pixel("y", 1), Reg("xout", 0, 1)),
    ]
    program = vector_program(1, 1, body, [Matrix(0, "w", 1, 1, 8, 8, True, 2, "", 0, 0)])
    assert run_vector(program, {"w": np.array([[1]])}, [[1], [2], [-2], [-3], [6]]) == [[0], [1], [0], [-1], [2]]


def test_two_units_in_one_instruction() -> None:
    rows, stride = IDEAL.mvmu_rows, IDEAL.xout_stride
    body = [
        i("load", Reg("xin", 0, 1), pixel("x", 1), 0),
        i("load", Reg("xin", 2 * rows, 1), pixel("x", 1), 0),
        i("mvm", 0b101),
        i("add", r(0, 1), Reg("xout", 0, 1), Reg("xout", 2 * stride, 1)),
        i("store", pixel("y", 1), r(0, 1)),
    ]
    matrices = [Matrix(number, f"w{number}", 1, 1, 8, 8, True, 0, "", 0, 0) for number in (0, 2)]
    weights = {"w0": np.array([[3]]), "w2": np.array([[100]])}
    assert run_vector(vector_program(1, 1, body, matrices), weights, [[2]]) == [[206]]


def test_overlapping_operands_are_read_first() -> None:
    body = [
        i("load", r(0, 4), pixel("x", 4), 0),
        i("add", r(1, 3), r(0, 3), r(1, 3)),  # [1, 2, 4, 8] -> [1, 1+2, 2+4, 4+8]
        i("copy", r(0, 3), r(1, 3)),
        i("store", pixel("y", 4), r(0, 4)),
    ]
    assert run_vector(vector_program(4, 4, body), {}, [[1, 2, 4, 8]]) == [[3, 6, 12, 12]]


def test_softmax_path() -> None:
    # exp by a table for x - max in -3 .. 0, the sum in s, shares of 100
    body = [
        i("load", r(0, 3), pixel("x", 3), 0),
        i("rmax", r(3, 1), r(0, 3)),
        i("sub", r(0, 3), r(0, 3), r(3, 1)),
        i("lut", r(0, 3), r(0, 3), Name("exp")),
        i("clrs"),
        i("sums", r(0, 3)),
        i("requants", r(0, 3), r(0, 3), DataRef("share", 0, 1)),
        i("store", pixel("y", 3), r(0, 3)),
    ]
    scale = Scale("share", 0, 1, 1, 0, -128, 127, 0, 0, "m")
    program = vector_program(3, 3, body, scales=[scale], tables=[Table("exp", 1, 4, -3, 0, "t")])
    weights = {"m": np.array([100], np.float32), "t": np.array([1, 10, 30, 60])}
    # [5, 4, 3] -> [0, -1, -2] -> [60, 30, 10]; 9 below the largest counts as 3 below
    assert run_vector(program, weights, [[5, 4, 3], [9, 0, 9]]) == [[60, 30, 10], [50, 1, 50]]


def test_pooling_sums_and_maxima() -> None:
    # four pixels of two channels: the average of each channel by rsum, the largest by rmax
    body = [
        i("load", r(0, 8), pixel("x", 8), 0),
        i("rsum", r(8, 2), r(0, 8), DataRef("mean", 0, 1)),
        i("rmax", r(10, 2), r(0, 8)),
        i("store", pixel("y", 4), r(8, 4)),
    ]
    scale = Scale("mean", 0, 1, 1, 1, -128, 127, 2, 0, "m")  # terms less 2; 1 is added at the end
    program = vector_program(8, 4, body, scales=[scale])
    weights = {"m": np.array([0.25], np.float32)}
    assert run_vector(program, weights, [[2, 6, 4, 10, 6, 14, 8, 18]]) == [[4, 11, 8, 18]]


def test_constants_are_loaded_and_added() -> None:
    body = [
        i("loadv", r(0, 2), DataRef("v", 1, 2)),
        i("load", r(2, 2), pixel("x", 2), 0),
        i("add", r(0, 2), r(0, 2), r(2, 2)),
        i("store", pixel("y", 2), r(0, 2)),
    ]
    program = vector_program(2, 2, body, vectors=[Vector("v", 0, 3, "v")])
    assert run_vector(program, {"v": np.array([7, 100, 200])}, [[1, 2]]) == [[101, 202]]


def test_counters_and_strided_windows_pick_the_right_pixels() -> None:
    """Every second column of every second row of a 4x4 map, taken as one window."""
    x, y = Ring("x", 0, 4, 4, 1, 1, 16, 1), Ring("y", 16, 1, 4, 1, 1, 4, 1)
    stream = (
        i("loop", "image", -1),
        i("wait", Port("x", 0), affine(4)),
        i("space", Name("y"), affine(1)),
        i("load", r(0, 4), Window("x", axis(0, 2, 2), axis(1, 2, 2), axis()), 0),
        i("loop", "ox", 4),
        i("store", pixel("y", 1, 0, affine(3, ox=-1)), r(0, 1)),
        i("copy", r(0, 3), r(1, 3)),
        i("end"),
        i("release", Port("x", 0), affine(4)),
        i("signal", Name("y"), affine(1)),
        i("end"),
        i("hlt"),
    )
    tile = TileCode(0, (x, y), cores=(CoreCode(0, (), stream),))
    program = Program("pick", "ideal", "", (), (plug("x", x, -1),), (plug("y", y, 0),), (tile,))
    weights = {"x.index": index(x), "y.index": index(y)}
    values = np.arange(16).reshape(1, 4, 4, 1)
    output = StepEngine(program, weights, IDEAL).run({"x": values}).outputs["y"]
    assert output.ravel().tolist() == [11, 9, 3, 1]


def small_weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Weights of tests/isa/small.py's program."""
    return {
        "image.index": straight(36),
        "out.index": np.array([2, 0, 0, 36, 1, 4, 4, 36, 1]),
        "conv1.multiplier": np.array([0.01, 0.02, 0.005, 0.015], np.float32),
        "conv1.bias": np.array([0, 300, -500, 77]),
        "conv1.weight": np.random.default_rng(seed).integers(-128, 128, (9, 4)),
    }


def convolved(x: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """What that program computes, by the definition: x, integers (6, 6), zero point 3 -> (4, 6, 6)."""
    padded = np.pad(x, 1, constant_values=3)
    result = np.zeros((4, 6, 6), np.float32)
    for y in range(6):
        for column in range(6):
            patch = padded[y : y + 3, column : column + 3].ravel()
            acc = (patch @ weights["conv1.weight"] + weights["conv1.bias"]).astype(np.float32)
            q = np.clip(np.rint(acc * weights["conv1.multiplier"]), -128, 127)
            result[:, y, column] = np.maximum(q, 0) * np.float32(0.125)
    return result


@pytest.mark.parametrize("exact", [None, False])
def test_convolution_with_padding_over_a_small_ring(exact: bool | None) -> None:
    """conv 3x3 + ReLU, 24 pixels of ring for a map of 36, then over a FIFO to another tile."""
    weights = small_weights()
    x = np.random.default_rng(1).integers(-128, 128, (5, 1, 6, 6))
    real = (x - 3).astype(np.float32) * np.float32(0.05)
    execution = StepEngine(SMALL, weights, IDEAL, exact=exact).run({"image": real})
    for lane in range(5):
        assert np.array_equal(execution.outputs["out/y:0"][lane], convolved(x[lane, 0], weights))
    assert execution.counts["mvm"] == 36
    assert execution.counts["loop"] == 1 + 1 + 6 + 2 * 2
    assert execution.stored == {}


def test_two_tiles_with_rows_in_segments() -> None:
    x = np.arange(2 * 3 * 8).reshape(2, 3, 4, 2)
    for segments, pixels in ((1, 8), (2, 6), (4, 5), (2, 10)):
        program = relay_program(3, pixels, segments)
        output = StepEngine(program, relay_weights(3), IDEAL).run({"x": x}).outputs["y"]
        assert np.array_equal(output, -x), (segments, pixels)


def test_what_cores_store_is_captured() -> None:
    x = np.arange(2 * 3 * 8).reshape(1, 2, 3, 4, 2).repeat(2, axis=0)
    engine = StepEngine(relay_program(3, 6, 2), relay_weights(3), IDEAL)
    execution = engine.run({"x": x}, images=2, capture=True)
    assert list(execution.stored) == ["m"]
    assert np.array_equal(execution.stored["m"], -x)
    assert execution.writers == {"m": (Writer(tile=0, core=0, index=9, low=0, high=2, left=0, right=4),)}
    assert engine.run({"x": x[0]}, capture={"other"}).stored == {}
    assert np.array_equal(engine.run({"x": x[0]}, capture={"m"}).stored["m"], -x[:1])
