"""What each kind says of itself, by hand: formats, room in memory, what is plain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cimc.ir.epilogue import Epilogue, TableValues
from cimc.ir.layers import Operand, Part
from cimc.ir.mapped import Block, RowRun, Task
from cimc.ir.widths import Widths
from cimc.layer_kinds.matrix.layer import MatrixLayer
from cimc.layer_kinds.matrix.mapped import MappedMatrix
from cimc.layer_kinds.pool import PoolLayer
from cimc.layer_kinds.softmax import MappedSoftmax, SoftmaxLayer, SoftmaxTables
from cimc.layer_kinds.vector import MappedVector, VectorLayer
from tests.laws.digits import varied
from tests.passes.cases.net import Net
from tests.passes.end_to_end import IDEAL, PUMA, run_case

X = Operand((Part("x", 0, 4),), 3, 3)
TWO = Operand((Part("x", 0, 2), Part("y", 0, 2)), 3, 3)
WIDTHS = Widths(8, 8, {}, {})
POOL = PoolLayer(name="p", output="p", origin="", x=TWO, kind="max", kernel=(1, 1), strides=(1, 1), pads=(0, 0, 0, 0))
SUM = VectorLayer(name="v", output="v", origin="", kind="sum", operands=(X,), gains=(np.ones(4),), bias=np.zeros(4))
SOFTMAX = SoftmaxLayer(name="s", output="s", origin="", x=X)
MATRIX = MatrixLayer(
    name="m", output="m", origin="", x=X, shape=(5, 4, 1, 1), weight=np.ones((5, 4, 1, 1)), bias=np.full(5, np.inf),
    strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), groups=1, residual=Operand((Part("r", 0, 5),), 3, 3),
)  # fmt: skip
ONE_TERM = Epilogue(np.ones(4, np.float32), None, 0, 0, 0, 0, 255)


def table(entries: int) -> TableValues:
    return TableValues(np.zeros(entries, np.int64), 0, 0)


def test_a_max_pool_keeps_its_operands_format() -> None:
    net = Net(1, 3, 6, 6)
    a = net.same("x", 3, 5)
    made = run_case(net.model(net.node("MaxPool", a, kernel_shape=[2, 2], strides=[2, 2])), IDEAL).compiled.mapped
    matrix, pool = (one.layer.output for one in made.layers)
    assert made.quants[pool] == made.quants[matrix]
    assert not replace(POOL, kind="average").keeps_format


def test_a_softmax_leaves_a_bit_for_differences() -> None:
    """Of a word, unless the format keeps one free anyway, as wide ones do on targets that round sums."""
    words = varied(IDEAL, numbers={"word": 16})
    assert SOFTMAX.fed_bits(16, WIDTHS, words) == 15
    assert SOFTMAX.fed_bits(12, WIDTHS, words) == 12
    assert PUMA.numbers.word == 16
    assert SOFTMAX.fed_bits(16, WIDTHS, PUMA) == 16


@pytest.mark.parametrize(("kept", "gain", "bias"), [(True, 1, 0), (False, 1, 0.5), (False, 2, 0)])
def test_what_is_added_or_multiplied_is_not_plain(kept: bool, gain: float, bias: float) -> None:
    assert replace(SUM, gains=(np.full(4, gain),), bias=np.full(4, bias)).is_plain is kept


def test_room_for_constants() -> None:
    """A float takes two words of 16 bits: 3 channels of multipliers take 6; with tables of 8 and 4 entries 18. A bias
    takes a word a channel, or two floats where words do not hold it, and two terms take twice the multipliers."""
    layer = {"layer": SOFTMAX, "epilogue": ONE_TERM}
    split = MappedSoftmax(**layer, tables=SoftmaxTables(table(8), table(4), 2, 15))  # type: ignore[arg-type]
    narrow = MappedSoftmax(**layer, tables=SoftmaxTables(table(8), None, 0, 0))  # type: ignore[arg-type]
    assert split.constant_words(3, PUMA.numbers) == 18
    assert narrow.constant_words(3, PUMA.numbers) == 14
    small, large = mapped(bias=7), mapped(bias=1 << 20)
    assert small.constant_words(3, PUMA.numbers) == 6 + 3
    assert large.constant_words(3, PUMA.numbers) == 6 + 12
    two = replace(ONE_TERM, n=np.ones(4, np.float32))
    assert replace(small, epilogue=two).constant_words(3, PUMA.numbers) == 12 + 3


def mapped(bias: int) -> MappedMatrix:
    return MappedMatrix(
        layer=MATRIX, epilogue=ONE_TERM, weights=np.ones((5, 4, 1, 1), np.int32), weight_bits=8,
        weight_scale=np.ones(5, np.float32), bias=np.full(5, bias),
    )  # fmt: skip


def test_who_adds_a_residual_reads_it() -> None:
    block = Block((RowRun("x", 0, 4, 0, 4, 0),), 0, 5, np.ones((4, 5), np.int32))
    whole = Task(0, 5, (block,))
    one = mapped(0)
    assert list(one.reads(whole, 0)) == [("x", 0, 4)]
    assert list(one.reads(whole, 1)) == [("r", 0, 5)]
    assert list(one.reads(replace(whole, is_partial=True), 1)) == []


def test_a_pool_of_some_maps_that_may_be_negative_may_be() -> None:
    assert POOL.never_negative({"x", "y"})
    assert not POOL.never_negative({"x"})
    assert replace(POOL, low=0.0).never_negative(set())


def test_numbers_of_an_estimate_are_finite() -> None:
    assert MATRIX.finite().bias.tolist() == [0] * 5
    assert replace(SUM, gains=(np.full(4, np.nan),), bias=np.full(4, -np.inf)).finite().is_plain


def test_constants_that_are_looked_at() -> None:
    weights, bias = MATRIX.constants
    assert (weights.shape, bias.shape) == ((5, 4, 1, 1), (5,))
    assert len(replace(MATRIX, weight=None).constants) == 1
    assert len(SUM.constants) == 2


def test_a_core_holds_two_operands_of_its_channels() -> None:
    assert SUM.most_channels(9) == 4
    assert SUM.most_channels(1) == 1
    assert SOFTMAX.most_channels(1) == 4


def test_a_comparison_needs_the_epilogue_of_each_operand() -> None:
    largest = replace(SUM, kind="max", operands=(X, X), gains=(np.ones(4), np.ones(4)))
    MappedVector(largest, ONE_TERM, pre=(ONE_TERM, ONE_TERM)).check("v", 4)
    MappedVector(SUM, ONE_TERM).check("v", 4)
    with pytest.raises(AssertionError, match="1 epilogues of operands for 'max'"):
        MappedVector(largest, ONE_TERM, pre=(ONE_TERM,)).check("v", 4)
    with pytest.raises(AssertionError, match="1 epilogues of operands for 'sum'"):
        MappedVector(SUM, ONE_TERM, pre=(ONE_TERM,)).check("v", 4)
