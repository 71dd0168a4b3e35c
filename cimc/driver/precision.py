"""The precision file: bits of weights and inputs, layer by layer.

[layer."/conv1/Conv"]
weight_bits = 4
input_bits = 6
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field

from cimc.base.diagnostics import CimcError, Diagnostic, Place, did_you_mean, fail
from cimc.base.reading import TEXT_LIMIT, read_text

KEYS = ("weight_bits", "input_bits")


@dataclass(frozen=True, slots=True)
class Precision:
    """(weight bits, input bits) by layer name; None takes the default."""

    layers: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)


def read_precision(path: str) -> Precision:
    """Read a precision file; all that is wrong in it at once."""
    try:
        text = read_text(path, TEXT_LIMIT)
        content = tomllib.loads(text)
    except OSError as error:
        raise fail("precision.file", f"{path} can't be read: {error.strerror}", Place(path)) from error
    except ValueError as error:  # a TOMLDecodeError, bytes that are no text, or an integer of thousands of digits
        raise fail("precision.file", f"{path} is not TOML: {error}", Place(path)) from error
    except RecursionError:
        raise fail("precision.file", f"{path} is nested too deeply", Place(path)) from None
    wrong: list[Diagnostic] = []
    for key in content:
        if key != "layer":
            todo = did_you_mean(key, ["layer"]) or 'write [layer."NAME"] sections'
            wrong.append(Diagnostic("precision.key", f'unknown key "{key}"', Place(path, item=key), todo))
    sections = content.get("layer", {})
    layers: dict[str, tuple[int | None, int | None]] = {}
    for name, section in sections.items() if isinstance(sections, dict) else ():
        if not isinstance(section, dict):
            wrong.append(
                Diagnostic(
                    "precision.key", f'"{name}" is no section', Place(path, item=name), f'write [layer."{name}"]'
                )
            )
            continue
        for key, value in section.items():
            if key not in KEYS:
                wrong.append(
                    Diagnostic("precision.key", f'unknown key "{key}"', Place(path, item=name), did_you_mean(key, KEYS))
                )
            elif not isinstance(value, int) or isinstance(value, bool):
                wrong.append(
                    Diagnostic("precision.value", f"{key} is {value!r}, not a whole number", Place(path, item=name))
                )
        layers[name] = (section.get("weight_bits"), section.get("input_bits"))
    if wrong:
        raise CimcError(wrong)
    return Precision(layers)
