"""Target files of a few lines, for tests that go through a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from cimc.target.fields import Count
from cimc.target.keys import SECTIONS


def target_file(folder: Path, base: str = "ideal", **sections: Mapping[str, int | str | bool]) -> str:
    """A file "tried.toml" that extends a preset with other values: target_file(folder, crossbar={"adc_bits": 4})."""
    lines = [f'extends = "{base}"', 'name = "tried"', 'description = "a target of a test"']
    for section, keys in sections.items():
        lines.append(f"[{section}]")
        for key, value in keys.items():
            field = SECTIONS[section][key]
            unit = f'unit = "{field.unit}", ' if isinstance(field, Count) else ""
            lines.append(f'{key} = {{ value = {json.dumps(value)}, {unit}source = "assumed: a test" }}')
    path = folder / "tried.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)
