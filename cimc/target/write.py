"""From a Target to a resolved TOML text that load_target reads back to an equal Target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cimc.base.names import in_toml
from cimc.target.fields import Value, units_of
from cimc.target.keys import SECTIONS, Path
from cimc.target.model import Target


def write_target(target: Target, sources: Mapping[Path, str] | None = None) -> str:
    """A target as a file that stands alone: nothing extended, base units, the same bytes for the same target.

    sources: where each value comes from, as cimc.target.load.load_sourced gives them. A Target keeps the sources of
    its prices only, so without them the text says that a value was resolved from the target of this name.
    """
    return "\n".join(_lines(target, sources or {})) + "\n"


def _lines(target: Target, sources: Mapping[Path, str]) -> Iterator[str]:
    yield f"name = {_text(target.name)}"
    yield f"description = {_text(target.description)}" if target.description else "# no description"
    resolved = f"resolved from target {target.name}"
    for section, keys in SECTIONS.items():
        part = getattr(target, section)
        if part is None:
            continue
        yield ""
        yield f"[{section}]"
        for key, field in keys.items():
            units = units_of(field)
            unit = f", unit = {_text(units[0])}" if units else ""
            source = _text(sources.get((section, key), resolved))
            yield f"{key} = {{ value = {_value(getattr(part, key))}{unit}, source = {source} }}"
    for action, price in sorted(target.prices.items()):
        yield ""
        yield f"[prices.{action}]"
        source = _text(price.source)
        yield f'seconds = {{ value = {_value(price.seconds)}, unit = "s", source = {source} }}'
        yield f'joules = {{ value = {_value(price.joules)}, unit = "J", source = {source} }}'


def _value(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case _:
            return repr(value)


def _text(text: str) -> str:
    return f'"{in_toml(text)}"'
