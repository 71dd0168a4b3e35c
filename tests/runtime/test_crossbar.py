"""The MVMU model: exact where converters lose nothing, conversion by conversion where they do."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimc.base.diagnostics import CimcError
from cimc.crossbar.device import IDEAL as IDEAL_CELLS
from cimc.crossbar.device import Conductances
from cimc.crossbar.lossless import ExactProduct
from cimc.crossbar.storage import Cells
from cimc.isa.operands import Reg
from cimc.isa.program import Matrix
from cimc.numerics import quant
from cimc.numerics.keys import Key
from cimc.runtime.crossbar import compile_mvmu, joined, program_mvmu
from cimc.runtime.machine import Scratch, Words
from cimc.runtime.step import StepEngine
from cimc.target import load_target
from cimc.target.model import Target
from tests.crossbar.brute_force import Readout
from tests.crossbar.brute_force import product as crossbar
from tests.crossbar.small import keys_of
from tests.isa.small import SMALL
from tests.runtime.programs import IDEAL, i, pixel, run_vector, vector_program, with_converters
from tests.runtime.test_step import small_weights

PUMA = load_target("puma")


def product(
    target: Target, matrix: Matrix, weights: np.ndarray, x: np.ndarray, exact: bool | None,
    steps: np.ndarray | None = None,
) -> Words:  # fmt: skip
    """XbarOut, (columns, lanes), for x, (rows, lanes)."""
    out = np.zeros((matrix.columns, x.shape[1]), np.int32)
    mvmu = program_mvmu(matrix, weights, steps, target, exact)
    compile_mvmu(mvmu, x.astype(np.int32), out, Scratch(x.shape[1]))()
    return out


@given(
    seed=st.integers(0, 2**32 - 1),
    base=st.sampled_from([IDEAL, PUMA, replace(IDEAL, numbers=replace(IDEAL.numbers, accumulator=12))]),
    weight_bits=st.sampled_from([2, 5, 8, 16]),
    input_bits=st.sampled_from([1, 4, 8, 15, 16]),
    signed=st.booleans(),
    shift=st.sampled_from([0, 1, 7, 20]),
    rows=st.integers(1, 128),
)
def test_exact_product_equals_conversion_by_conversion(
    seed: int, base: Target, weight_bits: int, input_bits: int, signed: bool, shift: int, rows: int
) -> None:
    rng = np.random.default_rng(seed)
    matrix = Matrix(0, "w", rows, 3, weight_bits, input_bits, signed, shift, "", 0, 0)
    weights = rng.integers(1 - (1 << (weight_bits - 1)), 1 << (weight_bits - 1), (rows, 3))
    # words beyond what the converters are fed count by their lowest bits, in both
    x = rng.integers(-(1 << 15), 1 << 15, (rows, 4)) >> rng.integers(0, 15)
    stepwise = product(base, matrix, weights, x, exact=False)
    assert isinstance(program_mvmu(matrix, weights, None, base).product, ExactProduct), "these converters lose nothing"
    assert np.array_equal(product(base, matrix, weights, x, exact=None), stepwise)
    fed = x & ((1 << input_bits) - 1)
    if signed:
        fed = np.where(fed >= 1 << (input_bits - 1), fed - (1 << input_bits), fed)
    sums = quant.shift_round(weights.T.astype(np.int64) @ fed, shift)
    assert np.array_equal(quant.saturate(sums, base.numbers.accumulator), stepwise)


@pytest.mark.parametrize("way", [("differential", False), ("offset", False), ("offset", True)])
def test_too_few_converter_bits_clip(way: tuple[str, bool]) -> None:
    target = with_converters(4, encoding=way[0], flipped=way[1])
    rng = np.random.default_rng(0)
    matrix = Matrix(0, "w", 64, 5, 8, 8, True, 0, "", 0, 0)
    weights, x = rng.integers(-128, 128, (64, 5)), rng.integers(-128, 128, (64, 3))
    lanes = x.T.tolist()
    expected = np.transpose([crossbar(weights.tolist(), lane, 8, 8, True, 2, 1, 4, *way) for lane in lanes])
    lossy = product(target, matrix, weights, x, exact=None)
    assert np.array_equal(lossy, expected)
    assert not np.array_equal(lossy, weights.T @ x)
    assert np.array_equal(product(target, matrix, weights, x, exact=True), weights.T @ x)


def read_as(way: tuple[str, bool], adc_bits: int, readout: Readout) -> Target:
    """The ideal target with other converters that read columns in some way."""
    crossbar, mvmu = keys_of(readout)
    target = with_converters(adc_bits, encoding=way[0], flipped=way[1], **mvmu)
    return replace(target, crossbar=replace(target.crossbar, **crossbar))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("way", "readout"),
    [
        (("differential", False), Readout(signed=True, subtracted=True)),
        (("differential", False), Readout(signed=True, subtracted=True, once=True, down=True)),
        (("differential", False), Readout(halves=True, rows_at_once=50)),
        (("offset", True), Readout(digital=True)),
        (("offset", False), Readout(digital=True, once=True)),
        (("offset", True), Readout(signed=True, rows_at_once=16)),
    ],
)
@pytest.mark.parametrize("steps", [None, (1.0, 2.0, 0.69, 16.0, 3.3)])
def test_every_way_to_read_columns_is_the_targets(
    way: tuple[str, bool], readout: Readout, steps: tuple[float, ...] | None
) -> None:
    if steps is not None and way[0] == "offset" and not readout.digital:
        steps = (2.5,) * 5
    rng = np.random.default_rng(1)
    matrix = Matrix(0, "w", 64, 5, 8, 8, True, 3, "", 0, 0)
    weights, x = rng.integers(-127, 128, (64, 5)), rng.integers(-128, 128, (64, 3))
    adc = 12 if readout.once else 5
    sums = [crossbar(weights.tolist(), lane, 8, 8, True, 2, 1, adc, *way, readout, steps) for lane in x.T.tolist()]
    expected = (np.transpose(sums) + 4) // 8
    found = product(read_as(way, adc, readout), matrix, weights, x, None, None if steps is None else np.array(steps))
    assert np.array_equal(found, expected)
    assert not np.array_equal(found, (weights.T @ x + 4) // 8)


def test_steps_of_matrices_that_share_an_mvmu_lie_at_their_columns() -> None:
    """2.0 and 4.0 for the second, 0.5 for the third; 1 of the first, which names none, and of the column between."""
    first = Matrix(0, "a", 2, 1, 8, 8, True, 0, "", 0, 0)
    second = Matrix(0, "b", 3, 2, 8, 8, True, 0, "", 0, 0, at_row=4, at_column=2, steps="s")
    third = Matrix(0, "c", 1, 1, 8, 8, True, 0, "", 0, 0, at_row=2, at_column=4, steps="t")
    arrays = {"a": np.ones((2, 1)), "b": np.ones((3, 2)), "c": np.ones((1, 1)),
              "s": np.array([2.0, 4.0]), "t": np.array([0.5])}  # fmt: skip
    whole, weights, steps = joined((first, second, third), arrays)
    assert (whole.rows, whole.columns) == weights.shape == (7, 5)
    assert steps is not None and steps.tolist() == [1.0, 1.0, 2.0, 4.0, 0.5]
    assert joined((first,), arrays)[2] is None
    assert joined((replace(first, steps="u"),), arrays | {"u": np.ones(1)})[2] is None


def test_two_ranges_lie_at_their_columns_too() -> None:
    """2 and 8 of the second; of the first, which names one row, both are 4, and of the column between 1."""
    first = Matrix(0, "a", 1, 1, 8, 8, True, 0, "", 0, 0, steps="s")
    second = Matrix(0, "b", 1, 1, 8, 8, True, 0, "", 0, 0, at_row=1, at_column=2, steps="t")
    arrays = {"a": np.ones((1, 1)), "b": np.ones((1, 1)), "s": np.array([4.0]), "t": np.array([[2.0], [8.0]])}
    steps = joined((first, second), arrays)[2]
    assert steps is not None and steps.tolist() == [[4.0, 1.0, 2.0], [4.0, 1.0, 8.0]]


@pytest.mark.parametrize(
    ("steps", "adc_kind", "what"),
    [
        ([1.0], "SAR", "has the shape (1,), not (2,)"),
        ([[1.0, 1.0], [4.0, 4.0]], "SAR", "has the shape (2, 2), not (2,)"),
        ([[1.0], [4.0]], "twin range", "has the shape (2, 1), not (2,) or (2, 2)"),
        ([[1.0, 1.0]], "twin range", "has the shape (1, 2), not (2,) or (2, 2)"),
        ([0.5, 2.0**-11], "SAR", "has 1 steps that are not 0.0009765625 to 281474976710656"),
        ([float("nan"), 2.0**49], "SAR", "has 2 steps that are not 0.0009765625 to 281474976710656"),
        ([[1.0, 1.0], [4.0, 2.0**49]], "twin range", "has 1 steps that are not 0.0009765625 to 281474976710656"),
        ([[2.0, 2.0], [4.0, 1.0]], "twin range", "has 1 coarse steps that are no whole multiples of the fine ones"),
        ([[2.0, 2.0], [4.0, 5.0]], "twin range", "has 1 coarse steps that are no whole multiples of the fine ones"),
        (
            [[1.0, 1.0], [4.0, 2.0**25]],
            "twin range",
            "has 1 coarse steps whose largest code is not below 2^32 fine ones",
        ),
    ],
)
def test_steps_that_are_refused(steps: list[float], adc_kind: str, what: str) -> None:
    target = with_converters(8, encoding="differential", flipped=False)
    target = replace(target, crossbar=replace(target.crossbar, adc_kind=adc_kind))
    matrix = Matrix(0, "a", 1, 2, 8, 8, True, 0, "", 0, 0, steps="s")
    body = (
        i("load", Reg("xin", 0, 1), pixel("x", 1), 0),
        i("mvm", 1),
        i("store", pixel("y", 2), Reg("xout", 0, 2)),
    )
    with pytest.raises(CimcError) as caught:
        run_vector(
            vector_program(1, 2, body, (matrix,)), {"a": np.ones((1, 2), int), "s": np.array(steps)}, [[1]], target
        )
    (wrong,) = caught.value.diagnostics
    assert (wrong.code, wrong.what) == ("run.weights", f'array "s" {what}')


def test_steps_at_the_edges_run() -> None:
    """The least and the largest step; and a coarse step of 2^24 fine ones, 255 of which stay below 2^32."""
    target = with_converters(8, encoding="differential", flipped=False)
    target = replace(target, crossbar=replace(target.crossbar, adc_kind="twin range", dac_bits=8, cell_bits=8))
    matrix = Matrix(0, "a", 1, 2, 8, 8, False, 0, "", 0, 0, steps="s")
    body = (
        i("load", Reg("xin", 0, 1), pixel("x", 1), 0),
        i("mvm", 1),
        i("store", pixel("y", 2), Reg("xout", 0, 2)),
    )
    weights = {"a": np.array([[1, 100]]), "s": np.array([[2.0**-10, 1.0], [2.0**14, 2.0**24]])}
    assert run_vector(vector_program(1, 2, body, (matrix,)), weights, [[2]], target) == [[0, 200]]


def test_a_program_of_matrices_with_steps_runs() -> None:
    """Columns of pairs with codes of half and of four units: 6 is 12 halves, and 2 fours with half a four rounded to
    even; 10 is 20 halves, and 2 fours."""
    target = with_converters(16, encoding="differential", flipped=False)
    target = replace(target, crossbar=replace(target.crossbar, dac_bits=8, cell_bits=8))
    matrix = Matrix(0, "a", 1, 2, 8, 8, True, 0, "", 0, 0, steps="s")
    body = (
        i("load", Reg("xin", 0, 1), pixel("x", 1), 0),
        i("mvm", 1),
        i("store", pixel("y", 2), Reg("xout", 0, 2)),
    )
    weights = {"a": np.array([[2, 2]]), "s": np.array([0.5, 4.0])}
    unsigned = replace(matrix, input_signed=False)
    assert run_vector(vector_program(1, 2, body, (unsigned,)), weights, [[3], [5]], target) == [[12, 2], [20, 2]]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("input_bits", [1, 2, 8, 15, 16])
@pytest.mark.parametrize("exact", [True, False])
def test_words_count_by_the_bits_that_converters_are_fed(input_bits: int, signed: bool, exact: bool) -> None:
    """Words of 16 bits, at both ends and around the narrower range's."""
    end = 1 << (input_bits - 1)
    words = sorted(
        {-(1 << 15), (1 << 15) - 1, -end - 1, -end, end - 1, end, -1, 0, 1, 12345} & set(range(-(1 << 15), 1 << 15))
    )
    wanted = []
    for word in words:
        low = word % (1 << input_bits)
        wanted.append(low - (1 << input_bits) if signed and low >= end else low)
    target = replace(IDEAL, numbers=replace(IDEAL.numbers, word=16))
    matrix = Matrix(0, "w", 1, 2, 8, input_bits, signed, 0, "", 0, 0)
    found = product(target, matrix, np.array([[1, -3]]), np.array([words]), exact)
    assert found.tolist() == [wanted, [-3 * value for value in wanted]]


