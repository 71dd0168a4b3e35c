"""What is packaged is what is on disk, and the four linked rooms are never imported by their bare names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
LINKED = ("backends", "frontends", "isa", "runtime")
SETUPTOOLS: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def folder(package: str) -> Path:
    """Where setuptools takes a package from."""
    mapped = SETUPTOOLS["package-dir"]
    return ROOT / mapped.get(package, package.replace(".", "/"))


def packages_on_disk() -> list[str]:
    """Folders with Python files, below cimc and in the linked rooms."""
    found = set()
    for top in ("cimc", *LINKED):
        for path, folders, files in os.walk(ROOT / top):
            folders[:] = [name for name in folders if not (Path(path) / name).is_symlink()]
            if any(name.endswith(".py") for name in files):
                parts = Path(path).relative_to(ROOT).parts
                found.add(".".join(parts if top == "cimc" else ("cimc", *parts)))
    return sorted(found)


def test_the_package_list_is_what_is_on_disk() -> None:
    assert SETUPTOOLS["packages"] == packages_on_disk()


def test_every_package_has_an_init() -> None:
    assert [name for name in SETUPTOOLS["packages"] if not (folder(name) / "__init__.py").is_file()] == []


def test_every_data_file_is_packaged() -> None:
    data = SETUPTOOLS["package-data"]
    forgotten = []
    for package in packages_on_disk():
        here = folder(package)
        for file in here.rglob("*"):
            inner = package_around(file)
            if inner == here and file.is_file() and file.suffix != ".py" and "__pycache__" not in file.parts:
                name = file.relative_to(here).as_posix()
                if not any(fnmatch(name, pattern) for pattern in data.get(package, [])):
                    forgotten.append(f"{package}: {name}")
    assert forgotten == []


def package_around(file: Path) -> Path:
    """The nearest folder above a file that is a package."""
    return next(parent for parent in file.parents if any(parent.glob("*.py")))


@pytest.mark.parametrize("name", LINKED)
def test_the_links_lead_to_the_folders(name: str) -> None:
    link = ROOT / "cimc" / name
    assert link.is_symlink(), "a source checkout of cimc needs symbolic links (git config core.symlinks true)"
    assert os.readlink(link) == f"../{name}"
    assert SETUPTOOLS["package-dir"][f"cimc.{name}"] == name


def test_no_bare_name_is_ever_imported() -> None:
    program = f"""
import importlib, pkgutil, sys
import cimc
for module in pkgutil.walk_packages(cimc.__path__, "cimc."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
bare = [name for name in sys.modules if name.split(".")[0] in {LINKED!r}]
assert not bare, bare
assert "cimc.isa" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_wheel_holds_every_file(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77")
    copy = tmp_path / "checkout"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("cimc", *LINKED):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "-w", "out", copy]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "out").glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("cimc/")}
    expected = {
        f"{package.replace('.', '/')}/{file.relative_to(folder(package)).as_posix()}"
        for package in packages_on_disk()
        for file in folder(package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and package_around(file) == folder(package)
    }
    assert held == expected
