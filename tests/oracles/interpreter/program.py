"""A program: the directives of its text, its target and its arrays put together."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

from .code import Instruction, instruction_of, tree
from .crossbar import Converters, Crossbar, Feed
from .numbers import Scale, Table
from .text import Line, RingPort, Statement

T = TypeVar("T")
Directive = tuple[str, str, dict[str, int | str | tuple[()]]]
INTERFACE: Directive = ("name", "dtype shape scale zero low high index rings", {"memory": "false", "area": ()})
# For each directive its operands, its keys, and the keys that may be left out with what they are then.
DIRECTIVES: dict[str, Directive] = {
    ".isa": ("version", "", {}),
    ".program": ("name", "target weights", {"chips": 1, "word": 0, "accumulator": 0, "shared": 0}),
    ".string": ("number text", "", {}),
    ".input": INTERFACE,
    ".output": INTERFACE,
    ".phase": ("number", "round once", {}),
    ".tile": ("number", "", {}),
    ".area": ("name", "addr words", {}),
    ".ring": (
        "name",
        "addr height width channels segments pixels ports",
        {"tensor": "", "channel": 0, "producers": 1, "row": 0, "row_step": 1, "column": 0},
    ),
    ".scale": ("name", "addr entries rows zero low high a0 b0 array", {}),
    ".vector": ("name", "addr entries array", {}),
    ".table": ("name", "addr entries first step array", {}),
    ".core": ("number", "", {}),
    ".channel": ("number", "", {}),
    ".mvmu": (
        "mvmu",
        "array rows columns weight_bits input_bits signed shift layer row column",
        {"at_row": 0, "at_column": 0, "steps": ""},
    ),
    ".origin": ("number", "", {}),
}


def record_of(statement: Statement) -> dict[str, Any]:
    """Give the operands and keys of a directive by name."""
    if statement.word not in DIRECTIVES:
        raise ValueError(f"there is no directive {statement.word}")
    operands, keys, defaults = DIRECTIVES[statement.word]
    record = {**defaults, **dict(zip(operands.split(), statement.values, strict=True)), **statement.keys}
    if set(record) != {*operands.split(), *keys.split(), *defaults}:
        raise ValueError(f"{statement.word} lacks keys or has others")
    return record


def build(kind: type[T], record: Mapping[str, Any], **others: object) -> T:
    """Make a dataclass of the entries of a record that it has fields for."""
    names = [entry.name for entry in fields(kind) if entry.name not in others]  # type: ignore[arg-type]
    return kind(**{name: record[name] for name in names}, **others)


def moves_of(numbers: list[int]) -> list[tuple[int, int]]:
    """Give the (element, word) that belong together, of the boxes that an index holds."""
    found = []
    while numbers:
        end = 3 + 3 * numbers[0]
        pairs, axes, numbers = [(numbers[1], numbers[2])], numbers[3:end], numbers[end:]
        for at in range(0, len(axes), 3):
            count, far, wide = axes[at : at + 3]
            pairs = [(element + i * far, word + i * wide) for element, word in pairs for i in range(count)]
        found += pairs
    return found


class Target:
    """What decides about results, of all that the target says."""

    def __init__(self, toml: Mapping[str, Any]) -> None:
        """Take the keys out of what tomllib makes of the file."""

        def whole(section: str, name: str) -> int:
            return int(toml[section][name]["value"])

        def word(section: str, name: str, usual: str) -> str:
            return str(toml[section][name]["value"]) if name in toml[section] else usual

        crossbar, mvmu = toml["crossbar"], toml["mvmu"]
        self.word, self.accumulator = whole("numbers", "word"), whole("numbers", "accumulator")
        self.rows, self.stride = whole("crossbar", "rows"), whole("crossbar", "columns")
        self.mvmus, self.registers = whole("core", "mvmus"), whole("core", "registers")
        self.memory_words = whole("tile", "memory_words")
        self.fifos, self.fifo_depth = whole("tile", "fifos"), whole("tile", "fifo_depth")
        self.converters = Converters(
            cell_bits=whole("crossbar", "cell_bits"),
            dac_bits=whole("crossbar", "dac_bits"),
            adc_bits=whole("crossbar", "adc_bits"),
            differential=mvmu["encoding"]["value"] != "offset",
            flipped=bool(mvmu["flipped"]["value"]),
            adc_signed="adc_signed" in crossbar and bool(crossbar["adc_signed"]["value"]),
            rounds_down=word("crossbar", "adc_rounds", "nearest") == "down",
            once=word("crossbar", "conversions", "each step") == "once",
            halves=word("crossbar", "signed_inputs", "twos complement") == "halves",
            subtracted=word("mvmu", "pairs", "apart") == "subtracted",
            digital=word("mvmu", "correction", "unit column") == "digital",
            rows_at_once=whole("crossbar", "rows_at_once") if "rows_at_once" in crossbar else 0,
        )
        if mvmu["slices"]["value"] == "columns":
            two_bits = 2 if self.converters.differential else -(-2 // self.converters.cell_bits)
            self.stride = self.stride // two_bits * whole("mvmu", "crossbars")


@dataclass(frozen=True)
class Interface:
    """An input or an output of the network."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float
    zero: int
    low: int
    high: int
    moves: list[tuple[int, int]]
    rings: tuple[RingPort, ...]
    memory: bool


