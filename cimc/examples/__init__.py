"""Small trained networks with real data, in the package: to try cimc and for its tests (examples/README.md)."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def path(name: str) -> Path:
    """The file of a bundled network or data set, such as "digits_plain.onnx"."""
    found = FOLDER / name
    assert found.is_file(), f"{name} is not bundled: {', '.join(names())}"
    return found


def names() -> tuple[str, ...]:
    """All bundled networks and data sets, sorted."""
    return tuple(sorted(file.name for file in FOLDER.iterdir() if file.suffix in (".onnx", ".npz")))
