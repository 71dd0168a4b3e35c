"""Streams that differ in names only are walked once: the short cut finds what each walk alone would find."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest

from cimc.base.collector import no_collection
from cimc.base.diagnostics import Diagnostic
from cimc.base.tokens import RECEIVE, SEND, SIGNAL, SPACE, WAIT, Event, Script, TokenGame, TokenRing
from cimc.isa.program import Program
from cimc.isa.verify.discipline import Walk
from cimc.isa.verify.findings import Findings
from cimc.isa.verify.patterns import walk_all
from cimc.isa.verify.wiring import wire
from tests.runtime.test_timing import convolutions


def without(program: Program, core: int, mnemonic: str) -> Program:
    """The program with one core's instructions of a kind gone."""
    tile = program.tiles[0]
    code = tile.cores[core]
    kept = tuple(instruction for instruction in code.stream if instruction.mnemonic != mnemonic)
    cores = (*tile.cores[:core], replace(code, stream=kept), *tile.cores[core + 1 :])
    return replace(program, tiles=(replace(tile, cores=cores), *program.tiles[1:]))


def walked(program: Program) -> tuple[list[Walk], tuple[Diagnostic, ...]]:
    """All walks of a program without FIFOs, and what they found."""
    wiring, findings = wire(program), Findings(program)
    walks = walk_all(wiring, findings)
    return walks, findings.diagnostics


def test_streams_alike_share_their_events() -> None:
    walks, findings = walked(convolutions(3, 3, 3))
    assert not findings
    scripts = [walk.events for walk in walks]
    assert all(isinstance(script, Script) for script in scripts)
    patterns = [script.pattern for script in scripts if isinstance(script, Script)]
    assert patterns[1] is patterns[2]
    assert {event.thing for event in scripts[1]} != {event.thing for event in scripts[2]}


@pytest.mark.parametrize("core", [0, 1, 2])
@pytest.mark.parametrize("mnemonic", ["wait", "space"])
def test_a_wait_that_one_of_several_alike_lacks_is_found(core: int, mnemonic: str) -> None:
    program = convolutions(3, 3, 3)
    _, findings = walked(without(program, core, mnemonic))
    assert findings and all(found.code == "verify.discipline" for found in findings)
    assert all(f"core {core}," in found.where.item for found in findings)


def test_a_script_names_the_things_of_its_stream() -> None:
    script = Script([Event(SPACE, 0, 0, 1), Event(SIGNAL, 0, 0, 1), Event(SEND, 1, mark=4)], [7, 5], [2, 0])
    assert list(script) == [Event(SPACE, 7, 0, 1), Event(SIGNAL, 7, 2, 1), Event(SEND, 5, mark=4)]


def test_what_one_input_leaves_behind() -> None:
    """A message too many, or a ring not released, and more inputs may end differently."""
    sends, receives = [Event(SEND, 0), Event(SEND, 0)], [Event(RECEIVE, 0)]
    game = TokenGame([sends, receives], [], [2], 1)
    assert not game.play() and not game.drained()
    ring = TokenRing(1, 1, 1)
    fills, reads = [Event(SPACE, 0, 0, 1), Event(SIGNAL, 0, 0, 1)], [Event(WAIT, 0, 0, 1)]
    game = TokenGame([fills, reads], [ring], [], 1)
    assert not game.play() and not game.drained()
    assert TokenGame([fills, reads], [ring], [], 2).play()


def test_the_collector_is_as_it_was() -> None:
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), no_collection():
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled()
