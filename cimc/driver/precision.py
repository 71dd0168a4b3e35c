"""The precision file: bits of weights and inputs, layer by layer.

[layer."/conv1/Conv"]
weight_bits = 4
input_bits = 6
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field

from cimc.base.diagnostics import Diagnostic, Place, did_you_mean, fail
from cimc.base.options import require
from cimc.base.reading import TEXT_LIMIT, read_text

KEYS = ("weight_bits", "input_bits")


@dataclass(frozen=True, slots=True)
class Precision:
    """(weight bits, input bits) by layer name; None takes the default."""

    layers: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)


def as_precision(given: object) -> object:
    """The Precision of a file, or of sections by layer as a file has them; a Precision as it is."""
    if isinstance(given, str | os.PathLike):
        return read_precision(given)
    return _checked({"layer": given}, "precision") if isinstance(given, Mapping) else given


def read_precision(path: str | os.PathLike[str]) -> Precision:
    """Read a precision file; all that is wrong in it at once."""
    name = os.fspath(path)
    try:
        return _checked(tomllib.loads(read_text(path, TEXT_LIMIT)), name)
    except OSError as error:
        raise fail("precision.file", f"{name} can't be read: {error.strerror}", Place(name)) from error
    except ValueError as error:  # a TOMLDecodeError, bytes that are no text, or an integer of thousands of digits
        raise fail("precision.file", f"{name} is not TOML: {error}", Place(name)) from error
    except RecursionError:
        raise fail("precision.file", f"{name} is nested too deeply", Place(name)) from None


def _checked(content: Mapping[str, object], path: str) -> Precision:
    """What sections say."""
    wrong: list[Diagnostic] = []
    for key in content:
        if key != "layer":
            todo = did_you_mean(key, ["layer"]) or 'write [layer."NAME"] sections'
            wrong.append(Diagnostic("precision.key", f'unknown key "{key}"', Place(path, item=key), todo))
    sections = content.get("layer", {})
    layers: dict[str, tuple[int | None, int | None]] = {}
    for name, section in sections.items() if isinstance(sections, Mapping) else ():
        if not isinstance(section, Mapping):
            todo = f'write [layer."{name}"]'
            wrong.append(Diagnostic("precision.key", f'"{name}" is no section', Place(path, item=name), todo))
            continue
        for key, value in section.items():
            if key not in KEYS:
                what = f'unknown key "{key}"'
                wrong.append(Diagnostic("precision.key", what, Place(path, item=name), did_you_mean(key, KEYS)))
            elif not isinstance(value, int) or isinstance(value, bool):
                what = f"{key} is {value!r}, not a whole number"
                wrong.append(Diagnostic("precision.value", what, Place(path, item=name)))
        layers[name] = (section.get("weight_bits"), section.get("input_bits"))
    require(wrong)
    return Precision(layers)
