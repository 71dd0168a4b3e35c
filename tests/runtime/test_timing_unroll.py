"""Unrolling for the timing engine against the long way, and the order of events of one time."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from cimc.isa.cost.prices import Cost
from cimc.isa.effects import event_of
from cimc.isa.operands import Affine, Name, Port
from cimc.isa.program import CoreCode, Instruction, Ring, TileCode
from cimc.isa.tree import Leaf, Node, build_tree
from cimc.runtime.timing.operations import WORK, Costed
from cimc.runtime.timing.state import behind
from cimc.runtime.timing.unroll import Unroller

TICKETS = 12


def stream(rng: random.Random) -> list[Instruction]:
    """Nested loops with waits, signals and other work, here and there."""
    body: list[Instruction] = []
    scope: list[str] = []

    def fill(depth: int) -> None:
        for _ in range(rng.randint(1, 3)):
            kind = rng.random()
            if kind < 0.5 and depth < 3:
                scope.append(f"i{len(body)}")
                body.append(Instruction("loop", (scope[-1], rng.randint(1, 7))))
                fill(depth + 1)
                body.append(Instruction("end"))
                scope.pop()
            elif kind < 0.8:
                value = Affine(rng.randint(-3, 5), tuple((name, rng.choice([-2, 1, 3])) for name in scope))
                if rng.random() < 0.5:
                    body.append(Instruction("wait", (Port("a", 0), value)))
                else:
                    body.append(Instruction("signal", (Name("b"), value)))
            else:
                body.append(Instruction("set"))

    fill(0)
    return [Instruction("loop", ("image", -1)), *body, Instruction("end"), Instruction("hlt")]


def long_way(nodes: tuple[Node, ...], counters: dict[str, int]) -> list[tuple[int, int]]:
    """(kind, ticket) of every wait and signal in order."""
    found = []
    for node in nodes:
        if isinstance(node, Leaf):
            kind = event_of(node.instruction)
            if kind is not None:
                value = node.instruction.operands[1]
                assert isinstance(value, Affine)
                number = value.constant + sum(counters[name] * factor for name, factor in value.terms)
                found.append((kind, min(max(number, 0), TICKETS)))
        else:
            for number in range(abs(node.count)):
                found += long_way(node.body, counters | {node.counter: number})
    return found


@settings(max_examples=200)
@given(st.integers(0, 1 << 32))
def test_iterations_that_repeat_are_those_of_the_long_way(seed: int) -> None:
    rng = random.Random(seed)
    instructions = stream(rng)
    ring = Ring("a", 0, TICKETS, 1, 1, 1, 3, 1)
    tile = TileCode(0, (ring, Ring("b", 9, TICKETS, 1, 1, 1, 3, 1)))
    costs = [
        Cost(1.0, 5.0 if i.mnemonic == "set" else 0.0, 2.0 * rng.randint(0, 1) * (i.mnemonic == "set"), {})
        for i in instructions
    ]
    costed = Costed(tile, CoreCode(0, (), tuple(instructions)), costs)
    lists, _ = Unroller(grain=1, origins=False).lists(costed)
    ops = [lists.ops[place] for place in lists.each[0]]
    found = [(op.kind, ticket) for op, ticket in zip(ops, lists.each[1], strict=True) if op.kind != WORK]
    assert found == long_way(build_tree(instructions), {"image": 0})
    spent = sum(op.lead + op.after + (op.times - 1) * (op.gap + op.after) for op in ops)
    runs = Costed(tile, costed.code, costs).executions()
    each = sum(times * (cost.fetch + cost.own) for _, cost, _, times in runs)
    assert abs(spent - each) < 1e-9 * max(1.0, each)


def test_events_of_one_time_come_as_they_let_each_other_go_on() -> None:
    """Streams 5 and 8 are heard at one time; 5 lets 3 and 9 go on, and 3 lets 4: the least that may goes first."""
    five, eight = (5,), (8,)
    three, nine = behind(five, 3), behind(five, 9)
    four = behind(three, 4)
    assert sorted([five, eight, nine, four, three]) == [five, three, four, eight, nine]
    assert behind(nine, 4) == (9, 4)
