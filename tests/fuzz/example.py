"""An example: files in a folder and the commands that are run there, one after the other.

It is kept as a folder of those files, with example.json for the rest. In a command, "@digits_plain.onnx" is a bundled
file. With a base, a compiled program lies in net/ and inputs for it in input.npz; the example's files are laid over
them, with digests that fit. In a kept assembly text "@weights" is the digest of the base's weights, whatever they are
when it is run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cimc import examples
from cimc.runtime.package import BINARY, MANIFEST, TEXT
from tests.fuzz.bases import base_files

NAME = "example.json"
NET = "net"
WEIGHTS = b'weights="@weights"'


@dataclass(frozen=True, slots=True)
class Example:
    """files: content by path below the folder; base: of tests.fuzz.bases, or "" for none; equal: pairs of files that
    must be equal in the end, where both are there."""

    commands: tuple[tuple[str, ...], ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    base: str = ""
    equal: tuple[tuple[str, str], ...] = ()

    def lay_out(self, folder: Path) -> None:
        """Write all files into an empty folder."""
        files = laid_over(base_files(self.base), self.files) if self.base else self.files
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def keep(self, folder: Path) -> None:
        """Write it as load reads it."""
        files = {
            name: _exchanged(name, content, weights_of(self.base), WEIGHTS) for name, content in self.files.items()
        }
        for name, content in {**files, NAME: self.description()}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def description(self) -> bytes:
        """All but the files, as JSON."""
        commands = ",\n  ".join(json.dumps(command) for command in self.commands)
        head = f'"base": {json.dumps(self.base)}, "equal": {json.dumps(self.equal)}'
        return f'{{{head}, "commands": [\n  {commands}\n]}}\n'.encode()

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
    base = found["base"]
    files = {name: _exchanged(name, content, WEIGHTS, weights_of(base)) for name, content in files.items()}
    commands = tuple(tuple(command) for command in found["commands"])
    return Example(commands, files, base, tuple((a, b) for a, b in found["equal"]))


def weights_of(base: str) -> bytes:
    """How a base's assembly text gives the digest of its weights; b"" without a base."""
    found = re.search(rb'weights="[0-9a-f]{64}"', base_files(base)[f"{NET}/{TEXT}"]) if base else None
    return found[0] if found else b""


def _exchanged(name: str, content: bytes, old: bytes, new: bytes) -> bytes:
    return content.replace(old, new) if name.endswith(".casm") and old and new else content


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
