"""A compiled program as a folder: program.casm and program.cimb, weights.npz, target.toml, manifest.json.

The folder stands alone. It is written beside its place and moved there whole; every file's sha256 stands in the
manifest, so that a part of another program, or a part that was edited, is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import cast

from cimc.base.diagnostics import Place, fail
from cimc.isa.assembly_files import write_binary, write_text
from cimc.isa.checked import read_checked
from cimc.isa.program import Program
from cimc.isa.table import ISA_VERSION
from cimc.runtime.check_arrays import check_arrays, check_emulated
from cimc.runtime.machine import AnyArray
from cimc.runtime.weights_file import named_arrays, read_weights, weights_digest, write_weights
from cimc.target.load import load_target
from cimc.target.model import Target

__all__ = ["BINARY", "FORMAT", "TEXT", "Package", "load_package", "save_package", "weights_digest"]

FORMAT = 1
"""Version of the folder's layout."""
TEXT, BINARY = "program.casm", "program.cimb"
WEIGHTS, TARGET, MANIFEST = "weights.npz", "target.toml", "manifest.json"

_LARGEST_MANIFEST = 16 << 20
_TODO = "give a folder that `cimc compile` wrote"


@dataclass(frozen=True, slots=True)
class Package:
    """What a folder holds. extra: what its writer added to the manifest, as JSON has it."""

    program: Program
    weights: Mapping[str, AnyArray]
    target: Target
    extra: Mapping[str, object]


def save_package(
    folder: Path,
    program: Program,
    weights: Mapping[str, AnyArray],
    target_toml: str,
    extra: Mapping[str, object] = MappingProxyType({}),
    forms: Collection[str] = (TEXT, BINARY),
) -> None:
    """Write a compiled program. forms: TEXT, BINARY or both; extra: further keys of the manifest.

    A compiled program that is in the folder already is replaced, whole or not at all; anything else is left alone.
    Raises CimcError (output.write) where that or the file system forbids it.
    """
    assert weights_digest(weights) == program.weights, f"weights of another program than {program.name}"
    strangers = weights.keys() ^ named_arrays(program).keys()
    assert not strangers, f"arrays that only the program or only the weights have: {sorted(strangers)}"
    assert forms and set(forms) <= {TEXT, BINARY}, f"forms {forms}"
    folder = Path(os.path.abspath(folder))
    beside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    try:
        _refuse_other(folder)
        beside.mkdir(parents=True)
        try:
            _write_files(beside, program, weights, target_toml, extra, forms)
            _move_into_place(beside, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        what = f"the compiled program cannot be written: {error.strerror or error}"
        raise fail("output.write", what, Place(str(folder)), "choose a folder that you may write to") from error


def load_package(folder: Path) -> Package:
    """Read a compiled program and check it whole: what comes back can run on its target.

    Raises CimcError: package.file, package.weights, or what is wrong inside the files. Arrays are read once the program
    is checked, so that none is larger than the target could hold.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    files = _listed_files(folder, manifest)
    if WEIGHTS not in files or TARGET not in files or not {TEXT, BINARY} & files.keys():
        listed = ", ".join(sorted(files)) or "nothing"
        what = f"the manifest lists {listed}; a program, {WEIGHTS} and {TARGET} are needed"
        raise fail("package.file", what, Place(str(folder / MANIFEST)), _TODO)
    target = load_target(str(files[TARGET]))
    program = read_checked(files[BINARY] if BINARY in files else files[TEXT], target)
    check_emulated(program, target)
    weights = read_weights(files[WEIGHTS], program)
    check_arrays(program, weights, target, str(files[WEIGHTS]))
    known = ("format", "isa", "program", "target", "weights", "files")
    extra = {key: value for key, value in manifest.items() if key not in known}
    return Package(program, weights, target, MappingProxyType(extra))


def _write_files(
    folder: Path,
    program: Program,
    weights: Mapping[str, AnyArray],
    target_toml: str,
    extra: Mapping[str, object],
    forms: Collection[str],
) -> None:
    if TEXT in forms:
        write_text(program, folder / TEXT)
    if BINARY in forms:
        write_binary(program, folder / BINARY)
    with (folder / WEIGHTS).open("wb") as file:
        write_weights(weights, file)
    (folder / TARGET).write_text(target_toml, encoding="utf-8", newline="\n")
    own: dict[str, object] = {
        "format": FORMAT,
        "isa": ISA_VERSION,
        "program": program.name,
        "target": program.target,
        "weights": program.weights,
        "files": {path.name: _sha256(path) for path in sorted(folder.iterdir())},
    }
    assert not own.keys() & extra.keys(), f"keys of the manifest itself: {sorted(own.keys() & extra.keys())}"
    text = json.dumps({**own, **extra}, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8", newline="\n")


def _refuse_other(folder: Path) -> None:
    """Anything but an empty folder or a compiled program stays where it is."""
    if not os.path.lexists(folder):
        return
    if folder.is_dir() and not folder.is_symlink():
        entries = {path.name for path in folder.iterdir()}
        if not entries or {MANIFEST, WEIGHTS} <= entries <= {TEXT, BINARY, WEIGHTS, TARGET, MANIFEST}:
            return
    what = "there is something else than a compiled program"
    raise fail("output.write", what, Place(str(folder)), "choose another folder, or remove it first")


def _move_into_place(new: Path, folder: Path) -> None:
    if not folder.exists():
        new.rename(folder)
        return
    old = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _read_manifest(folder: Path) -> dict[str, object]:
    path = folder / MANIFEST
    place = Place(str(path))
    try:
        if path.stat().st_size > _LARGEST_MANIFEST:
            raise fail("package.file", f"the manifest takes {path.stat().st_size} bytes", place, _TODO)
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        what = f"this is no compiled program: {MANIFEST} cannot be read: {error.strerror or error}"
        raise fail("package.file", what, place, _TODO) from error
    except (ValueError, RecursionError) as error:
        raise fail("package.file", f"the manifest is broken: {error}", place, _TODO) from error
    if not isinstance(found, dict):
        raise fail("package.file", "the manifest is not a JSON object", place, _TODO)
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
        raise fail("package.file", 'the manifest has no list "files"', place, _TODO)
    files: dict[str, Path] = {}
    for name, digest in listed.items():
        inner = PurePosixPath(name)
        path = folder / inner
        leaves = inner.is_absolute() or ".." in inner.parts or "\\" in name or ":" in name
        if leaves or not path.resolve().is_relative_to(folder.resolve()):
            raise fail("package.file", f'the manifest lists "{name}", which is not inside of the folder', place, _TODO)
        try:
            actual = _sha256(path)
        except OSError as error:
            what = f"a file of the compiled program cannot be read: {error.strerror or error}"
            raise fail("package.file", what, Place(str(path)), _TODO) from error
        if actual != digest:
            what = "the file is not the one that the manifest lists: it was edited or exchanged"
            todo = f"compile the model again, or assemble an edited {TEXT} with `cimc asm`"
            raise fail("package.file", what, Place(str(path)), todo)
        files[name] = path
    return files


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
