"""What an instruction does to rings and FIFOs, whichever it is: tokens, messages, accesses."""

from __future__ import annotations

from typing import NamedTuple

from cimc.base.tokens import RECEIVE, RELEASE, SEND, WAIT
from cimc.isa import operands
from cimc.isa.kinds.numbers import Fifo, Tile
from cimc.isa.kinds.rings import Port, Ring, Ticket, Window
from cimc.isa.operands import Affine
from cimc.isa.program import Instruction
from cimc.isa.table import FORM
from cimc.isa.tree import Loop, leaves


class Token(NamedTuple):
    """A wait, space, release or signal. kind: of cimc.base.tokens; port: 0 where it has none."""

    kind: int
    ring: str
    port: int
    ticket: Affine


class Message(NamedTuple):
    """A send or receive. kind: of cimc.base.tokens; fifo: tile and number."""

    kind: int
    fifo: tuple[int, int]
    window: operands.Window


class Access(NamedTuple):
    """A window that is read or written."""

    window: operands.Window
    writes: bool


def event_of(instruction: Instruction) -> int | None:
    """The kind of event (cimc.base.tokens) by which the instruction orders streams, if it does."""
    return FORM[instruction.mnemonic].event


def token_of(instruction: Instruction) -> Token | None:
    """The token that the instruction takes or gives, if it does."""
    form = FORM[instruction.mnemonic]
    if form.event is None or form.event in (SEND, RECEIVE):
        return None
    ticket = form.operand(instruction, Ticket)
    if form.event in (WAIT, RELEASE):
        port = form.operand(instruction, Port)
        return Token(form.event, port.ring, port.number, ticket)
    return Token(form.event, form.operand(instruction, Ring).name, 0, ticket)


def message_of(instruction: Instruction, tile: int) -> Message | None:
    """The message that the instruction, of a stream of this tile, sends or receives, if it does."""
    form = FORM[instruction.mnemonic]
    if form.event not in (SEND, RECEIVE):
        return None
    to = form.operand(instruction, Tile) if form.event == SEND else tile
    return Message(form.event, (to, form.operand(instruction, Fifo)), form.operand(instruction, Window))


def access_of(instruction: Instruction) -> Access | None:
    """The window that the instruction reaches, if it does."""
    place = FORM[instruction.mnemonic].window
    if place is None:
        return None
    window = instruction.operands[place[0]]
    assert isinstance(window, operands.Window), instruction
    return Access(window, place[1])


def orders(loop: Loop) -> bool:
    """Whether a loop has an instruction inside that orders streams."""
    return any(event_of(leaf.instruction) is not None for _, leaf in leaves(loop.body))
