"""Laws of the machine: order, chunks of lanes and streaming change no bit; a deadlock is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from cimc.isa.program import Instruction, Program
from cimc.isa.text.printer import print_program
from cimc.runtime.coroutines import RunQueue
from cimc.runtime.sites import Deadlock
from cimc.runtime.step import StepEngine
from tests.isa.small import SMALL
from tests.runtime.programs import IDEAL, affine, relay_program, relay_weights
from tests.runtime.test_step import small_weights


def images(count: int, lanes: int) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(count, lanes, 1, 6, 6)).astype(np.float32)


def test_three_inputs_streamed_equal_three_runs() -> None:
    engine, x = StepEngine(SMALL, small_weights(), IDEAL), images(3, 4)
    streamed = engine.run({"image": x}, images=3, capture=True)
    for number in range(3):
        alone = engine.run({"image": x[number]}, capture=True)
        assert np.array_equal(streamed.outputs["out/y:0"][number], alone.outputs["out/y:0"])
        assert np.array_equal(streamed.stored["conv1/y"][number], alone.stored["conv1/y"][0])


def test_twenty_random_schedules_give_the_same_bits() -> None:
    engine, x = StepEngine(SMALL, small_weights(), IDEAL), images(3, 2)
    plain = engine.run({"image": x}, images=3, capture=True)
    for seed in range(20):
        other = engine.run({"image": x}, images=3, schedule_seed=seed, capture=True)
        assert np.array_equal(plain.outputs["out/y:0"], other.outputs["out/y:0"])
        assert np.array_equal(plain.stored["conv1/y"], other.stored["conv1/y"])
        assert plain.counts == other.counts


def test_a_seed_makes_an_order_of_its_own() -> None:
    """Three streams of six turns each, which may be interrupted after any of them."""

    def order(seed: int | None) -> tuple[int, ...]:
        log: list[int] = []

        def stream(number: int) -> Iterator[None]:
            for _ in range(6):
                log.append(number)
                yield None

        assert RunQueue().run([stream(number) for number in range(3)], seed) == []
        assert sorted(log) == [0] * 6 + [1] * 6 + [2] * 6
        return tuple(log)

    assert order(None) == (0,) * 6 + (1,) * 6 + (2,) * 6
    orders = {seed: order(seed) for seed in range(20)}
    assert len(set(orders.values())) > 15
    assert any(sum(a != b for a, b in pairwise(found)) > 4 for found in orders.values()), "nobody is interrupted"
    assert order(3) == orders[3]


def test_lanes_in_chunks_give_the_same_bits() -> None:
    x = images(2, 7)
    plain = StepEngine(SMALL, small_weights(), IDEAL).run({"image": x}, images=2, capture=True)
    for memory in (1, 200_000):
        engine = StepEngine(SMALL, small_weights(), IDEAL, max_memory=memory)
        chunked = engine.run({"image": x}, images=2, capture=True)
        assert np.array_equal(plain.outputs["out/y:0"], chunked.outputs["out/y:0"])
        assert np.array_equal(plain.stored["conv1/y"], chunked.stored["conv1/y"])
        assert plain.counts == chunked.counts


def without(program: Program, mnemonic: str) -> Program:
    """The program with the last such instruction of tile 0's core taken out."""
    tile = program.tiles[0]
    core = tile.cores[0]
    at = max(n for n, instruction in enumerate(core.stream) if instruction.mnemonic == mnemonic)
    core = replace(core, stream=core.stream[:at] + core.stream[at + 1 :])
    return replace(program, tiles=(replace(tile, cores=(core,)), *program.tiles[1:]))


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_deadlock_names_streams_lines_and_tickets(seed: int | None) -> None:
    program = without(relay_program(3, 8), "signal")
    engine = StepEngine(program, relay_weights(3), IDEAL)
    with pytest.raises(Deadlock) as caught:
        engine.run({"x": np.zeros((1, 3, 4, 2), np.int32)}, schedule_seed=seed)
    lines = print_program(program).splitlines()
    blocked = {(b.tile, b.unit, b.number): b for b in caught.value.blocked}
    core, send, receive, host = (
        blocked[key] for key in ((0, "core", 0), (0, "channel", 0), (1, "channel", 0), (1, 'output "y"', -1))
    )
    assert len(blocked) == 4
    assert (core.kind, core.image, core.wanted, core.reached) == ("space", 0, 3, 2)
    assert (send.kind, send.wanted, send.reached) == ("wait", 1, 0)
    assert (receive.kind, receive.reached) == ("receive", 0)
    assert (host.kind, host.wanted, host.line) == ("wait", 1, 0)
    for stream in (core, send, receive):
        assert " ".join(lines[stream.line - 1].split()) == stream.text
    assert str(caught.value) == (
        'deadlock in program "relay": 4 streams wait\n'
        '  host, output "y", wait in input 0: needs slots below 1 of ring y of tile 1, those below 0 are signalled\n'
        f"  tile 0 core 0, line {core.line}, `space m, oy+seg+1` in input 0: "
        "needs slots below 3 of ring m of tile 0, those below 2 are free\n"
        f"  tile 0 channel 0, line {send.line}, `wait m.0, oy+seg+1` in input 0: "
        "needs slots below 1 of ring m of tile 0, those below 0 are signalled\n"
        f"  tile 1 channel 0, line {receive.line}, `receive y[oy, seg*4:+4, 0:2], 3` in input 0: "
        "FIFO 3 of tile 1 is empty"
    )


def test_a_full_fifo_blocks_its_sender() -> None:
    """Nobody receives: the third message of a FIFO of two finds no place."""
    program = relay_program(3, 16)
    tile = replace(program.tiles[1], channels=())
    engine = StepEngine(replace(program, tiles=(program.tiles[0], tile)), relay_weights(3), IDEAL)
    with pytest.raises(Deadlock, match=r"`send m\[oy, seg\*4:\+4, 0:2\], 1, 3` in input 0: FIFO 3 of tile 1 is full"):
        engine.run({"x": np.zeros((1, 3, 4, 2), np.int32)})


def test_tickets_are_clamped_to_the_map() -> None:
    """A wait for more rows than a map has waits for all of them, in every input."""
    program = relay_program(3, 24)
    tile = program.tiles[0]
    ticket = affine(5, oy=1, seg=1)
    stream = tuple(
        Instruction("wait", (instruction.operands[0], ticket)) if instruction.mnemonic == "wait" else instruction
        for instruction in tile.cores[0].stream
    )
    tile = replace(tile, cores=(replace(tile.cores[0], stream=stream),))
    x = np.arange(2 * 24).reshape(2, 1, 3, 4, 2)
    engine = StepEngine(replace(program, tiles=(tile, program.tiles[1])), relay_weights(3), IDEAL)
    assert np.array_equal(engine.run({"x": x}, images=2).outputs["y"], -x)