@dataclass(frozen=True)
class Blank:
    """What is to be written into an MVMU: so many rows and columns, and how it is fed."""

    rows: int
    columns: int
    feed: Feed
    steps: list[float]


@dataclass(frozen=True)
class RingPlan:
    """Where a ring lies and what it holds."""

    addr: int
    height: int
    width: int
    channels: int
    segments: int
    pixels: int
    ports: int
    producers: int


@dataclass
class StreamPlan:
    """The stream of a core or a channel, and the matrices of the core."""

    kind: str
    number: int = 0
    flat: list[Instruction] = field(default_factory=list)
    parts: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    code: tuple[Instruction, ...] = ()
    mvmus: dict[int, Crossbar] = field(default_factory=dict)
    blanks: dict[int, Blank] = field(default_factory=dict)


@dataclass
class TilePlan:
    """What a tile holds."""

    rings: dict[str, RingPlan] = field(default_factory=dict)
    scales: dict[str, Scale] = field(default_factory=dict)
    vectors: dict[str, list[int]] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    streams: list[StreamPlan] = field(default_factory=list)


@dataclass
class Phase:
    """What runs at the same time."""

    once: bool = False
    inputs: list[Interface] = field(default_factory=list)
    outputs: list[Interface] = field(default_factory=list)
    tiles: dict[int, TilePlan] = field(default_factory=dict)


@dataclass
class Program:
    """A program that can run. One that says nothing of phases has one."""

    target: Target
    arrays: Mapping[str, np.ndarray]
    weights: str = ""
    shared: int = 0
    phases: list[Phase] = field(default_factory=lambda: [Phase()])

    def of_host(self, side: str) -> list[Interface]:
        """Give the "inputs" or "outputs" that the host has, each once."""
        found: dict[str, Interface] = {}
        for phase in self.phases:
            for interface in getattr(phase, side):
                if not interface.memory:
                    found.setdefault(interface.name, interface)
        return list(found.values())


