"""docs/isa.md is enough to compute a product from: its code gives the sums of the emulator's converters."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from cimc.isa.document import PAGE
from cimc.isa.program import Matrix
from cimc.runtime.crossbar import compile_mvmu, program_mvmu
from cimc.runtime.machine import Scratch
from tests.crossbar.small import Case, cases, keys_of
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


@given(cases(dac_bits=3, cell_bits=3, rows=30, columns=4, adc_bits=12, input_bits=12), st.integers(0, 2**32 - 1),
       st.integers(0, 3))  # fmt: skip
@settings(max_examples=300)
def test_the_code_of_the_page_is_what_converters_do(case: Case, seed: int, shift: int) -> None:
    """From conversions that clip nearly always to those that never do, with columns of small and of large weights, and
    every way to read columns."""
    rng = np.random.default_rng(seed)
    rows, columns = case.weights.shape
    crossbar, mvmu = keys_of(case.readout)
    widths = {"cell_bits": case.cell_bits, "dac_bits": case.dac_bits, "adc_bits": case.adc_bits}
    target = replace(
        IDEAL,
        crossbar=replace(IDEAL.crossbar, **widths, **crossbar),  # type: ignore[arg-type]
        mvmu=replace(IDEAL.mvmu, encoding=case.way[0], flipped=case.way[1], **mvmu),  # type: ignore[arg-type]
    )
    w = case.weights >> rng.integers(0, 9, columns)
    x = rng.integers(-(1 << 15), 1 << 15, rows)

    keys = asdict(target.crossbar) | asdict(target.mvmu)
    steps = np.ones(columns) if case.real_steps is None else case.real_steps
    sums = SUMS(x, w, case.bits, case.input_bits, case.signed, steps, keys)
    rounded = sums if shift == 0 else (sums + 2 ** (shift - 1)) // 2**shift
    expected = np.clip(rounded, -(1 << 31), (1 << 31) - 1)

    matrix = Matrix(0, "w", rows, columns, case.bits, case.input_bits, case.signed, shift, "", 0, 0)
    xout = np.zeros((columns, 1), np.int32)
    held = program_mvmu(matrix, w, None if (steps == 1).all() else steps, target)
    compile_mvmu(held, x[:, None].astype(np.int32), xout, Scratch(1))()
    assert np.array_equal(xout[:, 0], expected)


PLAIN = {
    "adc_signed": False, "adc_rounds": "nearest", "conversions": "each step", "signed_inputs": "twos complement",
    "rows_at_once": 0, "adc_kind": "SAR", "pairs": "apart", "correction": "unit column",
}  # fmt: skip


def test_the_code_of_the_page_clips() -> None:
    """By hand: 5 rows at weight 1, one-bit cells, inputs 1: sums of 5 (offset 2 is stored as 3, so both slices hold
    five ones); an ADC of 2 bits reads 3, unit column included: 3 * 1 + 3 * 2 - 2 * 3."""
    keys = PLAIN | {"cell_bits": 1, "dac_bits": 1, "adc_bits": 2, "encoding": "offset", "flipped": False}
    x, w, one = np.ones(5, np.int64), np.ones((5, 1), np.int64), np.ones(1)
    assert SUMS(x, w, 2, 1, False, one, keys).tolist() == [3]
    assert SUMS(x, w, 2, 1, False, one, keys | {"adc_bits": 3}).tolist() == [5]
    # 3 + 6, and 2 * 5 are known
    assert SUMS(x, w, 2, 1, False, one, keys | {"correction": "digital"}).tolist() == [-1]
    # 2 and 2 and 1 rows, all of which 2 bits hold
    assert SUMS(x, w, 2, 1, False, one, keys | {"rows_at_once": 2}).tolist() == [5]
    # 5 / 2 = 2.5 becomes 2 of each column, or of both conversions 3 where the known 10 / 2 = 5 is taken off
    assert SUMS(x, w, 2, 1, False, 2 * one, keys).tolist() == [2]
    assert SUMS(x, w, 2, 1, False, 1.9 * one, keys | {"correction": "digital"}).tolist() == [9 - 5]
    # codes -3 .. 4 of a pair of 5 and of -5
    pair = keys | {"encoding": "differential", "adc_signed": True, "adc_bits": 3, "pairs": "subtracted"}
    assert SUMS(x, w, 2, 1, False, one, pair).tolist() == [4]
    assert SUMS(x, -w, 2, 1, False, one, pair).tolist() == [-3]
    # 5 is beyond the fine codes 0 .. 3, and 5 / 4 is one coarse code, which counts four
    twin = keys | {"encoding": "differential", "adc_kind": "twin range"}
    assert SUMS(x, w, 2, 1, False, np.array([[1.0], [4.0]]), twin).tolist() == [4]
    assert SUMS(x[:3], w[:3], 2, 1, False, np.array([[1.0], [4.0]]), twin).tolist() == [3]
