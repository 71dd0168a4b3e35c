"""Reports and other records as JSON and back: keys sorted, infinities as null, the same text each time."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from typing import Any, TypeVar

from cimc.base.diagnostics import Diagnostic, Place, fail
from cimc.base.names import in_json
from cimc.report.model import REPORT_FORMAT, Report

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Record = TypeVar("Record")


LARGEST = 1 << 63
"""No whole number in a report is as large: products with floats stay finite."""


class _Unfit(Exception):
    """Where a JSON value is not what a record needs."""


def json_text(record: object) -> str:
    """A frozen dataclass as JSON, ending in a line break."""
    text = json.dumps(to_json(record), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return in_json(text) + "\n"


def fields_of(record: Any) -> dict[str, object]:
    """The fields of a dataclass by name, to which a command may add its own."""
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def to_json(value: object) -> Json:
    """A record, a tuple, a mapping by name or a plain value as JSON has it."""
    if isinstance(value, Diagnostic):
        return {"code": value.code, "what": value.what, "where": str(value.where), "todo": value.todo}
    if dataclasses.is_dataclass(value):
        return {name: to_json(item) for name, item in fields_of(value).items()}
    if isinstance(value, typing.Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    assert value is None or isinstance(value, bool | int | str), f"{value!r} has no form in JSON"
    return value


def read_report(text: str, file: str) -> Report:
    """The report in a text; CimcError where it is none, or of another version."""
    place, todo = Place(file), "compile the network again"
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        what = "this is not JSON"
        raise fail("report.file", what, place, "give a report that cimc wrote, or compile the network again") from None
    version = found.get("format") if isinstance(found, dict) else None
    if version != REPORT_FORMAT:
        raise fail(
            "report.version", f"report of version {version}; this cimc reads version {REPORT_FORMAT}", place, todo
        )
    try:
        return _record(Report, found, "")
    except _Unfit as error:
        raise fail("report.file", f"this is not a mapping report: {error}", place, todo) from None


def _record(kind: type[Record], value: Json, where: str) -> Record:
    if not isinstance(value, dict):
        raise _Unfit(f"{where or 'it'} is no object")
    hints = typing.get_type_hints(kind)
    if set(value) != set(hints):
        raise _Unfit(f"{where or 'it'} must have the keys {', '.join(sorted(hints))}")
    return kind(**{name: _value(hint, value[name], f"{where}.{name}".lstrip(".")) for name, hint in hints.items()})


def _value(kind: type, value: Json, where: str) -> object:
    """A value of the type that a field is declared with."""
    if typing.get_origin(kind) is types.UnionType:
        if value is None:
            return None
        (kind,) = (part for part in typing.get_args(kind) if part is not types.NoneType)
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise _Unfit(f"{where} is no list")
        item = typing.get_args(kind)[0]
        return tuple(_value(item, part, f"{where}[{number}]") for number, part in enumerate(value))
    if dataclasses.is_dataclass(kind):
        return _record(kind, value, where)
    if kind is float and type(value) is int and abs(value) < LARGEST:
        return float(value)
    if type(value) is not kind or not _sound(value):
        raise _Unfit(f"{where} is {_shown(value)}")
    return value


def _sound(value: Json) -> bool:
    """Whether a plain value can be reckoned with and printed."""
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)  # halves of characters have no UTF-8
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) < LARGEST


def _shown(value: Json) -> str:
    """A JSON value in a message, cut short."""
    if isinstance(value, int) and abs(value) >= LARGEST:
        return "too large"  # and may have too many digits to be printed
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
