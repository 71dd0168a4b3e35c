"""The static verifier: everything about a program that can be proved before a run, without data.

In order: form (wellformed), numbers of the directives, memory and code, operands of each instruction, wiring, how many
instructions an input takes, discipline of each stream, messages, coverage of the rings, and - where all that holds -
the token game. Each step relies on those before it: none of them takes time or memory for numbers that no chip could
have.

The phases of a program that runs in rounds are proved one after the other, each like a program of its own, with what
those before it have written into crossbars and off-chip memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from cimc.base.collector import no_collection
from cimc.isa.program import Program
from cimc.isa.verify.counts import check_work
from cimc.isa.verify.coverage import check_coverage
from cimc.isa.verify.deadlock import play
from cimc.isa.verify.discipline import Walk
from cimc.isa.verify.findings import Findings, stop_at
from cimc.isa.verify.instructions import check_tile
from cimc.isa.verify.patterns import walk_all
from cimc.isa.verify.phases import Stored, check_phases, note_written
from cimc.isa.verify.records import check_records
from cimc.isa.verify.usage import check_capacity
from cimc.isa.verify.wellformed import problems
from cimc.isa.verify.wiring import Wiring, check_wiring, wire
from cimc.target.model import Target


def verify(program: Program, target: Target, formed: bool = False) -> None:
    """Prove what can be proved about a program on a target. Raises CimcError with everything that is wrong.

    formed: the program is known to be well formed, as one from a parser or the binary reader is.
    """
    with no_collection():
        if not formed:
            findings = [Findings(program, number) for number in range(len(program.parts))]
            _check_form(program, findings)
            stop_at(*findings)
        check_phases(program, target)
        stored: Stored = {}
        for number, part in enumerate(program.parts):
            _verify(part, target, Findings(program, number), stored)
            if program.phases:
                note_written(part, Findings(program, number), stored)


def _verify(program: Program, target: Target, findings: Findings, stored: Stored) -> None:
    """One part of a program. stored: what phases before it have written."""
    sound = check_records(program, target, findings)
    check_capacity(program, target, findings)
    if not sound:
        stop_at(findings)
    for tile in program.tiles:
        check_tile(tile, target, findings, stored)
    wiring = wire(program)
    check_wiring(program, wiring, findings)
    check_work(program, wiring, findings)
    stop_at(findings)
    walks = walk_all(wiring, findings)
    _check_messages(wiring, walks, findings)
    check_coverage(wiring, findings)
    stop_at(findings)
    play(wiring, [walk.events for walk in walks], target.tile.fifo_depth, findings)
    stop_at(findings)


def _check_form(program: Program, parts: Sequence[Findings]) -> None:
    for problem in problems(program):
        findings = parts[problem.phase]
        if problem.code in ("form", "duplicate") or not problem.unit:
            where = f"tile {problem.tile}" + (f" {problem.unit} {problem.number}" if problem.unit else "")
            findings.add(problem.code, problem.what, where if problem.tile >= 0 else "program", problem.todo)
        else:
            spot = problem.tile, problem.unit, problem.number, problem.index
            findings.at(spot, problem.code, problem.what, problem.todo)


def _check_messages(wiring: Wiring, walks: list[Walk], findings: Findings) -> None:
    """Sender and receiver of each FIFO agree on every message of an input, as far as all of them are known."""
    if not all(found.complete for found in walks):
        return
    messages = {str(stream): found.messages for stream, found in zip(wiring.streams, walks, strict=True)}
    for fifo in sorted(wiring.senders):
        sender, receiver = next(iter(wiring.senders[fifo])), next(iter(wiring.receivers[fifo]))
        sent, received = messages[sender].get(fifo, ()), messages[receiver].get(fifo, ())
        item = f"tile {fifo[0]}, FIFO {fifo[1]}"
        if len(sent) != len(received):
            what = f"{sender} sends {len(sent)} messages an input and {receiver} receives {len(received)}"
            findings.add("messages", what, item)
            continue
        for number, (ours, theirs) in enumerate(zip(sent, received, strict=True)):
            if ours != theirs:
                ends = f"{ours} words where {sender} sends it and {theirs} where {receiver} receives it"
                findings.add("messages", f"message {number} has {ends}", item)
                break
