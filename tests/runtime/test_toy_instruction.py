"""An instruction that only this file knows: its one declaration is enough for all that is done with instructions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from cimc.base.diagnostics import CimcError
from cimc.isa.binary.code import encode_each
from cimc.isa.binary.file import decode, encode
from cimc.isa.cost.prices import count_actions
from cimc.isa.cost.products import Setting, passes
from cimc.isa.document import PAGE, current
from cimc.isa.form import BROADCAST, Form
from cimc.isa.operands import Reg
from cimc.isa.program import Program
from cimc.isa.table import FORM, FORM_BY_OPCODE, A, B, D, declare
from cimc.isa.text.parser import parse
from cimc.isa.text.printer import print_instruction, print_program
from cimc.isa.verify.verifier import verify
from cimc.runtime.timing.engine import time_program
from cimc.target import load_target
from tests.runtime.programs import IDEAL, i, pixel, run_vector, vector_program

PUMA = load_target("puma")
R = Reg("r", 0, 3)
BODY = (i("load", R, pixel("x", 3), 0), i("absd", R, R, Reg("r", 2, 1)), i("store", pixel("y", 3), R))


def absd(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The distance of two numbers."""
    return np.abs(a - b)


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    declare(Form("absd", 60, "core", "vfu", (D, A, B), "d = |a - b|", BROADCAST, passes(2), meaning=absd))
    yield
    del FORM["absd"], FORM_BY_OPCODE[60]


def program(target: str = "ideal") -> Program:
    """y = |x - the last of x|."""
    return replace(vector_program(3, 3, BODY), target=target)


def test_it_is_printed_and_read() -> None:
    assert print_instruction(BODY[1]) == "absd    r[0:3], r[0:3], r[2]"
    text = print_program(program())
    assert parse(text) == program()
    with pytest.raises(CimcError, match=r"absd takes 3 operands, not 1.*\n.*\n  help: write `absd r\[0:64\], xout"):
        parse(text.replace("r[0:3], r[0:3], r[2]", "r[2]"))


def test_it_is_encoded_and_decoded() -> None:
    """Opcode 60; register 0 of r (file 2), 3 of them; the same; register 2, one."""
    assert decode(encode(program())) == program()
    assert encode_each(program().tiles[0].cores[0].stream, program().tiles[0])[4] == bytes((60, 2, 3, 2, 3, 10, 1))


def test_it_is_checked() -> None:
    verify(program(), IDEAL)
    wrong = i("absd", R, R, Reg("r", 1, 2)), i("absd", Reg("r", 0, 1), Reg("r", 9, 1), Reg("r", 1 << 20, 1))
    with pytest.raises(CimcError) as error:
        verify(vector_program(3, 3, (BODY[0], *wrong, BODY[2])), IDEAL)
    codes = [diagnostic.code for diagnostic in error.value.diagnostics]
    assert codes == ["verify.length", "verify.unwritten", "verify.register"]


def test_it_is_documented() -> None:
    page = current(PAGE)
    assert "| 60 | `absd` *d* dest, *a* source, *b* source | core | vfu | d = \\|a - b\\| | broadcast |" in page
    assert "def absd(" in page and "return np.abs(a - b)" in page


def test_it_has_a_price() -> None:
    """Two passes for each of three words; seven words of registers."""
    tile = program().tiles[0]
    assert count_actions(BODY[1], Setting(PUMA, tile, tile.cores[0])) == {
        "alu": 6, "register_word": 7, "core_instruction": 1,
    }  # fmt: skip
    with_it = time_program(program("puma"), PUMA).latency
    without = time_program(replace(vector_program(3, 3, (BODY[0], BODY[2])), target="puma"), PUMA).latency
    expected = 6 * PUMA.prices["alu"].seconds + PUMA.prices["core_instruction"].seconds
    assert with_it - without == pytest.approx(expected)


def test_it_runs() -> None:
    """Lane by lane, and saturated to the 32 bits of a register."""
    lanes = [[7, -5, 2], [10, 10, 10], [-(1 << 31), (1 << 31) - 1, -1]]
    assert run_vector(program(), {}, lanes) == [[5, 7, 0], [0, 0, 0], [(1 << 31) - 1, (1 << 31) - 1, 0]]
