"""From a preset's name or a TOML file to a checked Target. Every mistake in the file is reported at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any

from cimc.base.diagnostics import CimcError, Diagnostic, Place, did_you_mean, fail
from cimc.base.options import require
from cimc.base.reading import TEXT_LIMIT, is_path, read_text
from cimc.target.consistency import check_consistency
from cimc.target.keys import DEFAULTS, OPTIONAL, PARTS, SECTIONS, Path
from cimc.target.model import Price, Target
from cimc.target.settings import Setting, settings_file
from cimc.target.source import Entry, TargetFile, read_target_file
from cimc.target.write import write_target

PRESETS = resources.files("cimc.target") / "presets"
DEVICES = resources.files("cimc.target") / "devices"

TargetLike = str | os.PathLike[str] | Target
"""A preset's name, the path of a TOML file, or a target."""

PRESET: Path = ("device", "preset")
"""The key that names a bundled cell: it stands for the whole section, and keys beside it in the same file go first."""

UNSAID = "assumed: what cimc takes where a file does not say"
"""The source of a default."""


def load_target(wanted: TargetLike, settings: Mapping[str, Setting] = MappingProxyType({})) -> Target:
    """The target of a preset's name or of a TOML file, or a Target.

    settings: values that take the place of the target's, by key, such as "crossbar.adc_bits". Raises CimcError with
    everything that is wrong.
    """
    if isinstance(wanted, Target):
        return _resolve([read_target_file(write_target(replace(wanted, sources={})), wanted.name)], settings)
    name_or_path = os.fspath(wanted)
    if name_or_path in preset_names() or _is_path(name_or_path):
        return _resolve(_read_chain(name_or_path), settings)
    raise CimcError([_no_target("target.unknown", name_or_path, Place())])


def _no_target(code: str, name: str, where: Place) -> Diagnostic:
    hint = did_you_mean(name, preset_names())
    todo = f"{hint + ' ' if hint else ''}presets: {', '.join(preset_names())}; or the path of a .toml file"
    return Diagnostic(code, f'no target is called "{name}"', where, todo)


