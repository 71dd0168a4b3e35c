"""A chip that rounds sums away is described and estimated, and code for it refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cimc.base.diagnostics import CimcError
from cimc.driver.compile import compile_network
from cimc.driver.options import CompileOptions
from cimc.driver.verify import verify_network
from cimc.isa.program import Matrix
from cimc.runtime.crossbar import program_mvmu
from cimc.target.emulated import conversion_bits, require_emulated
from cimc.target.load import load_target, preset_names
from tests.cli.commands import DIGITS, INPUTS

MESSAGE = """\
error[target.emulated]: bram-soc converts the sum over all steps of an input once: up to 18 bits in a conversion of 8. \
What that rounds away is not emulated
  at target bram-soc, crossbar.conversions
  help: `cimc estimate` gives its crossbars, time and energy; to run code take another target, or a file that extends \
this one with crossbar.adc_bits = 18"""

PRIME = """\
error[target.emulated]: prime keeps the high bits of a column sum: up to 15 bits in a conversion of 6. What that \
rounds away is not emulated
  at target prime, crossbar.adc_keeps
  help: `cimc estimate` gives its crossbars, time and energy; to run code take another target, or a file that extends \
this one with crossbar.adc_bits = 15"""


def wider(folder: Path, bits: int, base: str = "bram-soc") -> str:
    file = folder / f"{base}-{bits}.toml"
    file.write_text(
        f'extends = "{base}"\n[crossbar]\nadc_bits = {{ value = {bits}, unit = "bits", source = "assumed: a test" }}\n'
    )
    return str(file)


def test_bits_of_a_sum_by_hand() -> None:
    # 64 rows x level 15 x input 255 = 244,800 < 2^18; 256 rows: 979,200 < 2^20.
    assert conversion_bits(load_target("bram-soc"), 8) == 18
    assert conversion_bits(load_target("bram-256"), 8) == 20
    # 256 rows x level 15 x digit 7 = 26,880 < 2^15, however wide an input is.
    assert conversion_bits(load_target("prime"), 6) == conversion_bits(load_target("prime"), 3) == 15


REFUSED = {"bram-soc": MESSAGE, "bram-256": None, "prime": PRIME}


@pytest.mark.parametrize("name", preset_names())
def test_which_presets_run(name: str) -> None:
    target = load_target(name)
    if name not in REFUSED:
        require_emulated(target, target.numbers.input)
        return
    with pytest.raises(CimcError):
        require_emulated(target, target.numbers.input)


@pytest.mark.parametrize("name", ["bram-soc", "prime"])
def test_compile_refuses_before_it_works(name: str) -> None:
    with pytest.raises(CimcError) as caught:
        compile_network(DIGITS, CompileOptions(target=name))
    assert str(caught.value) == REFUSED[name]


def test_the_emulator_refuses_a_program_from_elsewhere() -> None:
    matrix = Matrix(0, "w", 4, 4, weight_bits=5, input_bits=8, input_signed=False, shift=0, layer="a", row=0, column=0)
    with pytest.raises(CimcError) as caught:
        program_mvmu(matrix, np.ones((4, 4), np.int64), load_target("bram-soc"))
    assert str(caught.value) == MESSAGE


def test_one_conversion_that_loses_nothing_runs_bit_for_bit(tmp_path: Path) -> None:
    with pytest.raises(CimcError, match=r"target\.emulated"):
        compile_network(DIGITS, CompileOptions(target=wider(tmp_path, 17)))
    found = verify_network(DIGITS, {"input": INPUTS}, CompileOptions(target=wider(tmp_path, 18)))
    assert found.bit_exact


def test_prime_with_converters_that_lose_nothing_runs_bit_for_bit(tmp_path: Path) -> None:
    with pytest.raises(CimcError, match=r"crossbar\.adc_keeps"):
        compile_network(DIGITS, CompileOptions(target=wider(tmp_path, 14, "prime")))
    found = verify_network(DIGITS, {"input": INPUTS}, CompileOptions(target=wider(tmp_path, 15, "prime")))
    assert found.bit_exact
