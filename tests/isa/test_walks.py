"""The verifier's short cuts against the long way: reaches, coverage, usage and loops taken at once."""

from __future__ import annotations

import random
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from cimc.isa.operands import Affine, Axis, Reg, Window
from cimc.isa.program import CoreCode, Instruction, Program, Ring, TileCode
from cimc.isa.tree import Leaf, Loop, build_tree, leaves
from cimc.isa.verify.coverage import check_coverage
from cimc.isa.verify.findings import Findings
from cimc.isa.verify.reach import Reach
from cimc.isa.verify.usage import Region, tile_usage
from cimc.isa.verify.wiring import wire
from tests.isa.chip import CHIP
from tests.isa.small import CONV, SMALL


@settings(max_examples=300)
@given(st.integers(0, 1 << 32))
def test_a_reach_is_what_the_loops_reach(seed: int) -> None:
    rng = random.Random(seed)
    counts = {name: rng.randint(1, 5) for name in ("a", "b", "c")}
    terms = tuple((name, rng.choice([-3, -1, 1, 2, 7])) for name in counts if rng.random() < 0.7)
    axis = Axis(Affine(rng.randint(-5, 5), terms), rng.randint(1, 4), rng.randint(1, 3))
    size = rng.randint(1, 12)
    outer = {name: rng.randint(0, counts[name] - 1) for name in counts if rng.random() < 0.5}
    inner = {name: count for name, count in counts.items() if name not in outer}
    reached = set()
    for numbers in product(*(range(count) for count in inner.values())):
        counters = {**outer, **dict(zip(inner, numbers, strict=True))}
        start = axis.start.constant + sum(c * counters[name] for name, c in axis.start.terms)
        reached |= {start + axis.step * number for number in range(axis.count)}
    reach = Reach.of(axis, inner)
    base = reach.base(outer)
    assert [base + offset for offset in reach.offsets] == sorted(reached)
    inside = [index for index in sorted(reached) if 0 <= index < size]
    assert reach.inside(base, size) == ((inside[0], inside[-1]) if inside else None)


def test_a_reach_of_very_many_indices_is_a_range() -> None:
    """No memory is taken for loops that no chip could run."""
    reach = Reach.of(Axis(Affine(5, (("a", 3),)), 2), {"a": 1 << 50})
    assert reach.inside(reach.base({}), 100) == (5, 99)


@settings(max_examples=200)
@given(st.integers(0, 1 << 32))
def test_coverage_is_what_the_stores_write(seed: int) -> None:
    """Two producers with a store or two each, their loops run one by one; counters may move several axes."""
    rng = random.Random(seed)
    sizes = [rng.randint(1, 5) for _ in range(3)]
    ring = Ring("r", 0, sizes[0], sizes[1], sizes[2], 1, sizes[1], 1, producers=2)
    cores, written, pixels = [], [], []
    for number in range(2):
        stream, cells = [], set()
        for _ in range(rng.randint(1, 2)):
            counts = {name: rng.randint(1, 4) for name in ("a", "b")}
            axes = [
                Axis(
                    Affine(
                        rng.randint(0, 2),
                        tuple((name, rng.choice([-1, 1, 2])) for name in counts if rng.random() < 0.4),
                    ),
                    rng.randint(1, 4),
                )
                for _ in sizes
            ]
            loops = [Instruction("loop", (name, count)) for name, count in counts.items()]
            store = Instruction("store", (Window("r", *axes), Reg("r", 0, 1)))
            stream += [*loops, store, Instruction("end"), Instruction("end")]
            for numbers in product(*(range(count) for count in counts.values())):
                at = dict(zip(counts, numbers, strict=True))
                starts = [axis.start.constant + sum(c * at[name] for name, c in axis.start.terms) for axis in axes]
                cells |= set(
                    product(*(range(start, start + axis.count) for start, axis in zip(starts, axes, strict=True)))
                )
        inside = {cell for cell in cells if all(0 <= index < size for index, size in zip(cell, sizes, strict=True))}
        written.append(inside)
        pixels.append({cell[:2] for cell in cells if 0 <= cell[0] < sizes[0] and 0 <= cell[1] < sizes[1]})
        cores.append(CoreCode(number, (), (*stream, Instruction("hlt"))))
    program = Program("p", "t", "", tiles=(TileCode(0, rings=(ring,), cores=tuple(cores)),))
    findings = Findings(program)
    check_coverage(wire(program), findings)
    holes = sorted(set(product(*map(range, sizes))) - written[0] - written[1])
    twice = sorted(pixels[0] & pixels[1])
    expected = [f"row {h[0]}, column {h[1]}, channel {h[2]} is never written" for h in holes[:1]]
    expected += [f"row {t[0]}, column {t[1]} is written by two producers" for t in twice[:1]]
    assert [found.what for found in findings.diagnostics] == expected


def test_a_tree_has_every_instruction_but_the_ends() -> None:
    nodes = build_tree(CONV)
    assert [type(node) for node in nodes] == [Leaf, Loop, Leaf]
    found = [leaf.index for _, leaf in leaves(nodes)]
    assert found == [i for i, instruction in enumerate(CONV) if instruction.mnemonic not in ("loop", "end")]
    depths = {leaf.instruction.mnemonic: [loop.counter for loop in loops] for loops, leaf in leaves(nodes)}
    assert depths["load"] == ["image", "oy", "ox"] and depths["signal"] == ["image", "oy"] and not depths["hlt"]
    assert build_tree((Instruction("hlt"),)) == (Leaf(0, Instruction("hlt")),)


def test_usage_of_the_small_program() -> None:
    """A multiplier is 32 bits = 2 words, an entry of a vector one word."""
    first, second = (tile_usage(tile, CHIP.numbers) for tile in SMALL.tiles)
    assert first.regions == (
        Region("ring", "x", 0, 24),
        Region("ring", "conv1/y", 24, 48),
        Region("scale", "conv1.scale", 72, 8),
        Region("vector", "bias", 80, 4),
    )
    assert first.words == 84 and first.largest == Region("ring", "conv1/y", 24, 48)
    assert (first.fifos, second.fifos) == (0, 1)
    assert [core for core, _ in first.core_bytes] == [0] and second.core_bytes == ()
    assert all(size > 0 for _, size in first.core_bytes + first.channel_bytes + second.channel_bytes)
