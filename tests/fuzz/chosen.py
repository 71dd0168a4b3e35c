"""Options with texts of a user's own: keys of targets, names of passes and layers, an edited program to verify."""

from __future__ import annotations

from cimc.passes.pipelines import PASSES
from cimc.target.fields import Choice, Count, Quantity
from cimc.target.keys import ACTIONS, PRICE, SECTIONS, at
from tests.fuzz.bases import BASES, base_files, network
from tests.fuzz.draw import Draw
from tests.fuzz.example import NET, Example
from tests.fuzz.programs import EDITED_TEXT, edited_text
from tests.fuzz.values import FLOATS, NAMES, NUMBERS

MODEL, INPUT = "model.onnx", "input.npz"
KEYS = (
    *(f"{section}.{key}" for section, keys in SECTIONS.items() for key in keys),
    *(f"prices.{action}.{key}" for action in ACTIONS for key in PRICE),
)
VALUES = (
    *NUMBERS, *map(repr, FLOATS), *map(str, range(18)), "true", "false", "80ns", "1e-9 s", "3pJ", "2W", "4bits", "none",
    "shift", "once", "each step", "columns", "crossbars", "offset", "differential", "high bits", "one layer",
)  # fmt: skip


def word(draw: Draw, *known: str) -> str:
    """One of the known words, most of the time; or one with a change, or another text that an argument may be."""
    way = draw.random()
    if way < 0.7:
        return draw.choice(known)
    if way < 0.85:
        return draw.choice(known).replace(draw.choice("aeiou._"), draw.choice(("", "x", ".", "=")), 1)
    return draw.choice([name for name in NAMES if "\0" not in name and "\ud7ff" not in name])


def fitting(draw: Draw, key: str) -> str:
    """A value that the field of a key may have."""
    match at(tuple(key.split("."))):
        case Quantity(unit=unit):
            return f"{draw.randrange(100)}{draw.choice('munpf')}{unit}"
        case Count(low=low, high=high):
            return str(
                int(draw.choice((low, min(high, low + draw.randrange(9)), min(high, 1 << draw.randrange(4, 20)))))
            )
        case Choice(words=words):
            return draw.choice(words)
    return draw.choice(("true", "false"))


def setting(draw: Draw) -> tuple[str, str]:
    """--set, with a key and a value, or a text that is neither."""
    if draw.random() < 0.7:
        key = draw.choice(KEYS)
        return "--set", f"{key}={fitting(draw, key)}"
    return "--set", f"{word(draw, *KEYS)}{draw.choice(('=', '=', '=', '=', ' = ', '', '=='))}{word(draw, *VALUES)}"


def chosen_example(draw: Draw) -> Example:
    """A network compiled, verified or estimated with such options, or its program printed."""
    base = draw.choice(tuple(BASES))
    name, target = BASES[base]
    model = network(name)
    layers = [node.name or "x" for node in model.graph.node] + [output for n in model.graph.node for output in n.output]
    files = {MODEL: model.SerializeToString(), INPUT: base_files(base)[INPUT]}
    settings = tuple(part for _ in range(draw.choice((1, 1, 1, 2))) for part in setting(draw))
    mapped = ("--target", target, "--calibration", INPUT)
    verify = ("verify", MODEL, *mapped, "--data", INPUT)
    ways, passes = ("--print-after", "--print-after", "--stop-after"), [one.name for one in PASSES]
    stages = tuple(part for _ in range(draw.choice((1, 1, 2))) for part in (draw.choice(ways), word(draw, *passes)))
    match draw.randrange(8):
        case 0 | 1:
            commands = [("compile", MODEL, *mapped, *settings, "-o", "out"), ("time", "out"), ("report", "out")]
        case 2:
            commands = [(*verify, *settings), ("estimate", MODEL, "--target", target, *settings)]
        case 3:
            commands = [("targets", "show", target, *settings)]
        case 4:
            commands = [("compile", MODEL, *mapped, *stages, *draw.choice(((), settings, ("-o", "out"))))]
        case 5:
            commands = [("disasm", f"{NET}/program.cimb", "--layer", word(draw, *layers))]
        case _:
            files[EDITED_TEXT] = edited_text(draw, base)
            commands = [(*verify, "--program", EDITED_TEXT)]
    return Example(tuple(commands), files, base)