class Loader:
    """Reads the lines of a program one after the other."""

    def __init__(self, arrays: Mapping[str, np.ndarray], target: Target) -> None:
        """Begin with an empty program."""
        self.arrays, self.program = arrays, Program(target, arrays)
        self.phase = self.program.phases[0]
        self.tile, self.stream = TilePlan(), StreamPlan("")
        self.version = 0

    def line(self, statement: Statement) -> None:
        """Read one line."""
        word = statement.word
        if self.version != 1 and word != ".isa":
            raise ValueError("the text begins with .isa 1")
        if not word.startswith("."):
            self.stream.flat.append(instruction_of(statement, self.stream.kind))
            return
        record = record_of(statement)
        if word == ".isa":
            self.version = record["version"]
        elif word == ".program":
            self.program.weights, self.program.shared = record["weights"], record["shared"]
            target = self.program.target
            if record["word"] not in (0, target.word) or record["accumulator"] not in (0, target.accumulator):
                raise ValueError("the program is made for another target")
        elif word in (".input", ".output"):
            moves = moves_of([int(number) for number in self.arrays[record["index"]]])
            place = self.phase.inputs if word == ".input" else self.phase.outputs
            place.append(build(Interface, record, moves=moves, memory=record["memory"] == "true"))
        elif word == ".phase":
            self.phase = Phase(record["once"] == "true")
            self.program.phases = [*self.program.phases[: record["number"]], self.phase]
        elif word == ".tile":
            self.tile = self.phase.tiles[record["number"]] = TilePlan()
        elif word in (".core", ".channel"):
            self.stream = StreamPlan(word[1:], record["number"])
            self.tile.streams.append(self.stream)
        elif word == ".mvmu":
            self.stream.parts.setdefault(record["mvmu"], []).append(record)
        elif word == ".ring":
            self.tile.rings[record["name"]] = build(RingPlan, record)
        elif word == ".scale":
            shape = record["rows"], record["entries"]
            rows = [[np.float32(factor) for factor in row] for row in self.arrays[record["array"]].reshape(shape)]
            self.tile.scales[record["name"]] = build(Scale, record, rows=rows)
        elif word in (".vector", ".table"):
            entries = [int(entry) for entry in self.arrays[record["array"]].reshape(record["entries"])]
            if word == ".vector":
                self.tile.vectors[record["name"]] = entries
            else:
                self.tile.tables[record["name"]] = build(Table, record, entries=entries)

    def join(self, parts: list[dict[str, Any]]) -> Crossbar | Blank:
        """Make one matrix of those that lie in one MVMU, or say what has to be written there."""
        feeds = {build(Feed, part, signed=part["signed"] == "true") for part in parts}
        rows = max(part["at_row"] + part["rows"] for part in parts)
        columns = max(part["at_column"] + part["columns"] for part in parts)
        if len(feeds) != 1 or rows > self.program.target.rows or columns > self.program.target.stride:
            raise ValueError("the matrices of an MVMU agree in their keys and are not larger than it")
        if not any(part["array"] for part in parts):
            return Blank(rows, columns, feeds.pop(), self.steps(parts, columns))
        weights = [[0] * columns for _ in range(rows)]
        for part in parts:
            array = self.arrays[part["array"]].reshape(part["rows"], part["columns"])
            for i, row in enumerate(array, part["at_row"]):
                for j, weight in enumerate(row, part["at_column"]):
                    weights[i][j] = int(weight)
        return Crossbar(weights, feeds.pop(), self.program.target.converters, self.steps(parts, columns))

    def steps(self, parts: list[dict[str, Any]], columns: int) -> list[float]:
        """The converters' steps of the columns of an MVMU."""
        steps = [1.0] * columns
        for part in parts:
            if part["steps"]:
                own = self.arrays[part["steps"]].reshape(part["columns"])
                steps[part["at_column"] : part["at_column"] + part["columns"]] = [float(step) for step in own]
        return steps

    def finish(self) -> Program:
        """Put the matrices of each MVMU together, and the loops of each stream."""
        for tile in (tile for phase in self.program.phases for tile in phase.tiles.values()):
            for stream in tile.streams:
                stream.code = tree(stream.flat)
                for number, parts in stream.parts.items():
                    joined = self.join(parts)
                    if isinstance(joined, Blank):
                        stream.blanks[number] = joined
                    else:
                        stream.mvmus[number] = joined
        return self.program


def load(text: str, arrays: Mapping[str, np.ndarray], target: Mapping[str, Any]) -> Program:
    """Read a program; `target` is what tomllib makes of its target.toml."""
    loader = Loader(arrays, Target(target))
    for number, content in enumerate(text.split("\n"), 1):
        try:
            line = Line(content)
            if line.more():
                loader.line(line.statement())
        except (KeyError, ValueError) as error:
            raise ValueError(f"line {number}: {error}") from error
    return loader.finish()
