"""docs/isa.md is enough to compute a product from: its code gives the sums of the emulator's converters."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from cimc.isa.document import PAGE
from cimc.isa.program import Matrix
from cimc.runtime.crossbar import compile_mvmu, program_mvmu
from cimc.runtime.machine import Scratch
from tests.runtime.programs import IDEAL

Ints = npt.NDArray[np.int64]


def page_code() -> Callable[..., Ints]:
    """The function that the page gives."""
    code = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec("\n".join(code), names)
    found: Callable[..., Ints] = names["sums_by_steps"]
    return found


SUMS = page_code()


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([("offset", False), ("offset", True), ("differential", False)]),
    st.integers(2, 9),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 12),
    st.booleans(),
    st.integers(1, 12),
    st.integers(0, 3),
)
def test_the_code_of_the_page_is_what_converters_do(
    seed: int,
    way: tuple[str, bool],
    weight_bits: int,
    cell_bits: int,
    dac_bits: int,
    input_bits: int,
    signed: bool,
    adc_bits: int,
    shift: int,
) -> None:
    """From conversions that clip nearly always to those that never do, with columns of small and of large weights."""
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(1, 30)), 4
    crossbar = replace(IDEAL.crossbar, cell_bits=cell_bits, dac_bits=dac_bits, adc_bits=adc_bits)
    target = replace(IDEAL, crossbar=crossbar, mvmu=replace(IDEAL.mvmu, encoding=way[0], flipped=way[1]))
    top = (1 << (weight_bits - 1)) - 1
    w = np.maximum(rng.integers(-top, top, (rows, columns), endpoint=True) >> rng.integers(0, 9, columns), -top)
    x = rng.integers(-(1 << 15), 1 << 15, rows)

    keys = asdict(target.crossbar) | asdict(target.mvmu)
    sums = SUMS(x, w, weight_bits, input_bits, signed, keys)
    expected = sums if shift == 0 else (sums + 2 ** (shift - 1)) // 2**shift

    matrix = Matrix(0, "w", rows, columns, weight_bits, input_bits, signed, shift, "", 0, 0)
    xout = np.zeros((columns, 1), np.int32)
    compile_mvmu(program_mvmu(matrix, w, target), x[:, None].astype(np.int32), xout, Scratch(1))()
    assert np.array_equal(xout[:, 0], expected)


def test_the_code_of_the_page_clips() -> None:
    """By hand: 5 rows at weight 1, one-bit cells, inputs 1: sums of 5 (offset 2 is stored as 3, so both slices hold
    five ones); an ADC of 2 bits reads 3, unit column included: 3 * 1 + 3 * 2 - 2 * 3."""
    keys = {"cell_bits": 1, "dac_bits": 1, "adc_bits": 2, "encoding": "offset", "flipped": False}
    x, w = np.ones(5, np.int64), np.ones((5, 1), np.int64)
    assert SUMS(x, w, 2, 1, False, keys).tolist() == [3]
    assert SUMS(x, w, 2, 1, False, keys | {"adc_bits": 3}).tolist() == [5]