def test_sums_beyond_float32_are_exact() -> None:
    """2^24 + 1 has no float32."""
    target = with_converters(32)
    matrix = Matrix(0, "w", 3, 1, 16, 16, False, 0, "", 0, 0)
    weights, x = np.array([[256], [1], [1]]), np.array([[65535], [256], [1]])
    assert product(target, matrix, weights, x, exact=None).tolist() == [[(1 << 24) + 1]]


def test_half_is_added_exactly_where_a_sum_fills_float32() -> None:
    """2^24 - 1 with a shift of 2: adding half a step passes 2^24."""
    matrix = Matrix(0, "w", 2, 1, 16, 16, False, 2, "", 0, 0)
    weights, x = np.array([[255], [1]]), np.array([[65793], [0]])
    x[0, 0], x[1, 0] = 65535, 65280 - 1 + 255 + 1
    expected = (255 * 65535 + int(x[1, 0]) + 2) >> 2
    assert product(with_converters(32), matrix, weights, x, exact=None).tolist() == [[expected]]


@pytest.mark.parametrize(
    ("weights", "x", "signed", "shift", "expected"),
    [
        ([1], [4095], False, 1, 2047),  # 4095 / 2 rounds up to 2048; the bound of sums, 4095 >> 1, is 2047
        ([4095, 2], [4095, 4095], False, 13, 2047),  # 2^24 - 1, so in float64, / 2^13 rounds up to 2048
        ([-1], [-2048], True, 0, 2047),  # the lowest input times -1 is 2048
        ([4, -4], [512, -513], True, 1, 2047),  # 4100 / 2 = 2050
        ([1], [-2048], True, 0, -2048),
        ([1, 1], [-2048, -1], True, 0, -2048),
        ([2, 2], [-2048, -1], True, 1, -2048),
    ],
)
@pytest.mark.parametrize("exact", [True, False])
def test_accumulators_saturate_at_their_ends(
    weights: list[int], x: list[int], signed: bool, shift: int, expected: int, exact: bool
) -> None:
    """An accumulator of 12 bits holds -2048 to 2047; sums here are at these ends or just beyond."""
    target = replace(with_converters(32), numbers=replace(IDEAL.numbers, accumulator=12))
    matrix = Matrix(0, "w", len(weights), 1, 16, 12, signed, shift, "", 0, 0)
    found = product(target, matrix, np.array([weights]).T, np.array([x]).T, exact)
    assert found.tolist() == [[expected]]


