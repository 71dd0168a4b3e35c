"""An example: files in a folder and the commands that are run there, one after the other.

It is kept as a folder of those files, with example.json for the rest. In a command, "@digits_plain.onnx" is a bundled
file. With a base, a compiled program lies in net/ and inputs for it in input.npz; the example's files are laid over
them, with digests that fit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cimc import examples
from cimc.runtime.package import BINARY, MANIFEST, TEXT
from tests.fuzz.bases import base_files

NAME = "example.json"
NET = "net"


@dataclass(frozen=True, slots=True)
class Example:
    """files: content by path below the folder; base: of tests.fuzz.bases, or "" for none."""

    commands: tuple[tuple[str, ...], ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    base: str = ""

    def lay_out(self, folder: Path) -> None:
        """Write all files into an empty folder."""
        files = laid_over(base_files(self.base), self.files) if self.base else self.files
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def keep(self, folder: Path) -> None:
        """Write it as load reads it."""
        for name, content in {**self.files, NAME: self.description()}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def description(self) -> bytes:
        """All but the files, as JSON."""
        commands = ",\n  ".join(json.dumps(command) for command in self.commands)
        return f'{{"base": {json.dumps(self.base)}, "commands": [\n  {commands}\n]}}\n'.encode()

    def digest(self) -> str:
        """A short name of all that it is."""
        digest = hashlib.sha256(self.description())
        for name, content in sorted(self.files.items()):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()[:10]


def load(folder: Path) -> Example:
    """An example that was kept."""
    found = json.loads((folder / NAME).read_bytes())
    files = {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}
    del files[NAME]
    return Example(tuple(tuple(command) for command in found["commands"]), files, found["base"])


def typed(command: tuple[str, ...]) -> list[str]:
    """A command's words with the bundled files in place."""
    return [str(examples.path(word[1:])) if word.startswith("@") else word for word in command]


def laid_over(base: Mapping[str, bytes], files: Mapping[str, bytes]) -> dict[str, bytes]:
    """A compiled program with other files, whose digests stand in its manifest. Of a program that is given in one form
    the other is left out."""
    program = {f"{NET}/{TEXT}", f"{NET}/{BINARY}"}
    given = program & files.keys()
    left_out = program - given if given else set()
    made = {**{name: content for name, content in base.items() if name not in left_out}, **files}
    try:
        manifest = json.loads(made[f"{NET}/{MANIFEST}"])
        listed = manifest["files"], manifest["beside"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return made
    for digests in (one for one in listed if isinstance(one, dict)):
        for name in list(digests):
            path = f"{NET}/{name}"
            if path in left_out:
                del digests[name]
            elif path in files:
                digests[name] = hashlib.sha256(files[path]).hexdigest()
    made[f"{NET}/{MANIFEST}"] = json.dumps(manifest).encode()
    return made