def preset_names() -> tuple[str, ...]:
    """Names of the bundled targets, sorted."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in PRESETS.iterdir() if file.name.endswith(".toml")))


def target_file(wanted: TargetLike | None) -> str | os.PathLike[str] | None:
    """The file that a target is read from; None for a preset or a Target."""
    return None if wanted is None or isinstance(wanted, Target) or wanted in preset_names() else wanted


def _is_path(text: str) -> bool:
    return text.endswith(".toml") or os.sep in text or "/" in text or os.path.isfile(text)


def _read_chain(name_or_path: str) -> list[TargetFile]:
    """The file and all that it extends, itself first."""
    files: list[TargetFile] = []
    seen: list[str] = []
    wanted, asked = name_or_path, Place(name_or_path)
    while True:
        preset = wanted in preset_names()
        identity = os.path.realpath(wanted) if not preset and is_path(wanted) else wanted
        if identity in seen:
            names = " -> ".join(file.file for file in files)
            todo = f"let one of them start from a preset: {', '.join(preset_names())}"
            raise fail("target.extends", f"targets extend each other in a circle: {names} -> {wanted}", asked, todo)
        seen.append(identity)
        text = (PRESETS / f"{wanted}.toml").read_text(encoding="utf-8") if preset else _read_text(wanted, asked)
        file = read_target_file(text, f"{wanted}.toml" if preset else wanted)
        files.append(file)
        base = file.texts.get("extends")
        if base is None:
            return files
        asked = file.place(("extends",))
        if base not in preset_names() and not _is_path(base):
            wrong = [problem for read in files for problem in read.diagnostics]
            raise CimcError([*wrong, _no_target("target.extends", base, asked)])
        wanted = base if base in preset_names() else os.path.join(os.path.dirname(wanted), base)


def _read_text(path: str, asked: Place) -> str:
    try:
        return read_text(path, TEXT_LIMIT)
    except UnicodeDecodeError as error:
        raise fail("target.toml", f"this is not TOML: byte {error.start} is not UTF-8", Place(path)) from None
    except OSError as error:
        what = f'the target file "{path}" cannot be read: {(error.strerror or "unknown reason").lower()}'
        raise fail("target.file", what, asked, f"check the path; presets: {', '.join(preset_names())}") from None


def _resolve(files: list[TargetFile], settings: Mapping[str, Setting]) -> Target:
    """The target that the files say together; an earlier file overrides what it names in the later ones."""
    base = files[0]
    if settings:
        files = [settings_file(settings, base.texts.get("name") or FilePath(base.file).stem), *files]
    diagnostics = [problem for file in files for problem in file.diagnostics]
    entries: dict[Path, Entry] = {}
    for file in reversed(files):
        preset = file.entries.get(PRESET)
        if preset is not None:
            entries = {path: entry for path, entry in entries.items() if path[0] != "device"} | _cell(preset)
        for path, entry in file.entries.items():
            other = {"joules": "watts", "watts": "joules"}.get(path[-1], "")
            entries.pop((*path[:-1], other), None)
            entries[path] = entry
    require(diagnostics or _missing(entries, base))
    target = _build(entries, files)
    require(check_consistency(target, lambda path: entries[path].place if path in entries else files[0].place(path)))
    return target


def _cell(preset: Entry) -> dict[Path, Entry]:
    """What a bundled cell says; nothing of "ideal" ones."""
    if preset.value == "ideal":
        return {}
    name = f"{preset.value}.toml"
    return read_target_file((DEVICES / name).read_text(encoding="utf-8"), name).entries


def _missing(entries: Mapping[Path, Entry], file: TargetFile) -> list[Diagnostic]:
    """A diagnostic for each key that no file gives and that has no default."""
    todo = 'add it, or start the file with extends = "ideal" to take over what it does not name'
    given = {path[0] for path in entries}
    sections = [section for section in SECTIONS if section not in OPTIONAL or section in given]
    needed = [(section, key) for section in sections for key in SECTIONS[section] if (section, key) not in DEFAULTS]
    absent: list[Path] = [path for path in needed if path not in entries]
    for action in sorted({path[1] for path in entries if path[0] == "prices"}):
        if ("prices", action, "seconds") not in entries:
            absent.append(("prices", action, "seconds"))
        if not {("prices", action, "joules"), ("prices", action, "watts")} & entries.keys():
            absent.append(("prices", action, "joules"))
    return [
        Diagnostic("target.missing", f'the target does not say "{".".join(path)}"', file.place(path), todo)
        for path in absent
    ]


def _build(entries: Mapping[Path, Entry], files: list[TargetFile]) -> Target:
    file = files[0]
    parts: dict[str, Any] = {}
    for section, keys in SECTIONS.items():
        given = {key: entries[section, key].value for key in keys if (section, key) in entries}
        parts[section] = PARTS[section](**given) if given else None
    said = {path: entry.source for path, entry in entries.items() if path[0] != "prices"}
    return Target(
        name=file.texts.get("name") or FilePath(file.file).stem,
        description=next((f.texts["description"] for f in files if "description" in f.texts), ""),
        prices={action: _price(action, entries) for action in sorted({p[1] for p in entries if p[0] == "prices"})},
        sources={path: UNSAID for path in DEFAULTS if parts[path[0]] is not None} | said,
        **parts,
    )


def _price(action: str, entries: Mapping[Path, Entry]) -> Price:
    watts = entries.get(("prices", action, "watts"))
    seconds, energy = entries["prices", action, "seconds"], watts or entries["prices", action, "joules"]
    time, paid = (one.value for one in (seconds, energy))
    assert isinstance(time, int | float) and isinstance(paid, int | float), (time, paid)
    joules = float(paid) * (1 if watts is None else float(time))
    same = seconds.source == energy.source
    source = seconds.source if same else f"time: {seconds.source}; energy: {energy.source}"
    return Price(float(time), joules, source)
