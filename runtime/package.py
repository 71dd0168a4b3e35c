"""A compiled program as a folder: program.casm and program.cimb, weights.npz, target.toml, manifest.json.

The folder stands alone. It is written whole or not at all (cimc.base.outputs); every file's sha256 stands in the
manifest, so that a part of another program, or a part that was edited, is noticed - and neither a user's own file nor
one that a user edited is ever replaced.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import cast

from cimc.base.diagnostics import Place, fail
from cimc.base.exchange import heal
from cimc.base.names import in_json
from cimc.base.outputs import write_folder
from cimc.base.reading import TEXT_LIMIT, open_regular, read_text
from cimc.isa.files import read_checked, write_binary, write_text
from cimc.isa.program import Program
from cimc.isa.table import ISA_VERSION
from cimc.runtime.check_arrays import check_arrays
from cimc.runtime.machine import AnyArray
from cimc.runtime.weights_file import named_arrays, read_weights, weights_digest, write_weights
from cimc.target.load import load_target
from cimc.target.model import Target

__all__ = ["BINARY", "FORMAT", "TEXT", "Package", "load_package", "save_package", "strange_in", "weights_digest"]

FORMAT = 2
"""Version of the folder's layout."""
TEXT, BINARY = "program.casm", "program.cimb"
WEIGHTS, TARGET, MANIFEST = "weights.npz", "target.toml", "manifest.json"

_HELP = "give a folder that `cimc compile` wrote"


@dataclass(frozen=True, slots=True)
class Package:
    """What a folder holds."""

    program: Program
    weights: Mapping[str, AnyArray]
    target: Target


