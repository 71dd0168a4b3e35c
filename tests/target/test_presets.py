"""The bundled targets: they load, say where each value comes from, agree with the papers and round-trip."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from cimc.target.device import DeviceKeys, WireKeys
from cimc.target.fields import Choice, Count, Listing, Number, Quantity
from cimc.target.keys import ACTIONS, PARTS, SECTIONS
from cimc.target.load import load_target, preset_names
from cimc.target.model import Target, Writing
from cimc.target.write import write_target


def test_presets_are_listed() -> None:
    assert preset_names() == (
        "atomlayer",
        "bram-256",
        "bram-soc",
        "dpe",
        "hermes",
        "ideal",
        "isaac",
        "prime",
        "puma",
        "xnor-rram",
    )


@pytest.mark.parametrize("name", preset_names())
def test_preset_round_trips(name: str, tmp_path: Path) -> None:
    target = load_target(name)
    file = tmp_path / "target.toml"
    file.write_text(write_target(target))
    assert load_target(str(file)) == target
    assert write_target(load_target(str(file))) == write_target(target)
    assert target.name == name


@pytest.mark.parametrize("name", preset_names())
def test_written_sources_survive(name: str, tmp_path: Path) -> None:
    target = load_target(name)
    file = tmp_path / "target.toml"
    file.write_text(write_target(target))
    assert load_target(str(file)).sources == target.sources


@pytest.mark.parametrize("name", preset_names())
def test_every_value_has_a_source(name: str) -> None:
    target = load_target(name)
    there = [section for section in SECTIONS if getattr(target, section) is not None]
    assert set(target.sources) == {(section, key) for section in there for key in SECTIONS[section]}
    assert all(len(source) > 8 for source in target.sources.values())


def test_fields_are_those_of_the_model() -> None:
    writing, device = Writing(1e-6, 1e-12, 10**6), DeviceKeys(level_list=(1e-6,))
    target = replace(load_target("ideal"), writing=writing, device=device, wires=WireKeys())
    assert (
        set(SECTIONS) == set(PARTS) == {f.name for f in fields(Target)} - {"name", "description", "prices", "sources"}
    )
    types = {Count: int, Quantity: float, Number: float, Listing: tuple, Choice: str}
    for section, keys in SECTIONS.items():
        part = getattr(target, section)
        assert type(part) is PARTS[section]
        for key, field in keys.items():
            switch = getattr(field, "words", ()) == (True, False)
            assert type(getattr(part, key)) is (bool if switch else types[type(field)])


def test_puma_holds_70_megabytes_of_weights() -> None:
    # PUMA, ASPLOS 2019: "about 70 MB of weights a node" = 138 tiles x 8 cores x 2 MVMUs x 128 x 128 weights x 2 bytes.
    puma = load_target("puma")
    mvmus = puma.chip.tiles * puma.tile.cores * puma.core.mvmus
    assert mvmus == 2208
    assert mvmus * puma.mvmu_rows * puma.mvmu_columns(16) * 2 == pytest.approx(70e6, rel=0.05)
    assert puma.core.registers * (puma.numbers.word // 8) == 1024
    # One MVM takes 100 x (16 + 3 - 1) ns and 19.09 mW.
    assert puma.prices["mvm"].seconds == 1.8e-6
    assert puma.prices["mvm"].joules == pytest.approx(34.362e-9)


def test_isaac_registers_follow_from_its_crossbars() -> None:
    # ISAAC, ISCA 2016: an IMA has an input register of 2 KB and an output register of 256 B.
    isaac = load_target("isaac")
    assert isaac.xin_words * (isaac.numbers.word // 8) == 2048
    assert isaac.core.mvmus * isaac.mvmu_columns(16) * (isaac.numbers.word // 8) == 256


@pytest.mark.parametrize(("name", "rows", "picojoules"), [("bram-soc", 64, 2660), ("bram-256", 256, 2930)])
def test_bram_is_as_fast_and_frugal_as_printed(name: str, rows: int, picojoules: int) -> None:
    # Wu et al.: 72 cycles of 10 ns; the printed 3.08 TOPS/W follow from 2.66 nJ, if every one of 64 x 64 cells is
    # counted as a multiply-add of two operations. 32 signed weights lie abreast.
    bram = load_target(name)
    assert (bram.mvmu_rows, bram.mvmu_columns(5), bram.cells_abreast) == (rows, 32, 2)
    assert bram.prices["mvm"].seconds == pytest.approx(72 * 10e-9, rel=1e-12)
    assert bram.prices["mvm"].joules == pytest.approx(picojoules * 1e-12, rel=1e-12)
    if name == "bram-soc":
        assert 2 * 64 * 64 / bram.prices["mvm"].joules == pytest.approx(3.08e12, rel=1e-3)


@pytest.mark.parametrize(("name", "halved"), [("ideal", False), ("puma", True), ("isaac", True)])
def test_preset_converters_lose_nothing(name: str, halved: bool) -> None:
    # The largest column sum is rows x (2^cell - 1) x (2^dac - 1), half of it where columns are flipped.
    target = load_target(name)
    crossbar = target.crossbar
    largest = crossbar.rows * (2**crossbar.cell_bits - 1) * (2**crossbar.dac_bits - 1)
    assert target.mvmu.flipped == halved
    assert largest // (2 if halved else 1) < 2**crossbar.adc_bits


@pytest.mark.parametrize("name", ["puma", "isaac", "bram-soc", "bram-256", "atomlayer"])
def test_everything_that_a_program_does_has_a_price(name: str) -> None:
    # b-RRAM's products have one price: the paper does not tell their parts apart.
    parts = {"crossbar_step", "dac_conversion", "adc_conversion", "shift_add"} if name.startswith("bram-") else set()
    assert set(load_target(name).prices) == set(ACTIONS) - parts


def test_isaacs_input_register_is_priced_by_its_power() -> None:
    # ISAAC, ISCA 2016: 1.24 mW for the input register of an IMA, here for a cycle of 1/1.2 ns: 1.0333 pJ a word.
    price = load_target("isaac").prices["xin_read"]
    assert price.joules == pytest.approx(1.24e-3 / 1.2e9)


def test_brams_digital_prices_are_pumas_scaled_to_65_nm() -> None:
    puma, bram = load_target("puma").prices, load_target("bram-soc").prices
    words = {"memory_word": 2, "memory_bus_word": 2, "fifo_word": 2}  # of 16 bits, in one of 32
    for action in ("alu", "table_lookup", "register_word", "xin_read", "xin_write", "core_instruction", *words):
        scaled = puma[action].joules * words.get(action, 1) * (65 / 32) ** 2
        assert bram[action].joules == pytest.approx(scaled, rel=1e-3), action
        assert bram[action].seconds == pytest.approx(10e-9), action


def test_prime_holds_as_many_weights_as_printed() -> None:
    # PRIME, ISCA 2016: at most about 2.7e8 synapses in a rank of 8 chips; 16 GB in all, of which each of its 8 x 8
    # banks keeps a 64th as a buffer. Inputs of 6 bits take two steps of 3, weights of 8 bits two cells of 4.
    prime = load_target("prime")
    pairs = 8 * prime.chip.tiles * prime.tile.cores * prime.core.mvmus
    assert pairs * prime.mvmu_rows * prime.mvmu_columns(8) == 2**28 == pytest.approx(2.7e8, rel=0.01)
    assert 8 * prime.chip.tiles * 64 * prime.tile.memory_words * 2 == 16 * 2**30
    assert (prime.slices(8), prime.numbers.input // prime.crossbar.dac_bits) == (2, 2)


def test_primes_assumed_price_follows_from_its_parts() -> None:
    # Two steps: rows driven for tRCD, then 256 columns on 8 sense amplifiers, tCL each. Energy: ISAAC's parts, 2 mW at
    # 1.28 GS/s an 8-bit conversion, 30 pJ a read of 128x128 cells, 0.390625 pJ a driven row.
    prime = load_target("prime")
    assert prime.prices["mvm"].seconds == pytest.approx(2 * (22.5e-9 + 256 / 8 * 9.8e-9))
    conversions, reads, rows = 2 * 256 * 1.5625e-12 * 6 / 8, 2 * 2 * 4 * 30e-12, 2 * 256 * 0.390625e-12
    assert prime.prices["mvm"].joules == pytest.approx(conversions + reads + rows)
    assert prime.writing is not None
    assert prime.writing.row_seconds == pytest.approx(16 * 41.4e-9)


def test_atomlayer_is_a_fifteenth_of_isaac() -> None:
    # Qiao et al., DAC 2018: a footprint smaller by 15 times. Everything else is ISAAC's.
    atomlayer, isaac = load_target("atomlayer"), load_target("isaac")
    assert isaac.chip.tiles / atomlayer.chip.tiles == pytest.approx(15, rel=0.02)
    assert (atomlayer.chip.resident, isaac.chip.resident) == ("one layer", "all layers")
    chip = replace(atomlayer, name="", description="", chip=isaac.chip)
    assert chip == replace(isaac, name="", description="")


def test_a_sourceless_text_says_what_it_was_resolved_from() -> None:
    assert 'rows = { value = 128, unit = "rows", source = "resolved from target puma" }' in write_target(
        replace(load_target("puma"), sources={})
    )
