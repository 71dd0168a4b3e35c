"""The JSON Schema of reports, from the dataclasses that they are written from.

`python -m cimc.report.schema` writes docs/report.schema.json; a test sees to it that the file is current.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
import typing
from pathlib import Path

from cimc.report.json_text import Json
from cimc.report.model import REPORT_FORMAT, Report

FILE = Path(__file__).resolve().parents[2] / "docs" / "report.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_PLAIN: dict[object, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def report_schema() -> dict[str, Json]:
    """The schema of report.json, as JSON has it."""
    schema = schema_of(Report)
    properties = schema["properties"]
    assert isinstance(properties, dict), "a report is an object"
    properties["format"] = {"const": REPORT_FORMAT}
    return {"$schema": DIALECT, "$id": f"urn:cimc:report:{REPORT_FORMAT}", "title": "cimc mapping report", **schema}


def schema_text() -> str:
    """The schema as the text of a file, the same each time."""
    return json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n"


def schema_of(record: type) -> dict[str, Json]:
    """The schema of a frozen dataclass, with those of the records in it under "$defs"."""
    defined: dict[str, Json] = {}
    schema = _object(record, defined)
    return {**schema, "$defs": dict(sorted(defined.items()))} if defined else schema


def _object(record: type, defined: dict[str, Json]) -> dict[str, Json]:
    """An object with all the fields of a record and no others; records in it go into `defined`."""
    hints = typing.get_type_hints(record)
    names = [field.name for field in dataclasses.fields(record)]
    return {
        "description": _description(record),
        "type": "object",
        "additionalProperties": False,
        "required": list(names),
        "properties": {name: _value(hints[name], defined) for name in names},
    }


def _value(hint: object, defined: dict[str, Json]) -> Json:
    """The schema of a value that a field is declared with."""
    if typing.get_origin(hint) is types.UnionType:
        return {"anyOf": [_value(part, defined) for part in typing.get_args(hint)]}
    if hint is types.NoneType:
        return {"type": "null"}
    if typing.get_origin(hint) is tuple:
        item, *others = typing.get_args(hint)
        assert others == [...], f"{hint} has a length"
        return {"type": "array", "items": _value(item, defined)}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        if hint.__name__ not in defined:
            defined[hint.__name__] = None  # a record may hold itself
            defined[hint.__name__] = _object(hint, defined)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    assert hint in _PLAIN, f"{hint} has no form in JSON"
    return {"type": _PLAIN[hint]}


def _description(record: type) -> str:
    """A record's docstring, its paragraphs without line breaks, and None as JSON calls it."""
    text = re.sub(r"\bNone\b", "null", inspect.getdoc(record) or "")
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


if __name__ == "__main__":
    FILE.write_text(schema_text(), encoding="utf-8", newline="\n")
