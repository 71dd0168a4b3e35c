"""Imports point down only, rooms on one floor do not know each other, and there is no circle (docs: architecture)."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent

FLOORS: Mapping[str, int] = {
    "cimc.base": 1,
    "cimc.examples": 1,
    "cimc.target": 2,
    "cimc.numerics": 2,
    "cimc.crossbar": 3,
    "cimc.ir": 4,
    "cimc.isa": 4,
    "cimc.frontends": 5,
    "cimc.runtime": 5,
    "cimc.backends": 5,
    "cimc.layer_kinds": 6,
    "cimc.passes": 7,
    "cimc.driver": 8,
    "cimc.estimator": 8,
    "cimc.report": 8,
    "cimc.api": 8,
    "cimc": 8,
    "cimc.cli": 9,
    "cimc.__main__": 10,
}
SEES_EVERYTHING = 8

ROOMS_OF_PASSES: Mapping[str, set[str]] = {
    "lower": set(), "numbers": {"crossbars"}, "crossbars": set(), "placement": set(), "scheduling": set(),
}  # fmt: skip
"""The rooms within cimc.passes, and which others each may import; pipelines sees them all."""

Imports = Mapping[str, set[str]]


def modules() -> dict[str, Path]:
    """Every module of the project by its dotted name; the four linked rooms under cimc."""
    found: dict[str, Path] = {}
    for top in ("cimc", "isa", "frontends", "backends", "runtime"):
        for file in sorted((ROOT / top).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            if top != "cimc":
                parts = ("cimc", *parts)
            elif (ROOT / "cimc" / parts[1]).is_symlink():
                continue
            found[".".join(parts).removesuffix(".__init__")] = file
    return found


def imports_of(name: str, source: str, is_package: bool, known: set[str]) -> set[str]:
    """The project's modules that a module imports, anywhere in it; an imported name counts as its module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = name.split(".")[: len(name.split(".")) - node.level + is_package] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                found.add(f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base)
    return {imported for imported in found if imported.split(".")[0] == "cimc"} - {name}


def room(module: str) -> str:
    """The room of a module; the package cimc itself is one."""
    return ".".join(module.split(".")[:2]) if module in FLOORS or "." in module else module


def breaches(imports: Imports) -> Iterator[str]:
    """Every import that does not point down, and the first circle."""
    for module, imported in sorted(imports.items()):
        for other in sorted(imported):
            here, there = room(module), room(other)
            floor_here, floor_there = FLOORS.get(here), FLOORS.get(there)
            if floor_here is None or floor_there is None:
                yield f"{module} imports {other}: {here if floor_here is None else there} has no floor"
            elif here != there and (floor_there > floor_here or floor_there == floor_here != SEES_EVERYTHING):
                yield f"{module} (floor {floor_here}) imports {other} (floor {floor_there})"
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        yield f"circle: {' -> '.join(error.args[1])}"


def test_imports_point_down() -> None:
    files = modules()
    imports = {
        name: imports_of(name, file.read_text(encoding="utf-8"), file.name == "__init__.py", set(files))
        for name, file in files.items()
    }
    assert len(files) > 10
    assert list(breaches(imports)) == []


def test_every_room_has_a_floor() -> None:
    assert {room(module) for module in modules()} <= FLOORS.keys()


def test_rooms_of_passes_import_what_they_may() -> None:
    files = {name: file for name, file in modules().items() if name.startswith("cimc.passes.")}
    assert {name.split(".")[2] for name in files} == {*ROOMS_OF_PASSES, "pipelines", "rounds"}
    for name, file in files.items():
        here = name.split(".")[2]
        found = imports_of(name, file.read_text(encoding="utf-8"), file.name == "__init__.py", set(files))
        rooms = {other.split(".")[2] for other in found if other.startswith("cimc.passes.")} - {here}
        allowed = ROOMS_OF_PASSES.get(here, {"pipelines"})  # rounds: what pipelines lists, for each round
        assert here == "pipelines" or rooms <= allowed, (name, rooms)


def test_a_breach_is_seen() -> None:
    assert list(breaches({"cimc.base.a": {"cimc.ir.b"}})) == ["cimc.base.a (floor 1) imports cimc.ir.b (floor 4)"]
    assert list(breaches({"cimc.runtime.a": {"cimc.frontends"}})) == [
        "cimc.runtime.a (floor 5) imports cimc.frontends (floor 5)"
    ]
    assert list(breaches({"cimc.ir.a": {"cimc.new.b"}})) == ["cimc.ir.a imports cimc.new.b: cimc.new has no floor"]
    assert list(breaches({"cimc.cli.a": {"cimc.driver.b"}, "cimc.ir.a": {"cimc.ir.b", "cimc.target"}})) == []


def test_a_circle_is_seen() -> None:
    assert list(breaches({"cimc.ir.a": {"cimc.ir.b"}, "cimc.ir.b": {"cimc.ir.a"}})) == [
        "circle: cimc.ir.a -> cimc.ir.b -> cimc.ir.a"
    ]


def test_every_form_of_import_is_seen() -> None:
    known = {"cimc.ir", "cimc.ir.graph", "cimc.base.tokens", "cimc.isa.table", "cimc.target"}
    source = """
import cimc.isa.table as t, numpy
from . import graph
from ..base.tokens import Token
def late():
    from cimc.target import Target
"""
    expected = {"cimc.isa.table", "cimc.ir.graph", "cimc.base.tokens", "cimc.target"}
    assert imports_of("cimc.ir.printer", source, False, known) == expected
    assert imports_of("cimc.ir", "from .graph import Graph", True, known) == {"cimc.ir.graph"}