def test_matrices_that_share_an_mvmu_have_rows_and_columns_of_their_own() -> None:
    """2 x 1 and 3 x 2 weights, corner to corner, and two rows and a column between them that hold nothing."""
    first = Matrix(0, "a", 2, 1, 8, 8, True, 0, "", 0, 0)
    second = Matrix(0, "b", 3, 2, 8, 8, True, 0, "", 0, 0, at_row=4, at_column=2)
    weights = {"a": np.array([[2], [3]]), "b": np.array([[5, 7], [11, 13], [17, 19]])}
    body = (
        i("load", Reg("xin", 0, 7), pixel("x", 7), 0),
        i("mvm", 1),
        i("store", pixel("y", 4), Reg("xout", 0, 4)),
    )
    lanes = [[1, 2, 100, 100, 3, 4, 5], [-1, 1, -100, 50, 0, 0, -1]]
    expected = [
        [2 * x[0] + 3 * x[1], 0, 5 * x[4] + 11 * x[5] + 17 * x[6], 7 * x[4] + 13 * x[5] + 19 * x[6]] for x in lanes
    ]
    assert run_vector(vector_program(7, 4, body, (first, second)), weights, lanes) == expected


@dataclass(frozen=True)
class Recording:
    """Ideal cells that note the keys with which they are written."""

    keys: list[Key]
    exact: bool = False

    def program(self, cells: Cells, key: Key) -> Conductances:
        self.keys.append(key)
        return IDEAL_CELLS.program(cells, key)


def test_every_mvmu_is_written_with_a_key_of_its_own() -> None:
    """Seed, tile, core, MVMU and number of the write; and cells that are not known to be exact are converted."""
    keys: list[Key] = []
    engine = StepEngine(SMALL, small_weights(), IDEAL, device=Recording(keys), seed=5)
    places = [
        (tile.number, core.number, number, 0)
        for tile in SMALL.tiles
        for core in tile.cores
        for number in core.by_mvmu()
    ]
    assert keys == [Key(5, place) for place in places]
    images = {"image": np.random.default_rng(2).normal(size=(2, 1, 6, 6)).astype(np.float32)}
    plain = StepEngine(SMALL, small_weights(), IDEAL).run(images)
    assert np.array_equal(engine.run(images).outputs["out/y:0"], plain.outputs["out/y:0"])
