"""From a Target to a resolved TOML text that load_target reads back to an equal Target."""

from __future__ import annotations

from collections.abc import Iterator

from cimc.target.fields import as_toml
from cimc.target.keys import SECTIONS
from cimc.target.model import Target


def write_target(target: Target) -> str:
    """A target as a file that stands alone: nothing extended, base units, the same bytes for the same target.

    Of a value without a source the text says that it was resolved from the target of this name.
    """
    return "\n".join(_lines(target)) + "\n"


def _lines(target: Target) -> Iterator[str]:
    yield f"name = {as_toml(target.name)}"
    yield f"description = {as_toml(target.description)}" if target.description else "# no description"
    resolved = f"resolved from target {target.name}"
    for section, keys in SECTIONS.items():
        part = getattr(target, section)
        if part is not None:
            yield from ("", f"[{section}]")
            for key, field in keys.items():
                unit = f", unit = {as_toml(field.units[0])}" if field.units else ""
                source = as_toml(target.sources.get((section, key), resolved))
                yield f"{key} = {{ value = {as_toml(getattr(part, key))}{unit}, source = {source} }}"
    for action, price in sorted(target.prices.items()):
        yield from ("", f"[prices.{action}]")
        for key, unit in (("seconds", "s"), ("joules", "J")):
            value = as_toml(getattr(price, key))
            yield f'{key} = {{ value = {value}, unit = "{unit}", source = {as_toml(price.source)} }}'
