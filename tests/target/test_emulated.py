"""Chips whose converters round sums away run, and the emulator equals the reference bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from cimc.driver.compile import compile_network
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


@pytest.mark.parametrize("base", ["bram-soc", "prime"])
def test_converters_with_steps_run_in_rounds(base: str) -> None:
    """Every round's matrices name the steps of their own columns."""
    options = CompileOptions(target=base, set={"chip.resident": "one layer"})
    assert verify_network(DIGITS, {"input": INPUTS}, options).bit_exact


@pytest.mark.parametrize("found", ["minmax", "percentile", "least squares"])
@pytest.mark.parametrize("bits", [3, 5])
def test_two_ranges_run_bit_for_bit(found: str, bits: int) -> None:
    """Fine and coarse steps go through a package and both ends of the check."""
    keys = {"adc_kind": "twin range", "adc_keeps": "range", "adc_range": found, "adc_bits": bits}
    options = CompileOptions(target="puma", set={f"crossbar.{key}": value for key, value in keys.items()})
    compiled = compile_network(DIGITS, options)
    matrices = [m for tile in compiled.program.tiles for core in tile.cores for m in core.matrices]
    steps = [m.steps for m in matrices if m.steps]
    assert steps and all(compiled.weights[name].ndim == 2 for name in steps)
    assert verify_network(DIGITS, {"input": INPUTS}, options).bit_exact
