"""Actions of every instruction, counted by hand.

PUMA's words have 16 bits, so a multiplier of a scale takes two of them; a weight of 16 bits lies in 8 slices of 2 bits
on crossbars of their own, and an input of n bits is fed in n steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from cimc.isa.cost.prices import count_actions
from cimc.isa.cost.products import Setting, product_parts, product_share
from cimc.isa.operands import Affine, Axis, DataRef, Name, Reg, Window
from cimc.isa.program import CoreCode, Instruction, Matrix, Scale, Table, TileCode
from cimc.target import load_target
from cimc.target.model import Target

PUMA = load_target("puma")
W = Matrix(0, "w", 4, 3, 16, 16, True, 0, "w", 0, 0)

A, B, D = Reg("r", 0, 4), Reg("r", 4, 4), Reg("r", 8, 4)
ONE, TWELVE = Reg("r", 8, 1), Reg("r", 16, 12)
SCALE, PAIR = DataRef("s", 0, 4), DataRef("pair", 0, 4)
MEMORY = ("memory_word", "memory_bus_word")


def instruction(mnemonic: str, *operands: object) -> Instruction:
    return Instruction(mnemonic, operands)  # type: ignore[arg-type]


def counted(one: Instruction, target: Target = PUMA, matrices: tuple[Matrix, ...] = (W,)) -> dict[str, float]:
    """Actions of an instruction of a core of tile 0, its fetch and what is not done left out."""
    core = CoreCode(0, matrices, ())
    scales = tuple(Scale(n, 0, 4, rows, 0, -128, 127, 0, 0, n) for n, rows in (("s", 1), ("pair", 2)))
    tables = Table("plain", 0, 16, 0, 0, "plain"), Table("between", 16, 16, 0, 3, "between")
    tile = TileCode(0, scales=scales, tables=tables, cores=(core,))
    counts = count_actions(one, Setting(target, tile, core))
    assert counts.pop("core_instruction") == 1
    return {action: count for action, count in counts.items() if count}


def moved(memory: int, **others: float) -> dict[str, float]:
    return {**dict.fromkeys(MEMORY, memory), **others}


VECTOR: list[tuple[Instruction, dict[str, float]]] = [
    # one pass a word of the result; read and written registers
    (instruction("set", D, 3), {"alu": 4, "register_word": 4}),
    (instruction("copy", D, A), {"alu": 4, "register_word": 8}),
    (instruction("add", D, A, B), {"alu": 4, "register_word": 12}),
    (instruction("sub", D, A, ONE), {"alu": 4, "register_word": 9}),
    (instruction("addi", D, A, 3), {"alu": 4, "register_word": 8}),
    # a product and a shift
    (instruction("mulshr", D, A, B, 3), {"alu": 8, "register_word": 12}),
    # a product and the zero point; 4 multipliers of two words
    (instruction("requant", D, A, SCALE), moved(8, alu=8, register_word=8)),
    # two products, their sum, the zero points; 4 multipliers of two words in each of two rows
    (instruction("requant2", D, A, B, PAIR), moved(16, alu=16, register_word=12)),
    # two zero points, two products, the zero point
    (instruction("requantm", D, A, B, SCALE), moved(8, alu=20, register_word=12)),
    # 12 terms are added, then 4 words as in requant
    (instruction("rsum", D, TWELVE, SCALE), moved(8, alu=12 + 8, register_word=16)),
    (instruction("rmax", D, TWELVE), {"alu": 12, "register_word": 16}),
    (instruction("lut", D, A, Name("plain")), {"table_lookup": 4, "register_word": 8}),
    # between two entries: both, and a difference, a product and a sum
    (instruction("lut", D, A, Name("between")), {"table_lookup": 8, "alu": 12, "register_word": 8}),
    (instruction("clrs"), {"alu": 1}),
    (instruction("sums", TWELVE), {"alu": 12, "register_word": 12}),
    # one division; two products and the zero point for each word
    (instruction("requants", D, A, SCALE), moved(8, alu=1 + 12, register_word=8)),
    # XbarIn is read and written at a port of its own
    (instruction("copy", Reg("xin", 0, 4), A), {"alu": 4, "xin_write": 4, "register_word": 4}),
    (instruction("copy", D, Reg("xin", 0, 4)), {"alu": 4, "xin_read": 4, "register_word": 4}),
]


@pytest.mark.parametrize(("one", "expected"), VECTOR, ids=lambda value: getattr(value, "mnemonic", ""))
def test_a_vector_instruction(one: Instruction, expected: Mapping[str, float]) -> None:
    assert counted(one) == expected


def test_a_multiplier_is_one_word_of_32_bits() -> None:
    wide = replace(PUMA, numbers=replace(PUMA.numbers, word=32))
    assert counted(instruction("requant2", D, A, B, PAIR), wide)["memory_word"] == 4 * 2
    narrow = replace(PUMA, numbers=replace(PUMA.numbers, word=12))  # 32 bits take three words
    assert counted(instruction("requant", D, A, SCALE), narrow)["memory_word"] == 4 * 3


def window(words: int) -> Window:
    return Window("m", Axis(Affine()), Axis(Affine()), Axis(Affine(), words))


def test_loads_and_stores() -> None:
    assert counted(instruction("load", Reg("xin", 0, 4), window(4), 0)) == moved(4, xin_write=4)
    assert counted(instruction("store", window(4), Reg("xout", 0, 4))) == moved(4, register_word=4)
    assert counted(instruction("loadv", A, DataRef("v", 0, 4))) == moved(4, register_word=4)


@pytest.mark.parametrize(
    ("source", "to", "words", "hops", "off_chip"),
    [
        (0, 1, 8, 4 * 1, 0),  # one router serves tiles 0 to 3; 8 words are 4 flits
        (0, 1, 3, 2 * 1, 0),  # 3 words are one flit and a half: 2
        (0, 4, 8, 4 * 2, 0),
        (0, 9, 2, 1 * 3, 0),
        (0, PUMA.chip.tiles, 8, 4 * 2, 8),  # the routers at both chips' links
        (PUMA.chip.tiles + 5, 5, 8, 4 * (2 + 2), 8),  # tile 5 is at the router beside: two of each chip
    ],
)
def test_a_message(source: int, to: int, words: int, hops: int, off_chip: int) -> None:
    counts = count_actions(instruction("send", window(words), to, 0), Setting(PUMA, TileCode(source), None))
    expected = moved(words, tile_instruction=1, network_hop=hops)
    assert counts == expected | ({"off_chip_word": off_chip} if off_chip else {})
    received = count_actions(instruction("receive", window(words), 0), Setting(PUMA, TileCode(to), None))
    assert received == moved(words, tile_instruction=1, fifo_word=words)


@pytest.mark.parametrize("bits", [16, 8, 1])
def test_a_narrow_input_takes_the_share_of_its_steps(bits: int) -> None:
    # 100 ns x (steps + 2) of 1800: of the energy that is the product's own as well.
    share = (bits + 2) / 18
    assert product_share(PUMA, (replace(W, input_bits=bits),)) == pytest.approx(share)
    counts = counted(instruction("mvm", 1), matrices=(replace(W, input_bits=bits),))
    assert counts.pop("mvm") == pytest.approx(share)
    assert counts == {
        "crossbar_step": bits * 8, "dac_conversion": bits * 4 * 8, "adc_conversion": bits * 3 * 8,
        "shift_add": bits * 3 * 8, "xin_read": 4, "register_word": 3,
    }  # fmt: skip


def test_an_mvm_of_two_mvmus_counts_both() -> None:
    """And matrices of one MVMU count together: 4 + 5 rows, 3 + 2 columns."""
    beside = Matrix(0, "v", 5, 2, 16, 16, True, 0, "v", 0, 0, at_row=4, at_column=3)
    other = Matrix(1, "u", 7, 6, 16, 8, True, 0, "u", 0, 0)
    counts = counted(instruction("mvm", 0b11), matrices=(W, beside, other))
    assert counts["mvm"] == pytest.approx(1 + 10 / 18)
    assert counts["xin_read"] == 9 + 7
    assert counts["register_word"] == 5 + 6
    assert counts["dac_conversion"] == 16 * 9 * 8 + 8 * 7 * 8
    assert counts["adc_conversion"] == 16 * 5 * 8 + 8 * 6 * 8
    assert counted(instruction("mvm", 0b10), matrices=(W, beside, other))["xin_read"] == 7


def test_parts_of_a_product() -> None:
    """10 inputs of 8 bits, 20 outputs, weights of 16 bits in cells of 2, on crossbars of 128 columns."""
    assert product_parts(PUMA, 10, 20, 16, 8) == {
        "crossbar_step": 8 * 8, "dac_conversion": 8 * 10 * 8, "adc_conversion": 8 * 20 * 8, "shift_add": 8 * 20 * 8,
    }  # fmt: skip
    # slices side by side: 160 columns lie on two crossbars
    abreast = replace(PUMA, mvmu=replace(PUMA.mvmu, slices="columns"))
    parts = product_parts(abreast, 10, 20, 16, 8)
    assert (parts["crossbar_step"], parts["dac_conversion"]) == (8 * 2, 8 * 10 * 2)
    assert parts["adc_conversion"] == 8 * 20 * 8
    # one conversion of a column when all steps are in: nothing is shifted and added behind it
    once = replace(PUMA, crossbar=replace(PUMA.crossbar, conversions="once"))
    parts = product_parts(once, 10, 20, 16, 8)
    assert (parts["adc_conversion"], parts["shift_add"]) == (20 * 8, 0)
    # two bits a step: 4 steps
    quick = replace(PUMA, crossbar=replace(PUMA.crossbar, dac_bits=2))
    assert product_parts(quick, 10, 20, 16, 7)["crossbar_step"] == 4 * 8
    # pairs of cells, 15 bits of magnitude: 8 slices, each twice
    pairs = replace(PUMA, mvmu=replace(PUMA.mvmu, encoding="differential", flipped=False))
    assert product_parts(pairs, 10, 20, 16, 8)["adc_conversion"] == 8 * 20 * 16
