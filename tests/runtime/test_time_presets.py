"""A compiled network is timed on every chip that has the prices for it, alone and through several tiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from cimc.driver.compile import CompileOptions, compile_network
from cimc.runtime.timing import time_program
from tests.cli.commands import DIGITS


def lossless(folder: Path, base: str, bits: int) -> str:
    """A target that extends a b-RRAM preset with an ADC that holds every sum."""
    file = folder / f"{base}-{bits}.toml"
    file.write_text(
        f'extends = "{base}"\n[crossbar]\nadc_bits = {{ value = {bits}, unit = "bits", source = "assumed: a test" }}\n'
    )
    return str(file)


def test_isaac_takes_a_product_for_each_window() -> None:
    # The first layer has 64 windows, and every product takes 16 steps of 100 ns: 102.4 us at least between inputs.
    # What else a window needs is vectors of a few words at 1.2 GHz: less than a tenth of that.
    compiled = compile_network(DIGITS, CompileOptions(target="isaac"))
    timing = time_program(compiled.program, compiled.target, inputs=3)
    assert timing.rate is not None
    assert 64 * 1.6e-6 < 1 / timing.rate < 1.1 * 64 * 1.6e-6


@pytest.mark.parametrize(("base", "bits", "nanojoules"), [("bram-soc", 18, 2.66), ("bram-256", 20, 2.93)])
def test_bram_takes_a_cycle_a_word(tmp_path: Path, base: str, bits: int, nanojoules: float) -> None:
    # 64 windows of 0.72 us, and the core's words at 100 MHz beside them: between once and three times as long.
    compiled = compile_network(DIGITS, CompileOptions(target=lossless(tmp_path, base, bits)))
    timing = time_program(compiled.program, compiled.target, inputs=3)
    assert timing.rate is not None
    assert 64 * 0.72e-6 < 1 / timing.rate < 3 * 64 * 0.72e-6
    # Products: 64, 16 and 1 windows on 1, ceil(72 / rows) and ceil(256 / rows) crossbars.
    rows = compiled.target.crossbar.rows
    products = 64 + 16 * -(-72 // rows) + -(-256 // rows)
    assert timing.joules_by_component["MVMU, other"] == pytest.approx(products * nanojoules * 1e-9)
