"""Chips whose converters round sums away run, and the emulator equals the reference bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from cimc.driver.options import CompileOptions
from cimc.driver.verify import verify_network
from tests.cli.commands import DIGITS, INPUTS


def with_adc(folder: Path, base: str, bits: int) -> str:
    file = folder / f"{base}-{bits}.toml"
    file.write_text(
        f'extends = "{base}"\n[crossbar]\nadc_bits = {{ value = {bits}, unit = "bits", source = "assumed: a test" }}\n'
    )
    return str(file)


@pytest.mark.parametrize("bits", [4, 6, 8, 16])
@pytest.mark.parametrize("base", ["bram-soc", "prime", "dpe", "hermes", "xnor-rram", "atomlayer"])
def test_converters_that_round_sums_away_run_bit_for_bit(tmp_path: Path, base: str, bits: int) -> None:
    """The emulator computes what the reference says, whatever an ADC loses."""
    found = verify_network(DIGITS, {"input": INPUTS}, CompileOptions(target=with_adc(tmp_path, base, bits)))
    assert found.bit_exact
