"""One target file: its text read into entries, each with its value in SI, its source and its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field

from cimc.base.diagnostics import CimcError, Diagnostic, Place, did_you_mean, fail
from cimc.target.fields import Choice, Count, Field, Quantity, Switch, Value, in_base_unit, units_of
from cimc.target.keys import TEXTS, Path, field_at, known_keys

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
    for key, value in document.items():
        if key in TEXTS:
            _read_text(key, value, result)
        elif not known_keys((key,)):
            _unknown_key((key,), result)
        elif not isinstance(value, dict):
            result.complain("target.type", f'"{key}" must be a table', (key,), f"write it as [{key}]")
        elif key == "prices":
            _read_prices(value, result)
        else:
            _read_section((key,), value, result)
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


def _read_text(key: str, value: object, result: TargetFile) -> None:
    if not isinstance(value, str) or not value.strip():
        result.complain("target.type", f'"{key}" must be a text', (key,), f'write {key} = "..."')
    else:
        result.texts[key] = value


def _unknown_key(path: Path, result: TargetFile) -> None:
    known = known_keys(path[:-1])
    hint = did_you_mean(path[-1], known) or f"known here: {', '.join(known)}"
    where = f"[{'.'.join(path[:-1])}]" if path[:-1] else "a target file"
    result.complain("target.key", f'{where} has no key "{path[-1]}"', path, hint)


def _read_section(table: Path, keys: Mapping[str, object], result: TargetFile) -> None:
    for key, given in keys.items():
        path = (*table, key)
        found = field_at(path)
        if found is None:
            _unknown_key(path, result)
        else:
            read_entry(path, found, given, result)


def _read_prices(prices: Mapping[str, object], result: TargetFile) -> None:
    for action, keys in prices.items():
        path = ("prices", action)
        if action not in known_keys(("prices",)):
            _unknown_key(path, result)
        elif not isinstance(keys, dict):
            result.complain("target.type", f'"prices.{action}" must be a table', path, f"write it as [prices.{action}]")
        else:
            _read_section(path, keys, result)
            if "joules" in keys and "watts" in keys:
                what = f'"prices.{action}" gives both joules and watts'
                result.complain("target.inconsistent", what, (*path, "watts"), "keep one: joules = watts x seconds")


def read_entry(path: Path, found: Field, given: object, result: TargetFile) -> None:
    """Read what is given for a key: an entry of the file, or a diagnostic."""
    name = ".".join(path)
    example = _example(path[-1], found)
    if not isinstance(given, dict):
        what = f'"{name}" must say its value{", unit" if units_of(found) else ""} and source'
        result.complain("target.type", what, path, f"write {example}")
        return
    allowed = ("value", "unit", "source") if units_of(found) else ("value", "source")
    mistakes = len(result.diagnostics)
    for key in given:
        if key not in allowed:
            hint = did_you_mean(key, allowed) or f"write {example}"
            result.complain("target.key", f'"{name}" has no part "{key}"', (*path, key), hint)
    source = given.get("source")
    if not isinstance(source, str) or not source.strip():
        todo = 'name the paper and table, or write source = "assumed: why" where no paper says it'
        result.complain("target.source", f'"{name}" does not say where its value comes from', path, todo)
    value = _read_value(path, found, given, result)
    if value is not None and len(result.diagnostics) == mistakes:
        result.entries[path] = Entry(value, str(source), result.place(path))


def _read_value(path: Path, found: Field, given: Mapping[str, object], result: TargetFile) -> Value | None:
    """The value in its base unit, or None after a diagnostic."""
    name, value = ".".join(path), given.get("value")
    match found:
        case Switch() if isinstance(value, bool):
            return value
        case Choice(words=words) if isinstance(value, str):
            if value in words:
                return value
            hint = did_you_mean(value, words) or f"one of {_quoted(words)}"
            result.complain("target.value", f'"{name}" cannot be "{value}"', (*path, "value"), hint)
        case Count() if isinstance(value, int) and not isinstance(value, bool):
            return _read_number(path, found, value, given, result)
        case Quantity() if isinstance(value, int | float) and not isinstance(value, bool):
            return _read_number(path, found, value, given, result)
        case _:
            what = f'"{name}" has no value' if value is None else f'"{name}" needs {_kind(found)}, not {value!r}'
            result.complain("target.type", what, (*path, "value"), f"write {_example(path[-1], found)}")
    return None


def _read_number(
    path: Path, found: Count | Quantity, value: float, given: Mapping[str, object], result: TargetFile
) -> int | float | None:
    name, unit, units = ".".join(path), given.get("unit"), units_of(found)
    if not isinstance(unit, str) or unit not in units:
        what = f'"{name}" has no unit' if unit is None else f'"{name}" cannot be given in "{unit}"'
        result.complain("target.unit", what, (*path, "unit"), f"the unit is {' or '.join(_quote(u) for u in units)}")
        return None
    number = in_base_unit(found, value, unit)
    if not found.low <= number <= found.high:  # also refuses nan
        what = f'"{name}" is {value} {unit}, which is out of range'
        limits = f"it goes from {found.low:g} to {found.high:g} {found.unit}"
        result.complain("target.range", what, (*path, "value"), limits)
        return None
    return number


def _kind(found: Field) -> str:
    match found:
        case Count():
            return "a whole number"
        case Quantity():
            return "a number"
        case Choice(words=words):
            return f"one of {_quoted(words)}"
        case Switch():
            return "true or false"


def _example(key: str, found: Field) -> str:
    match found:
        case Choice(words=words):
            value = _quote(words[0])
        case Switch():
            value = "true"
        case _:
            value = f'1, unit = "{units_of(found)[0]}"'
    return f'{key} = {{ value = {value}, source = "..." }}'


def _quote(word: str) -> str:
    return f'"{word}"'


def _quoted(words: tuple[str, ...]) -> str:
    return " or ".join(_quote(word) for word in words)
