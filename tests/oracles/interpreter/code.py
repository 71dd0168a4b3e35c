"""Instructions with their operands, loops as trees."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from .text import Expression, Indexed, Operand, Port, Statement

OPERANDS = {
    "": "end hlt clrs",
    "name count": "loop",
    "port ticket": "wait release",
    "name ticket": "space signal",
    "d window value": "load",
    "window a": "store",
    "d entries": "loadv",
    "value": "mvm",
    "value ticket window": "write",
    "value ticket d": "readback",
    "d value": "set",
    "d a": "copy rmax",
    "d a b": "add sub max min",
    "d a value": "addi maxi mini shri andi",
    "d a b value": "mulshr",
    "d a entries": "requant rsum requants",
    "d a b entries": "requant2 requantm",
    "d a name": "lut",
    "a": "sums",
    "window tile fifo": "send",
    "window fifo": "receive",
}
FIELDS = {opcode: fields.split() for fields, opcodes in OPERANDS.items() for opcode in opcodes.split()}
CONTROL = ("loop", "end", "hlt", "wait", "space", "release", "signal")
CHANNEL = ("send", "receive")


class Span(NamedTuple):
    """A range of a register file, or of the entries of a scale or a vector."""

    name: str
    first: int
    length: int


NONE = Span("", 0, 1)
NO_WINDOW = Indexed("", ())
NO_PORT = Port("", 0)
ZERO = Expression(0)


@dataclass(frozen=True)
class Instruction:
    """An instruction; what it has no operand for stays empty. `count` is None for the number of inputs."""

    opcode: str
    d: Span = NONE
    a: Span = NONE
    b: Span = NONE
    entries: Span = NONE
    window: Indexed = NO_WINDOW
    port: Port = NO_PORT
    ticket: Expression = ZERO
    name: str = ""
    value: int = 0
    tile: int = 0
    fifo: int = 0
    count: int | None = 0
    body: tuple["Instruction", ...] = ()


def span(operand: Operand) -> Span:
    """Read a range whose ends are numbers."""
    if isinstance(operand, Indexed) and len(operand.axes) == 1:
        indices = operand.axes[0].indices({})
        if indices and indices.start >= 0 and indices.step == 1:
            return Span(operand.name, indices.start, len(indices))
    raise ValueError("registers or entries are expected")


def number(operand: Operand) -> int:
    """Read a number without counters."""
    return expression(operand).value({})


def expression(operand: Operand) -> Expression:
    """Read a ticket."""
    if isinstance(operand, Expression):
        return operand
    raise ValueError("a number is expected")


def name(operand: Operand) -> str:
    """Read a name that stands alone."""
    if isinstance(operand, Expression) and operand.constant == 0 and len(operand.terms) == 1:
        return operand.terms[0][0]
    raise ValueError("a name is expected")


def window(operand: Operand) -> Indexed:
    """Read a window."""
    if isinstance(operand, Indexed) and len(operand.axes) == 3:
        return operand
    raise ValueError("a window is expected")


def port(operand: Operand) -> Port:
    """Read a port."""
    if isinstance(operand, Port):
        return operand
    raise ValueError("a port is expected")


READERS: dict[str, Callable[[Operand], Any]] = {
    **{"d": span, "a": span, "b": span, "entries": span, "window": window, "port": port, "ticket": expression},
    **{"name": name, "value": number, "tile": number, "fifo": number},
    "count": lambda operand: None if operand is None else number(operand),
}


def instruction_of(statement: Statement, kind: str) -> Instruction:
    """Check one line against the tables; `kind` is "core" or "channel"."""
    opcode, operands = statement.word, statement.operands
    if opcode not in FIELDS or (opcode not in CONTROL and (opcode in CHANNEL) != (kind == "channel")):
        raise ValueError(f"{opcode} does not stand in a {kind}")
    fields = {field: READERS[field](operand) for field, operand in zip(FIELDS[opcode], operands, strict=True)}
    one = replace(Instruction(opcode), **fields)
    length = one.d.length
    if opcode in ("rsum", "rmax"):
        fine = one.a.length % length == 0
    elif "b" in fields:
        fine = one.a.length in (1, length) and one.b.length in (1, length)
    else:
        fine = "a" not in fields or "d" not in fields or one.a.length == length
    if not fine or one.entries.length not in ((length,) if opcode == "loadv" else (1, length)):
        raise ValueError(f"the lengths of the operands of {opcode} do not go together")
    if opcode in ("shri", "mulshr") and not (opcode == "mulshr") <= one.value <= 63:
        raise ValueError(f"{opcode} does not shift by {one.value}")
    return one


def tree(flat: list[Instruction]) -> tuple[Instruction, ...]:
    """Put the bodies of loops into their loops; the stream ends with hlt."""
    if [one.opcode for one in flat].count("hlt") != 1 or flat[-1].opcode != "hlt":
        raise ValueError("a stream ends with its only hlt")
    loops: list[Instruction] = []
    bodies: list[list[Instruction]] = [[]]
    for one in flat[:-1]:
        if one.opcode == "loop":
            loops.append(one)
            bodies.append([])
        elif one.opcode == "end":
            done = replace(loops.pop(), body=tuple(bodies.pop()))
            bodies[-1].append(done)
        else:
            bodies[-1].append(one)
    if loops:
        raise ValueError("a loop has no end")
    return tuple(bodies[0])