def save_package(
    folder: Path,
    program: Program,
    weights: Mapping[str, AnyArray],
    target_toml: str,
    forms: Collection[str] = (TEXT, BINARY),
    beside: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Write a compiled program. forms: TEXT, BINARY or both; beside: files by name that lie
    beside the program and that load_package does not read.

    A compiled program that is in the folder already is replaced, whole or not at all; anything else is left alone.
    Raises CimcError (output.write) where that or the file system forbids it.
    """
    assert weights_digest(weights) == program.weights, f"weights of another program than {program.name}"
    strangers = weights.keys() ^ named_arrays(program).keys()
    assert not strangers, f"arrays that only the program or only the weights have: {sorted(strangers)}"
    assert forms and set(forms) <= {TEXT, BINARY}, f"forms {forms}"
    write_folder(folder, strange_in, lambda new: _write_files(new, program, weights, target_toml, forms, beside))


def load_package(folder: Path) -> Package:
    """Read a compiled program and check it whole: what comes back can run on its target.

    Raises CimcError: package.file, package.weights, or what is wrong inside the files. Arrays are read once the program
    is checked, so that none is larger than the target could hold.
    """
    folder = Path(folder)
    heal(Path(os.path.abspath(folder)))
    manifest = _read_manifest(folder)
    files = _listed_files(folder, manifest)
    if WEIGHTS not in files or TARGET not in files or not {TEXT, BINARY} & files.keys():
        listed = ", ".join(sorted(files)) or "nothing"
        what = f"the manifest lists {listed}; a program, {WEIGHTS} and {TARGET} are needed"
        raise fail("package.file", what, Place(str(folder / MANIFEST)), _HELP)
    target = load_target(str(files[TARGET]))
    program = read_checked(files[BINARY] if BINARY in files else files[TEXT], target)
    _require_its_own(manifest, program, Place(str(folder / MANIFEST)))
    weights = read_weights(files[WEIGHTS], program)
    check_arrays(program, weights, target, str(files[WEIGHTS]))
    return Package(program, weights, target)


def _require_its_own(manifest: Mapping[str, object], program: Program, place: Place) -> None:
    """The manifest names the program, target and weights that the program itself names."""
    for key, own in (("program", program.name), ("target", program.target), ("weights", program.weights)):
        if manifest.get(key) != own:
            what = f'"{key}" of the manifest is {manifest.get(key)!r}; the program says {own!r}'
            raise fail("package.file", what, place, _HELP)


def _write_files(
    folder: Path,
    program: Program,
    weights: Mapping[str, AnyArray],
    target_toml: str,
    forms: Collection[str],
    beside: Mapping[str, bytes],
) -> None:
    if TEXT in forms:
        write_text(program, folder / TEXT)
    if BINARY in forms:
        write_binary(program, folder / BINARY)
    with (folder / WEIGHTS).open("wb") as file:
        write_weights(weights, file)
    (folder / TARGET).write_text(target_toml, encoding="utf-8", newline="\n")
    own = {
        "format": FORMAT,
        "isa": ISA_VERSION,
        "program": program.name,
        "target": program.target,
        "weights": program.weights,
        "files": {path.name: _sha256(path) for path in sorted(folder.iterdir())},
        "beside": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(beside.items())},
    }
    for name, data in beside.items():
        assert name != MANIFEST and not (folder / name).exists(), f"{name} is a file of the program"
        (folder / name).write_bytes(data)
    text = json.dumps(own, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / MANIFEST).write_text(in_json(text) + "\n", encoding="utf-8", newline="\n")


def strange_in(folder: Path) -> str:
    """What in a folder is not of a compiled program as it was written, in words; "" for nothing. Raises OSError."""
    names = sorted(path.name for path in folder.iterdir())
    digests = digests_in(folder) if MANIFEST in names else {}
    ours = {MANIFEST, *digests} if digests else set()
    others = [name for name in names if name not in ours]
    if others:
        return f"the folder holds other files: {', '.join(others[:3])}{', ...' if len(others) > 3 else ''}"
    for name in names:
        if not stat.S_ISREG((folder / name).lstat().st_mode):
            return f"{name} in it is no regular file"
        if name != MANIFEST and _sha256(folder / name) != digests[name]:
            return f"{name} in it was edited or exchanged since it was compiled"
    return ""


def digests_in(folder: Path) -> Mapping[str, str]:
    """The sha256 of each file of a compiled program by its name, as its manifest says; none where there is no manifest
    of ours. Raises OSError."""
    try:
        found = json.loads(read_text(folder / MANIFEST, TEXT_LIMIT))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or not {"format", "isa", "program", "weights", "files"} <= found.keys():
        return {}
    lists = [found["files"], found.get("beside", {})]
    return {name: str(digest) for one in lists if isinstance(one, dict) for name, digest in one.items()}


def _read_manifest(folder: Path) -> dict[str, object]:
    path = folder / MANIFEST
    place = Place(str(path))
    try:
        found = json.loads(read_text(path, TEXT_LIMIT))
    except OSError as error:
        what = f"this is no compiled program: {MANIFEST} cannot be read: {error.strerror or error}"
        raise fail("package.file", what, place, _HELP) from error
    except (ValueError, RecursionError) as error:
        raise fail("package.file", f"the manifest is broken: {error}", place, _HELP) from error
    if not isinstance(found, dict):
        raise fail("package.file", "the manifest is not a JSON object", place, _HELP)
    for key, known in (("format", FORMAT), ("isa", ISA_VERSION)):
        if found.get(key) != known or isinstance(found.get(key), bool):
            what = f'"{key}" of the manifest is {found.get(key)!r}; this cimc knows {known}'
            raise fail("package.file", what, place, "compile the model again with this cimc")
    return cast(dict[str, object], found)


def _listed_files(folder: Path, manifest: Mapping[str, object]) -> dict[str, Path]:
    """The files of the manifest, by name, each inside of the folder and with the content it was written with."""
    place = Place(str(folder / MANIFEST))
    listed = manifest.get("files")
    if not isinstance(listed, dict):
        raise fail("package.file", 'the manifest has no list "files"', place, _HELP)
    files: dict[str, Path] = {}
    for name, digest in listed.items():
        inner = PurePosixPath(name)
        path = folder / inner
        leaves = inner.is_absolute() or ".." in inner.parts or "\\" in name or ":" in name or not name.isprintable()
        if leaves or not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
            raise fail("package.file", f'the manifest lists "{name}", which is not inside of the folder', place, _HELP)
        try:
            actual = _sha256(path)
        except OSError as error:
            what = f"a file of the compiled program cannot be read: {error.strerror or error}"
            raise fail("package.file", what, Place(str(path)), _HELP) from error
        if actual != digest:
            what = "the file is not the one that the manifest lists: it was edited or exchanged"
            todo = f"compile the model again, or assemble an edited {TEXT} with `cimc asm`"
            raise fail("package.file", what, Place(str(path)), todo)
        files[name] = path
    return files


def _sha256(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
