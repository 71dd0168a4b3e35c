"""Values that take the place of a target's own: `--set crossbar.adc_bits=6`, read and checked as in a target file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cimc.base.diagnostics import CimcError, Diagnostic, Place, did_you_mean
from cimc.target.fields import Choice, Field, Listing, Quantity
from cimc.target.keys import ACTIONS, PRICE, SECTIONS, at
from cimc.target.source import TargetFile, read_entry

OPTION = "--set"
Setting = str | int | float | bool
"""A value as a text, with its unit ("80ns"); or as Python has it, in the base unit."""


def as_settings(given: Any) -> object:
    """Settings by key of texts such as "crossbar.adc_bits=6", or of one; a mapping is taken as it is."""
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
        return given
    wrong = [text for text in texts if not text.partition("=")[2].strip()]
    if wrong:
        todo = f"write {OPTION} crossbar.adc_bits=6"
        raise CimcError(Diagnostic("options.set", f'"{text}" is not KEY=VALUE', Place(OPTION), todo) for text in wrong)
    return {key.strip(): value.strip() for key, _, value in (text.partition("=") for text in texts)}


def settings_file(settings: Mapping[str, Setting], base: str) -> TargetFile:
    """The settings as a target file that extends the target of this name."""
    file = TargetFile(OPTION, {}, texts={"name": f"{base} with {', '.join(f'{k}={v}' for k, v in settings.items())}"})
    for key, value in settings.items():
        path = tuple(key.split("."))
        found = at(path)
        if isinstance(found, Field):
            read_entry(path, found, {**_given(found, value), "source": f"{OPTION} {key}={value}"}, file)
        else:
            file.complain("target.key", f'a target has no key "{key}"', path, _near(key))
    return file


def _given(found: Field, value: Setting) -> dict[str, object]:
    """A value and its unit, as a target file has them. A count without a unit is in its own; a number is in SI."""
    if isinstance(found, Choice):
        text = value.strip("\"'") if isinstance(value, str) else value
        return {"value": {str(word).lower(): word for word in found.words}.get(str(text).lower(), text)}
    if not isinstance(value, str):
        return {"value": value, "unit": found.unit}
    if isinstance(found, Listing):
        *numbers, last = value.strip("[] ").split(",")
        end = _given(Quantity(found.unit, found.low, found.high, found.meaning), last.strip())
        return {**end, "value": [_number(number.strip()) for number in numbers] + [end["value"]]}
    match = re.fullmatch(r"([-+.\d_]+(?:[eE][-+]?\d+)?)\s*([A-Za-z]*)", value)
    unit = {"unit": match[2]} if match and match[2] else {} if isinstance(found, Quantity) else {"unit": found.unit}
    return {"value": _number(match[1] if match else value), **unit}


def _number(text: str) -> int | float | str:
    """A text as the number it is, if any."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _near(key: str) -> str:
    """A hint for a key that is none."""
    keys = [f"{section}.{name}" for section, names in SECTIONS.items() for name in names]
    keys += [f"prices.{action}.{name}" for action in ACTIONS for name in PRICE]
    same = [known for known in keys if known.split(".")[-1] == key.split(".")[-1]]
    if same and len(same) <= 5:
        return f"did you mean {' or '.join(same)}?"
    return did_you_mean(key, keys) or f"known here: {', '.join(SECTIONS)} and prices, such as {keys[0]}"
