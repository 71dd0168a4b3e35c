"""Options declared once: the command line, the Python API and the documentation are made from a class of them.

A field of an options class is an option: its name, its type, its default, and an Option that says what it does. `made`
makes options of what a user gave by name; whoever makes them by hand gets the same checks.
"""

from __future__ import annotations

import math
import numbers
import os
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from cimc.base.diagnostics import CimcError, Diagnostic, Place, did_you_mean


@dataclass(frozen=True, slots=True)
class Option:
    """What an option does. metavar: how its value is written, "" where the type says that. least, most: of a number.

    read: makes the value of what a user gives for it, such as a text or a file; many: it may be given more than once.
    """

    help: str
    metavar: str = ""
    least: float = -math.inf
    most: float = math.inf
    read: Callable[[Any], object] | None = None
    many: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """Options whose values are held to the types and bounds of their fields."""

    def __post_init__(self) -> None:
        require(p for name, what in options_of(type(self)).items() for p in _problem(name, getattr(self, name), *what))


Options = TypeVar("Options", bound=Checked)


def made(kind: type[Options], given: Mapping[str, object], *others: type[Checked]) -> Options:
    """Options of what a user gave by name. others: classes to which other names may belong.

    Raises CimcError with all names that nobody knows, or all values that cannot be.
    """
    known = [name for one in (kind, *others) for name in options_of(one)]
    require(
        Diagnostic("options.name", f'there is no option "{name}"', todo=did_you_mean(name, known) or ", ".join(known))
        for name in given
        if name not in known
    )
    values: dict[str, Any] = {}
    wrong: list[Diagnostic] = []
    for name, (_, option) in options_of(kind).items():
        if name in given:
            try:
                values[name] = given[name] if option.read is None else option.read(given[name])
            except CimcError as error:
                wrong += error.diagnostics
    try:
        found = kind(**values)
    except CimcError as error:
        raise CimcError([*wrong, *error.diagnostics]) from None
    require(wrong)
    return found


def options_of(kind: type[object]) -> Mapping[str, tuple[Any, Option]]:
    """The type and the Option of every field, by its name."""
    hints = get_type_hints(kind, include_extras=True)
    return {one.name: get_args(hints[one.name]) for one in fields(kind)}  # type: ignore[arg-type]


def require(wrong: Iterable[Diagnostic]) -> None:
    """Raise all that is wrong, if anything is."""
    if found := list(wrong):
        raise CimcError(found)


def fits(value: object, kind: Any) -> bool:
    """Whether a value is of a type as options declare it; numpy's numbers are numbers too."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is types.UnionType:
        return any(fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is Mapping:
        return isinstance(value, Mapping) and all(fits(a, parts[0]) and fits(b, parts[1]) for a, b in value.items())
    if kind in (int, float):
        return isinstance(value, numbers.Integral if kind is int else numbers.Real) and not isinstance(value, bool)
    return isinstance(value, origin or kind)


def in_words(kind: Any) -> str:
    """A type as a reader says it."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is types.UnionType:
        return " or ".join(dict.fromkeys(in_words(part) for part in parts if part is not types.NoneType))
    if origin is Literal:
        return f"one of {', '.join(parts)}"
    if origin is Mapping:
        return f"{in_words(parts[1])} for each name"
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "a text", os.PathLike: "a path"}
    return words.get(origin or kind, f"a {(origin or kind).__name__}")


def shown(value: object) -> str:
    """A value in a message, cut short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def counts_by_name(option: str, sketch: str, example: str) -> Callable[[Any], object]:
    """What reads whole numbers by name: "h=32,w=32", several such texts, or a mapping as it is."""

    def read(given: Any) -> object:
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
            return given
        found: dict[str, int] = {}
        wrong = []
        for item in (item for text in texts for item in text.split(",")):
            name, _, number = item.rpartition("=")
            if name.strip() and re.fullmatch(r"\d{1,9}", number.strip()) and int(number):
                found[name.strip()] = int(number)
            else:
                what = f'"{item}" is not {sketch}'
                wrong.append(Diagnostic(f"options.{option}", what, Place(item=f"--{option}"), f"write {example}"))
        require(wrong)
        return found

    return read


def _problem(name: str, value: object, kind: Any, option: Option) -> Iterable[Diagnostic]:
    """What is wrong with the value of an option."""
    where = Place(item="--" + name.replace("_", "-"))
    if not fits(value, kind):
        todo = f"choose {in_words(kind)}" if get_origin(kind) is Literal else f"give {in_words(kind)}"
        yield Diagnostic("options.value", f"{name} is {shown(value)}", where, todo)
        return
    low, high = option.least, option.most
    values: Iterable[Any] = value.values() if isinstance(value, Mapping) else (value,)
    for number in filter(lambda one: fits(one, float), values):
        if not math.isfinite(number):
            yield Diagnostic("options.value", f"{name} is {number}", where, "give a finite number")
        elif not low <= number <= high:
            todo = f"give {low:g} or more" if high == math.inf else f"give {low:g} to {high:g}"
            yield Diagnostic("options.value", f"{name} is {number}", where, todo)
