"""Targets and precision files that somebody wrote wrong: keys, values, units, types and extremes."""

from __future__ import annotations

from functools import cache

from cimc.target.load import PRESETS, preset_names
from cimc.target.write import write_target
from tests.fuzz.bases import inputs_for, network, npz
from tests.fuzz.draw import Draw
from tests.fuzz.example import Example
from tests.fuzz.values import FLOATS, NUMBERS, changed_bytes, changed_text, other_number

TARGET, PRECISION, MODEL, DATA = "chip.toml", "bits.toml", "model.onnx", "data.npz"
UNITS = (
    "bits",
    "bit",
    "ns",
    "s",
    "pJ",
    "J",
    "W",
    "mW",
    "words",
    "rows",
    "MVMUs",
    "kB",
    "Mbit",
    "",
    "1",
    "GHz",
    "degrees",
)
LAYERS = ("relu1_out", "conv1", "fc", "logits", "relu2_out", "pool1_out", "", "nowhere", "[/]", "\\u001b")
NETWORKS = (
    "wide_and_deep_enough_to_split",
    "residual",
    "perceptron",
    "softmax_of_logits",
    "average_pool_wide",
    "grouped",
)


@cache
def _preset(name: str) -> str:
    return (PRESETS / f"{name}.toml").read_text(encoding="utf-8")


def _value(draw: Draw) -> str:
    """A value as TOML writes it, of any type."""
    number = draw.choice((draw.choice(NUMBERS), repr(draw.choice(FLOATS)), str(draw.randrange(40))))
    return draw.choice((
        number, number, number, "true", '"text"', "[]", "{}", "[1, 2]", '""', "1979-05-27", "0x10", "1_000", "'a'",
        '"offset"', '"differential"', '"columns"', '"crossbars"', '"shift"', '"none"', '"once"', '"one layer"',
    ))  # fmt: skip


def edited_target(draw: Draw, text: str) -> bytes:
    """A target's text with some values, keys, units or sections changed; or its tokens, or its bytes."""
    way = draw.random()
    if way < 0.15:
        return changed_text(draw, text, (*UNITS, *NUMBERS)).encode("utf-8", "replace")
    if way < 0.2:
        return changed_bytes(draw, text.encode())
    lines = text.split("\n")
    keys = [number for number, line in enumerate(lines) if "{ value = " in line]
    for _ in range(draw.choice((1, 1, 1, 2, 3)) if keys else 0):
        at = draw.choice(keys)
        key, _, rest = lines[at].partition(" = { value = ")
        _, comma, more = rest.partition(", ")
        match draw.randrange(14):
            case 0:
                lines[at] = ""
            case 1 if draw.random() < 0.2:
                lines[at] += f"\n{lines[at]}"
            case 2:
                lines[at] = f"{key} = {_value(draw)}"
            case 3:
                lines[at] = lines[at].replace(
                    "unit = ", f'unit = "{draw.choice(UNITS)}", {draw.choice(("", "was = "))}'
                )
            case 4:
                lines[at] = lines[at].replace(
                    key, draw.choice(("rws", '"[/]"', '"a\\u001bb"', "é", f"{key}.x", '""')), 1
                )
            case 5 if draw.random() < 0.3:
                others = [line for line in lines if line.startswith("[")] or ["[x]"]
                lines[at] += f"\n{draw.choice((*others, '[prices]', '[prices.nothing]', '[writing]', '[new]'))}"
            case 6 | 7:
                lines[at] = f"{key} = {{ value = {_value(draw)}{comma}{more}"
            case _:
                old = rest.partition(",")[0]
                lines[at] = f"{key} = {{ value = {other_number(draw, old)}{comma}{more}"
    if draw.random() < 0.2:
        lines.insert(
            0, draw.choice(('name = "[/]"', "name = 3", f'extends = "{draw.choice((*preset_names(), TARGET, "x"))}"'))
        )
    return "\n".join(lines).encode("utf-8", "replace")


def edited_precision(draw: Draw) -> bytes:
    """A precision file, right or wrong."""
    lines = []
    for _ in range(draw.randint(1, 3)):
        lines.append(f'[layer."{draw.choice(LAYERS)}"]')
        for key in draw.sample(("weight_bits", "input_bits", "bits"), draw.randint(0, 2)):
            lines.append(f"{key} = {draw.choice((draw.randint(1, 17), draw.randint(1, 17), _value(draw)))}")
    text = "\n".join(lines)
    return changed_text(draw, text).encode("utf-8", "replace") if draw.random() < 0.3 else text.encode()


def target_example(draw: Draw) -> Example:
    """A target, edited or drawn, and what is done with one; sometimes with a precision file."""
    text = _preset(draw.choice(preset_names())) if draw.random() < 0.8 else write_target(draw.target())
    files = {TARGET: edited_target(draw, text)}
    model, data = "@digits_plain.onnx", "@digits_test.npz"
    if draw.random() < 0.4:
        net = network(draw.choice(NETWORKS))
        model, data = MODEL, DATA
        files |= {MODEL: net.SerializeToString(), DATA: npz(inputs_for(net))}
    target = TARGET if draw.random() < 0.8 else draw.choice(preset_names())
    chosen: tuple[str, ...] = ("--target", target)
    if target != TARGET or draw.random() < 0.15:
        files[PRECISION] = edited_precision(draw)
        chosen = (*chosen, "--precision", PRECISION)
    commands: list[tuple[str, ...]] = [
        ("verify", model, *chosen, "--data", data, "--limit", "2"),
        ("targets", "show", TARGET),
        ("estimate", model, "--target", target),
        ("estimate", model, "--target", target, "--budget", "1chip", "--json", "-"),
    ]
    commands = draw.sample(commands, 2)
    if draw.random() < 0.3:
        commands += [
            ("compile", model, *chosen, "-o", "out"),
            ("time", "out"),
            ("report", "out"),
            ("trace", "out", "-o", "t.json"),
        ]
    return Example(tuple(commands), files)
