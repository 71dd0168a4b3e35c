"""Folders of compiled programs in which somebody changed a file, with digests that fit."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import numpy as np

from cimc.report.folder import REPORT
from cimc.runtime.package import BINARY, MANIFEST, TARGET, TEXT, WEIGHTS, weights_digest
from cimc.runtime.weights_file import write_weights
from tests.fuzz.bases import BASES, base_files
from tests.fuzz.draw import Draw
from tests.fuzz.example import NET, Example
from tests.fuzz.programs import edited_binary, edited_text
from tests.fuzz.target_files import edited_target
from tests.fuzz.values import FLOATS, HUGE, INTS, NAMES, changed_bytes

COMMANDS = (
    ("run", NET, "--input", "input.npz", "--limit", "2", "-o", "out.npz"),
    ("time", NET),
    ("time", NET, "--json", "-", "--inputs", "2"),
    ("trace", NET, "-o", "trace.json"),
    ("report", NET),
    ("report", NET, "--json", "report.json"),
    ("report", NET, "--all-tiles"),
    ("compare", NET, NET),
    ("inspect", NET),
    ("inspect", NET, "--input", "input.npz", "--stop", "0,0,5"),
    ("inspect", NET, "--cell", "0,0,0,1,1"),
    ("disasm", f"{NET}/{BINARY}"),
)
PAGE = ("report", NET, "--html", "page.html")
WRONG: tuple[object, ...] = (None, True, [], {}, [[]], "", *NAMES, *HUGE, *FLOATS)


def _name_of(part: str) -> str:
    return f"{NET}/{part}"


def edited_json(draw: Draw, content: bytes) -> bytes:
    """JSON with a value changed, a key renamed or lost; or its bytes changed."""
    if draw.random() < 0.1:
        return changed_bytes(draw, content)
    value = json.loads(content)
    for _ in range(draw.randint(1, 2)):
        holder: Any = value
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = draw.choice(keys)
            if isinstance(holder[key], dict | list) and holder[key] and draw.random() < 0.85:
                holder = holder[key]
                continue
            _change(draw, holder, key)
            break
    return json.dumps(value).encode()


def _change(draw: Draw, holder: Any, key: Any) -> None:
    """Change one entry of a JSON object or list."""
    match draw.randrange(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[draw.choice(NAMES)] = holder.pop(key)
        case 2 if isinstance(holder, list):
            holder.append(holder[key])
        case 3 if isinstance(holder[key], int):
            holder[key] += draw.choice((-1, 1))
        case _:
            holder[key] = draw.choice(WRONG)


def edited_weights(draw: Draw, base: str) -> dict[str, bytes]:
    """The weights with an array changed, and the program's text with the digest of the new ones."""
    with np.load(io.BytesIO(base_files(base)[_name_of(WEIGHTS)])) as file:
        arrays = {name: file[name] for name in file.files}
    name = draw.choice(tuple(arrays))
    array = arrays[name]
    with np.errstate(all="ignore"):
        match draw.randrange(6):
            case 0:
                arrays[name] = array.astype(draw.choice(("i1", "i2", "i4", "i8", "u8", "f2", "f4", "f8", "?")))
            case 1 if array.ndim:
                arrays[name] = array[: draw.choice((0, 1, -1))]
            case 2:
                arrays[name] = np.ascontiguousarray(array.T)
            case 3:
                del arrays[name]
            case _ if array.size:
                arrays[name] = array = array.copy()
                if array.dtype.kind == "f":
                    array.flat[draw.randrange(array.size)] = draw.choice(FLOATS)
                else:
                    limits = np.iinfo(array.dtype)
                    values = [value for value in (*INTS, int(limits.max)) if limits.min <= value <= limits.max]
                    array.flat[draw.randrange(array.size)] = draw.choice(values)
    out = io.BytesIO()
    write_weights(arrays, out)
    text = base_files(base)[_name_of(TEXT)].decode()
    text = re.sub('weights="[0-9a-f]*"', f'weights="{weights_digest(arrays)}"', text)
    return {_name_of(WEIGHTS): out.getvalue(), _name_of(TEXT): text.encode()}


def package_example(draw: Draw) -> Example:
    """A folder with one file changed, sometimes two, and everything that reads one."""
    base = draw.choice(tuple(BASES))
    files: dict[str, bytes] = {}
    for _ in range(draw.choice((1, 1, 1, 2))):
        match draw.choice((TEXT, TEXT, BINARY, WEIGHTS, WEIGHTS, TARGET, TARGET, MANIFEST, REPORT, REPORT)):
            case "program.casm":
                files[_name_of(TEXT)] = edited_text(draw, base)
            case "program.cimb":
                files[_name_of(BINARY)] = edited_binary(draw, base)
            case "weights.npz" if draw.random() < 0.8:
                files.update(edited_weights(draw, base))
            case "target.toml":
                files[_name_of(TARGET)] = edited_target(draw, base_files(base)[_name_of(TARGET)].decode())
            case "manifest.json" | "report.json" as name:
                files[_name_of(name)] = edited_json(draw, base_files(base)[_name_of(name)])
            case name:
                files[_name_of(name)] = changed_bytes(draw, base_files(base)[_name_of(name)])
    commands = tuple(draw.sample(COMMANDS, 4))
    return Example((*commands, PAGE) if draw.random() < 0.05 else commands, files, base)
