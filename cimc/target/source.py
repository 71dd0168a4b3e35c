"""One target file: its text read into entries, each with its value in SI, its source and its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cimc.base.diagnostics import CimcError, Diagnostic, Place, did_you_mean, fail
from cimc.target.fields import Count, Field, Listing, Value, as_toml
from cimc.target.keys import Path, at

HEADER = re.compile(r"^\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
KEY = re.compile(r"""^\s*([A-Za-z0-9_."'\- ]+?)\s*=""")
POSITION = re.compile(r"\s*\((?:at line (\d+), column (\d+)|at end of document)\)$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a target: its value (SI), where the value comes from, and where the key stands."""

    value: Value
    source: str
    place: Place


@dataclass(slots=True)
class TargetFile:
    """What one file says. entries: by path; texts: name, description and extends; diagnostics: its mistakes."""

    file: str
    lines: Mapping[Path, int]
    entries: dict[Path, Entry] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def place(self, path: Path) -> Place:
        """The line of a key, or of the innermost table around it that has one."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return Place(self.file, self.lines[path[:length]], item=".".join(path))
        return Place(self.file, item=".".join(path))

    def complain(self, code: str, what: str, path: Path, todo: str = "") -> None:
        """Note one mistake at a key."""
        self.diagnostics.append(Diagnostic(code, what, self.place(path), todo))


def read_target_file(text: str, file: str) -> TargetFile:
    """Read the text of one target file; `file` is its name in messages. Raises CimcError only for broken TOML."""
    try:
        document: dict[str, object] = tomllib.loads(text)
    except ValueError as error:  # a TOMLDecodeError, or an integer of thousands of digits
        raise _broken(str(error), text, file) from None
    except RecursionError:
        raise _broken("arrays or tables are nested too deeply", text, file) from None
    result = TargetFile(file, _lines_of_keys(text))
    _read_table((), document, result)
    return result


def _broken(message: str, text: str, file: str) -> CimcError:
    position = POSITION.search(message)
    line, column = len(text.splitlines()), 0
    if position and position[1]:
        line, column = int(position[1]), int(position[2])
    what = f"this is not TOML: {POSITION.sub('', message)}"
    todo = 'a key reads: rows = { value = 128, unit = "rows", ... }'
    return fail("target.toml", what, Place(file, line, column), todo)


def _lines_of_keys(text: str) -> dict[Path, int]:
    """The line of each table header and key that begins a line, by its full path."""
    lines: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := HEADER.match(line):
            table = _split_key(header[1])
            lines.setdefault(table, number)
        elif key := KEY.match(line):
            path = table + _split_key(key[1])
            for length in range(len(table) + 1, len(path) + 1):
                lines.setdefault(path[:length], number)
    return lines


def _split_key(text: str) -> Path:
    return tuple(part.strip().strip("\"'") for part in text.split("."))


def _read_table(table: Path, keys: Mapping[str, object], result: TargetFile) -> None:
    """What stands in a table: entries, texts and further tables."""
    known = at(table)
    for key, given in keys.items():
        path, found = (*table, key), known.get(key)
        name = ".".join(path)
        if found is None:
            hint = did_you_mean(key, known) or f"known here: {', '.join(known)}"
            where = f"[{'.'.join(table)}]" if table else "a target file"
            result.complain("target.key", f'{where} has no key "{key}"', path, hint)
        elif isinstance(found, Field):
            read_entry(path, found, given, result)
        elif found is str and isinstance(given, str) and given.strip():
            result.texts[key] = given
        elif found is str:
            result.complain("target.type", f'"{key}" must be a text', path, f'write {key} = "..."')
        elif isinstance(given, dict):
            _read_table(path, given, result)
        else:
            result.complain("target.type", f'"{name}" must be a table', path, f"write it as [{name}]")
    if "joules" in keys and "watts" in keys and {"joules", "watts"} <= known.keys():
        what = f'"{".".join(table)}" gives both joules and watts'
        result.complain("target.inconsistent", what, (*table, "watts"), "keep one: joules = watts x seconds")


def read_entry(path: Path, found: Field, given: object, result: TargetFile) -> None:
    """Read what is given for a key: an entry of the file, or a diagnostic."""
    name, todo = ".".join(path), f'write {path[-1]} = {{ value = {found.example}, source = "..." }}'
    if not isinstance(given, dict):
        what = f'"{name}" must say its value{", unit" if found.units else ""} and source'
        result.complain("target.type", what, path, todo)
        return
    allowed = ("value", "unit", "source") if found.units else ("value", "source")
    mistakes = len(result.diagnostics)
    for key in given:
        if key not in allowed:
            hint = did_you_mean(key, allowed) or todo
            result.complain("target.key", f'"{name}" has no part "{key}"', (*path, key), hint)
    source = given.get("source")
    if not isinstance(source, str) or not source.strip():
        hint = 'name the paper and table, or write source = "assumed: why" where no paper says it'
        result.complain("target.source", f'"{name}" does not say where its value comes from', path, hint)
    value: Any = given.get("value")
    if not found.takes(value):
        what = f'"{name}" has no value' if value is None else f'"{name}" needs {found.kind}, not {value!r}'
        result.complain("target.type", what, (*path, "value"), todo)
    elif isinstance(found, Listing):
        numbers = [_read_number(path, found, one, given.get("unit"), result) for one in value]
        value = tuple(numbers)  # one that is None has left a diagnostic
    elif isinstance(found, Count):
        value = _read_number(path, found, value, given.get("unit"), result)
    elif value not in found.words:
        hint = did_you_mean(str(value), map(str, found.words)) or found.kind
        result.complain("target.value", f'"{name}" cannot be "{value}"', (*path, "value"), hint)
    if value is not None and len(result.diagnostics) == mistakes:
        result.entries[path] = Entry(value, str(source), result.place(path))


def _read_number(path: Path, found: Count, value: float, unit: object, result: TargetFile) -> float | None:
    """The value in the field's own unit, or None after a diagnostic."""
    name = ".".join(path)
    if not isinstance(unit, str) or unit not in found.units:
        what = f'"{name}" has no unit' if unit is None else f'"{name}" cannot be given in "{unit}"'
        result.complain("target.unit", what, (*path, "unit"), f"the unit is {' or '.join(map(as_toml, found.units))}")
        return None
    number = found.in_own_unit(value, unit)
    if not found.low <= number <= found.high:  # also refuses nan
        what = f'"{name}" is {value} {unit}, which is out of range'
        limits = f"it goes from {found.low:g} to {found.high:g} {found.unit}"
        result.complain("target.range", what, (*path, "value"), limits)
        return None
    return number
