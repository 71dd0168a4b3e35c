"""A chip that is written layer by layer is described and estimated, and code for it refused; all others run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cimc.base.diagnostics import CimcError
from cimc.driver.compile import compile_network
from cimc.driver.options import CompileOptions
from cimc.driver.verify import verify_network
from cimc.target.emulated import require_emulated
from cimc.target.load import load_target, preset_names
from tests.cli.commands import DIGITS, INPUTS

ATOMLAYER = """\
error[target.emulated]: atomlayer holds the weights of one layer at a time. Writing the next layer's while a network \
runs is not emulated
  at target atomlayer, chip.resident
  help: `cimc estimate` gives its crossbars, time, energy and how long its cells last; to run code take another \
target, or a file that extends this one with chip.resident = "all layers\""""


@pytest.mark.parametrize("name", preset_names())
def test_which_presets_run(name: str) -> None:
    target = load_target(name)
    if name != "atomlayer":
        require_emulated(target)
        return
    with pytest.raises(CimcError) as caught:
        require_emulated(target)
    assert str(caught.value) == ATOMLAYER


def test_compile_refuses_before_it_works() -> None:
    with pytest.raises(CimcError) as caught:
        compile_network(DIGITS, CompileOptions(target="atomlayer"))
    assert str(caught.value) == ATOMLAYER
    prime = load_target("prime")
    with pytest.raises(CimcError) as caught:
        require_emulated(replace(prime, chip=replace(prime.chip, resident="one layer")))
    assert str(caught.value) == ATOMLAYER.replace("atomlayer", "prime")


def with_adc(folder: Path, base: str, bits: int) -> str:
    file = folder / f"{base}-{bits}.toml"
    file.write_text(
        f'extends = "{base}"\n[crossbar]\nadc_bits = {{ value = {bits}, unit = "bits", source = "assumed: a test" }}\n'
    )
    return str(file)


BASES = ("bram-soc", "prime", "dpe", "hermes", "xnor-rram")
WIDTHS = [(base, bits) for base in BASES for bits in (4, 6, 8, 18 if base == "bram-soc" else 20)]
"""To one that holds every sum; a fixed range of 175 units has steps of 2^-10 of a unit up to 18 bits."""


@pytest.mark.parametrize(("base", "bits"), WIDTHS)
def test_converters_that_round_sums_away_run_bit_for_bit(tmp_path: Path, base: str, bits: int) -> None:
    """The emulator computes what the reference says, whatever an ADC loses."""
    found = verify_network(DIGITS, {"input": INPUTS}, CompileOptions(target=with_adc(tmp_path, base, bits)))
    assert found.bit_exact
