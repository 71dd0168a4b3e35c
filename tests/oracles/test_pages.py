"""docs/isa.md and docs/program.md are enough: an interpreter written from them alone agrees in every bit."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings

from cimc.base.diagnostics import CimcError
from cimc.driver.compile import Compiled
from cimc.frontends import load_onnx
from cimc.isa.operands import DataRef, Name, Reg, Window
from cimc.isa.program import Matrix, Program, Scale, Table, Vector
from cimc.isa.table import FORM
from cimc.isa.text.printer import print_program
from cimc.passes.crossbars.pack import pack
from cimc.runtime.package import save_package, weights_digest
from cimc.runtime.rounds import RoundsEngine
from cimc.runtime.step import StepEngine
from cimc.target import load_target
from cimc.target.model import Target
from cimc.target.write import write_target
from tests.laws.digits import NETWORKS, compiled, digits, varied
from tests.laws.random_targets import problems, targets
from tests.laws.rounds import in_rounds
from tests.laws.test_sharing import again, with_copies
from tests.oracles import interpreter
from tests.oracles.interpreter.__main__ import load_folder, run_lanes
from tests.passes.cases import CASES
from tests.passes.end_to_end import IDEAL, PUMA, build, random_inputs
from tests.runtime.programs import axis, i, pixel, relay_program, relay_weights, straight, vector_program

Arrays = dict[str, npt.NDArray[Any]]

TARGETS = {
    "ideal": IDEAL,
    "puma": PUMA,
    "isaac": load_target("isaac"),
    "two cores a tile": varied(PUMA, tile={"cores": 2}),
    "converters that clip": varied(PUMA, crossbar={"adc_bits": 5}),
    "clipping pairs": varied(IDEAL, crossbar={"adc_bits": 6}, mvmu={"encoding": "differential", "flipped": False}),
    "two input bits a step": varied(PUMA, crossbar={"adc_bits": 6, "dac_bits": 2}),
    "digits that are cut off": varied(PUMA, crossbar={"adc_bits": 7, "dac_bits": 3}),
    "pairs that clip side by side": varied(
        PUMA, crossbar={"adc_bits": 5}, mvmu={"encoding": "differential", "flipped": False, "slices": "columns"}
    ),
    "converted once": varied(IDEAL, crossbar={"conversions": "once", "adc_keeps": "high bits", "adc_bits": 18}),
}

CONSTRUCTS = (
    "channel_shuffle", "concat_with_the_input", "depthwise", "function_Sigmoid", "function_Exp", "large_bias",
    "padded_twice", "padded_rows_in_a_pool", "prelu", "residual_of_two_convolutions", "silu", "softmax_over_tokens",
    "strided_slice_then_padded_convolution", "sum_of_three",
)  # fmt: skip


def by_the_pages(program: Program, weights: Any, target: Target, inputs: Arrays) -> Arrays:
    """Outputs of one lane, (inputs of the run, *shape)."""
    made = interpreter.load(print_program(program), weights, tomllib.loads(write_target(target)))
    return interpreter.run(made, inputs)


def check(program: Program, weights: Any, target: Target, inputs: Arrays) -> None:
    """Two inputs or more, one after the other."""
    images = len(next(iter(inputs.values())))
    one_lane = {name: values[:, None] for name, values in inputs.items()}
    wanted = StepEngine(program, weights, target).run(one_lane, images=images).outputs
    got = by_the_pages(program, weights, target, inputs)
    for name, values in wanted.items():
        assert got[name].dtype == values.dtype
        assert np.array_equal(got[name], values[:, 0]), name


def check_digits(made: Compiled) -> None:
    check(made.program, made.weights, made.target, {"input": digits("test", 2).reshape(2, 1, 1, 8, 8)})


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_on_many_chips(network: str, target: str) -> None:
    check_digits(compiled(network, TARGETS[target]))


@given(targets())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_network_on_any_chip(target: Target) -> None:
    """As far as the chip holds it."""
    assume(not problems(target))
    try:
        made = compiled("digits_plain", target)
    except CimcError:
        reject()
    check_digits(made)


@pytest.mark.parametrize("shared", [1, 3])
@pytest.mark.parametrize("target", ["puma", "clipping pairs", "pairs that clip side by side"])
def test_rounds(target: str, shared: int) -> None:
    """Two inputs, which share the writing of crossbars or do not."""
    made = in_rounds(compiled("digits_residual", TARGETS[target]), one_layer=True, shared=shared)
    x = digits("test", 2).reshape(2, 1, 1, 8, 8)
    wanted = RoundsEngine(made.program, made.weights, made.target).run({"input": x[:, None]}, images=2).outputs
    got = by_the_pages(made.program, made.weights, made.target, {"input": x})
    assert np.array_equal(got["logits"], wanted["logits"][:, 0])


@pytest.mark.parametrize("adc_bits", [8, 5])
def test_rings_with_several_producers(adc_bits: int) -> None:
    copies = [(2, 1), (1, 4), (2, 2), (1, 2), (1, 1), (1, 1)]
    target = varied(TARGETS["two cores a tile"], crossbar={"adc_bits": adc_bits})
    made = with_copies(compiled("digits_plain", target), copies)
    assert any(ring.producers > 1 for tile in made.program.tiles for ring in tile.rings)
    check_digits(made)


def test_matrices_that_share_an_mvmu() -> None:
    """Where conversions clip, weights of 0 beside a matrix count too. The compiler would not share an MVMU there."""
    made = compiled("digits_plain", IDEAL)
    made = again(made, layers=pack(made.mapped, made.target).layers)
    shared = [held for tile in made.program.tiles for core in tile.cores for held in core.by_mvmu().values()]
    assert any(len(held) > 1 for held in shared)
    check_digits(replace(made, target=varied(IDEAL, crossbar={"adc_bits": 6})))


@pytest.mark.parametrize("target", ["ideal", "two cores a tile"])
@pytest.mark.parametrize("name", CONSTRUCTS)
def test_constructs(name: str, target: str) -> None:
    graph = load_onnx(CASES[name]())
    made = build(graph, TARGETS[target], random_inputs(graph))
    check(made.program, made.weights, made.target, random_inputs(graph, 2, seed=1))


@pytest.mark.parametrize(("pixels", "segments"), [(4, 1), (6, 2), (8, 4), (5, 4), (16, 2)])
def test_rings_that_are_no_whole_rows(pixels: int, segments: int) -> None:
    program = relay_program(3, pixels, segments)
    x = np.random.default_rng(0).integers(-100, 100, (3, 3, 4, 2))
    check(program, relay_weights(3), IDEAL, {"x": x})


A, B, D, ONE = Reg("r", 0, 4), Reg("r", 4, 4), Reg("r", 10, 4), Reg("r", 3, 1)
CLOSE = Reg("r", 1, 4)
SCALE, PAIR, TABLE = DataRef("m", 0, 4), DataRef("mn", 1, 4), Name("fine")
BODIES = {
    "copy": (A,), "add": (A, B), "sub": (ONE, CLOSE), "max": (A, ONE), "min": (A, B), "addi": (A, 30000),
    "maxi": (A, -5), "mini": (A, 1 << 40), "shri": (A, 40), "andi": (A, -(1 << 20) + 5), "mulshr": (A, CLOSE, 7),
    "requant": (A, SCALE), "requant2": (CLOSE, ONE, PAIR), "requantm": (A, B, DataRef("m", 2, 1)),
    "rsum": (Reg("r", 0, 8), SCALE), "rmax": (Reg("r", 0, 8),), "lut": (A, TABLE), "requants": (A, SCALE),
    "set": (1 << 30,), "loadv": (DataRef("v", 1, 4),),
}  # fmt: skip
ELSEWHERE = {"loop", "end", "hlt", "wait", "space", "release", "signal", "load", "store", "mvm", "send", "receive"}
IN_PHASES = {"write", "readback"}
"""Instructions of programs in rounds: tests/isa/test_phases.py tries both by hand."""


@pytest.mark.parametrize("word", [8, 16, 24, 32])
@pytest.mark.parametrize("space", ["r", "xout"])
@pytest.mark.parametrize("mnemonic", BODIES)
def test_every_vector_instruction(mnemonic: str, space: str, word: int) -> None:
    """Words at the ends of their range and around zero, d in the general registers, over a source too, or in xout."""
    target = varied(IDEAL, numbers={"word": word, "accumulator": min(32, word + 4)})
    high = (1 << (word - 1)) - 1
    rng = np.random.default_rng(word)
    x = np.concatenate([rng.integers(-high - 1, high, (20, 8), endpoint=True) >> rng.integers(0, word, (20, 8)),
                        rng.choice([-high - 1, high], (4, 8)), [[0] * 8]])  # fmt: skip
    body = [i("load", Reg("r", 0, 8), pixel("x", 8), 0), i("clrs"), i("maxi", Reg("r", 20, 8), Reg("r", 0, 8), 3)]
    body += [i("sums", Reg("r", 20, 8)), i("sums", Reg("r", 20, 1))]
    for dest in (Reg(space, 10, 4), Reg("r", 2, 4)):
        to = Window("y", axis(), axis(), axis(4 if dest.start == 2 else 0, 4))
        body += [i(mnemonic, dest, *BODIES[mnemonic]), i("store", to, dest)]
    weights = {
        "m": (2.0 ** rng.uniform(-10, 1, 4)).astype(np.float32),
        "mn": (2.0 ** rng.uniform(-10, 1, (2, 5))).astype(np.float32),
        "v": rng.integers(-(1 << 31), (1 << 31) - 1, 5).astype(np.int32),
        "fine": rng.integers(-(1 << 20), 1 << 20, 17).astype(np.int32),
        "x.index": straight(8), "y.index": straight(8),
    }  # fmt: skip
    program = vector_program(
        8, 8, body,
        scales=[Scale("m", 0, 4, 1, -3, -100, 120, 7, -2, "m"),
                Scale("mn", 0, 5, 2, 5, -(1 << 31), (1 << 31) - 1, 1, 9, "mn")],
        tables=[Table("fine", 0, 17, -30, 2, "fine")], vectors=[Vector("v", 0, 5, "v")],
    )  # fmt: skip
    check(program, weights, target, {"x": x.reshape(-1, 1, 1, 8)})


TOP = (1 << 31) - 1
ENDS = np.array(list(product([-TOP - 1, -TOP, -3, 0, 1, TOP - 1, TOP], repeat=2)))


def at_the_ends(mnemonic: str, scale: Scale, factors: list[Any]) -> None:
    """An instruction of two operands on 32-bit words at the ends of their range."""
    a, b, d = (Reg("r", start, 1) for start in (0, 1, 2))
    body = [i("load", Reg("r", 0, 2), pixel("x", 2), 0), i(mnemonic, d, a, b, DataRef("m", 0, 1))]
    program = vector_program(2, 1, [*body, i("store", pixel("y", 1), d)], scales=[scale])
    weights = {"m": np.array(factors, np.float32), "x.index": straight(2), "y.index": straight(1)}
    check(program, weights, IDEAL, {"x": ENDS.reshape(-1, 1, 1, 2)})


@pytest.mark.parametrize("m", [3e38, -3e38, 2.0**96, 2.0**-60])
@pytest.mark.parametrize("n", [3e38, 1.0])
def test_products_that_are_infinite(m: float, n: float) -> None:
    """Their sum saturates, and is the zero point where they have different signs."""
    at_the_ends("requant2", Scale("m", 0, 1, 2, 5, -TOP - 1, TOP, 1, -2, "m"), [[m], [n]])


@pytest.mark.parametrize("zeros", [(0, 0), (TOP, TOP), (-TOP - 1, TOP), (-TOP - 1, 9)])
def test_products_of_more_than_63_bits(zeros: tuple[int, int]) -> None:
    at_the_ends("requantm", Scale("m", 0, 1, 1, 0, -TOP - 1, TOP, *zeros, "m"), [2.0**-33])


@pytest.mark.parametrize(("zero", "low", "high"), [(0, -TOP - 1, TOP), (-TOP - 1, -TOP - 1, TOP), (5, -7, TOP)])
def test_inputs_beyond_every_word(zero: int, low: int, high: int) -> None:
    """Limits of 32 bits are no float32 numbers."""
    program = relay_program(3, 12, 1)
    plug = replace(program.inputs[0], dtype="float32", scale=0.5, zero=zero, low=low, high=high)
    x = np.random.default_rng(0).choice(np.array([0.25, 0.75, -3, 1e30, -1e30, 2**30, np.inf, -np.inf]), (2, 3, 4, 2))
    check(replace(program, inputs=(plug,)), relay_weights(3), IDEAL, {"x": x.astype(np.float32)})


@pytest.mark.parametrize("signed", [True, False])
def test_inputs_of_32_bits(signed: bool) -> None:
    matrix = Matrix(0, "w", 2, 2, 4, 32, signed, 5, "", 0, 0)
    body = [i("load", Reg("xin", 0, 2), pixel("x", 2), 0), i("mvm", 1), i("store", pixel("y", 2), Reg("xout", 0, 2))]
    weights = {"w": np.array([[1, -2], [3, 7]], np.int8), "x.index": straight(2), "y.index": straight(2)}
    check(vector_program(2, 2, body, [matrix]), weights, IDEAL, {"x": ENDS.reshape(-1, 1, 1, 2)})


def test_the_files_of_a_program(tmp_path: Path) -> None:
    """The folder alone, as `cimc run` takes it: lanes, names of members, and the digest of the weights."""
    made = compiled("digits_plain", IDEAL)
    names = {made.program.inputs[0].index: "../100%2F\x1b", made.program.outputs[0].index: "long/" * 50}
    weights = {names.get(name, name): array for name, array in made.weights.items()}
    ends = [tuple(replace(p, index=names[p.index]) for p in ps) for ps in (made.program.inputs, made.program.outputs)]
    program = replace(made.program, inputs=ends[0], outputs=ends[1], weights=weights_digest(weights))
    save_package(tmp_path / "net", program, weights, write_target(made.target))
    x = digits("test", 3)
    wanted = StepEngine(made.program, made.weights, made.target).run({"input": x}).outputs["logits"]
    got = run_lanes(load_folder(tmp_path / "net"), {"input": x[:, 0]})["logits"]
    assert np.array_equal(got, wanted[:, 0])


def test_all_instructions_are_tried() -> None:
    assert {form.mnemonic for form in FORM.values()} == BODIES.keys() | ELSEWHERE | IN_PHASES | {"clrs", "sums"}
