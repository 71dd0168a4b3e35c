"""Time and energy of an instruction, by hand, from prices that tell every part apart (ns and J, powers of two)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from cimc.isa.cost.prices import Cost, PriceList
from cimc.isa.cost.products import Setting
from cimc.isa.operands import Affine, Axis, DataRef, Name, Reg, Window
from cimc.isa.program import CoreCode, Instruction, Matrix, Scale, Table, TileCode
from cimc.target import load_target
from cimc.target.keys import ACTIONS
from cimc.target.model import Price, Target

PUMA = load_target("puma")
NS = 1e-9
WIDE = Matrix(0, "w", 4, 3, 16, 16, True, 0, "w", 0, 0)
NARROW = Matrix(1, "v", 4, 3, 16, 8, True, 0, "v", 0, 0)
A, B, D = Reg("r", 0, 4), Reg("r", 4, 4), Reg("r", 8, 4)
M4 = Window("m", Axis(Affine()), Axis(Affine()), Axis(Affine(), 4))


def priced(nanoseconds: Mapping[str, float], joules: Mapping[str, float] | None = None) -> Target:
    """PUMA with these prices; all others 0."""
    given = joules or {}
    prices = {a: Price(nanoseconds.get(a, 0.0) * NS, given.get(a, 0.0), "test") for a in ACTIONS}
    return replace(PUMA, prices=prices)


def cost(target: Target, mnemonic: str, *operands: object, channel: bool = False) -> Cost:
    core = CoreCode(0, (WIDE, NARROW), ())
    scales = tuple(Scale(n, 0, 4, rows, 0, -128, 127, 0, 0, n) for n, rows in (("s", 1), ("pair", 2)))
    tile = TileCode(0, scales=scales, tables=(Table("t", 0, 9, 0, 3, "t"),), cores=(core,))
    instruction = Instruction(mnemonic, operands)  # type: ignore[arg-type]
    return PriceList(target).cost(instruction, Setting(target, tile, None if channel else core))


def times(found: Cost) -> tuple[float, float, float]:
    """Fetch, own and memory in ns."""
    return found.fetch / NS, found.own / NS, found.memory / NS


def test_the_vector_unit_reads_and_writes_registers_while_it_computes() -> None:
    # add: 4 passes of 1; 12 words of registers at 8 would be 96, and are not waited for.
    target = priced({"core_instruction": 0.5, "alu": 1.0, "register_word": 8.0, "table_lookup": 2.0})
    assert times(cost(target, "add", D, A, B)) == pytest.approx((0.5, 4, 0))
    # lut between entries: 8 look-ups of 2 and 12 passes of 1, one after the other.
    assert times(cost(target, "lut", D, A, Name("t"))) == pytest.approx((0.5, 16 + 12, 0))
    # A load has no pass: its 4 words are waited for.
    assert times(cost(target, "load", A, M4, 0)) == pytest.approx((0.5, 32, 0))


def test_multipliers_are_read_from_memory_while_the_vector_unit_computes() -> None:
    # requant2: 16 words, in memory 3 each; 16 passes.
    quick, slow = (priced({"alu": passes, "memory_word": 3.0}) for passes in (1.0, 5.0))
    assert times(cost(quick, "requant2", D, A, B, DataRef("pair", 0, 4))) == pytest.approx((0, 48, 48))
    assert times(cost(slow, "requant2", D, A, B, DataRef("pair", 0, 4))) == pytest.approx((0, 80, 48))


def test_what_moves_words_takes_as_long_as_its_slowest_stage() -> None:
    # 4 words: memory 8, bus 12, register port 20; the memory and its bus serve nobody else for 12.
    target = priced({"memory_word": 2.0, "memory_bus_word": 3.0, "register_word": 5.0, "xin_write": 1.0})
    assert times(cost(target, "store", M4, A)) == pytest.approx((0, 20, 12))
    assert times(cost(target, "load", Reg("xin", 0, 4), M4, 0)) == pytest.approx((0, 12, 12))
    assert PriceList(target).memory(4) / NS == pytest.approx(12)


def test_a_channel_fetches_too() -> None:
    target = priced({"core_instruction": 1.0, "tile_instruction": 7.0, "fifo_word": 6.0, "memory_word": 2.0})
    assert times(cost(target, "receive", M4, 0, channel=True)) == pytest.approx((7, 24, 8))
    assert times(cost(target, "send", M4, 1, 0, channel=True)) == pytest.approx((7, 8, 8))
    assert cost(target, "send", M4, 1, 0, channel=True).seconds / NS == pytest.approx(15)


def test_products_at_the_same_time_take_as_long_as_the_longest() -> None:
    # 1800, of which a step of 100 less for each input bit less: 1000 for 8 bits.
    target = priced({"mvm": 1800.0, "crossbar_step": 100.0})
    assert [cost(target, "mvm", mask).own / NS for mask in (0b01, 0b10, 0b11)] == pytest.approx([1800, 1000, 1800])


def test_a_product_has_the_energy_of_its_parts_and_a_share_of_the_rest() -> None:
    # A full product on PUMA: 16 steps of 8 crossbars, driven by 128 rows, with 128 columns converted, shifted, added.
    parts = {"crossbar_step": 2.0, "dac_conversion": 3.0, "adc_conversion": 5.0, "shift_add": 7.0}
    full = 16 * 8 * (2 + 128 * 3 + 128 * 5 + 128 * 7)
    target = priced({"mvm": 1800.0, "crossbar_step": 100.0}, parts | {"mvm": full + 1800.0})
    prices = PriceList(target)
    for mask, steps, rest in ((0b01, 16, 1800.0), (0b10, 8, 1000.0)):
        joules = prices.joules(cost(target, "mvm", mask).counts)
        assert joules["mvm"] == pytest.approx(rest)
        assert joules["adc_conversion"] == pytest.approx(steps * 3 * 8 * 5)
        own = steps * 8 * (2 + 4 * 3 + 3 * 5 + 3 * 7)
        assert sum(joules.values()) == pytest.approx(own + rest)


def test_energy_counts_every_action() -> None:
    """Each its own power of two, so that a sum tells what was paid."""
    joules = {"core_instruction": 1.0, "alu": 2.0**10, "register_word": 2.0**20, "memory_word": 2.0**30}
    found = PriceList(priced({}, joules)).joules(cost(priced({}), "requant", D, A, DataRef("s", 0, 4)).counts)
    assert sum(found.values()) == 1 + 8 * 2**10 + 8 * 2**20 + 8 * 2**30
