"""A compiled program as a folder: the round trip, the same bytes every time, and what is said about broken ones."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cimc.base.diagnostics import CimcError
from cimc.isa.program import Program
from cimc.runtime.package import BINARY, MANIFEST, TARGET, TEXT, WEIGHTS, load_package, save_package
from cimc.runtime.weights_file import read_weights, weights_digest, write_weights
from cimc.target.load import load_target
from cimc.target.write import write_target
from tests.isa.small import SMALL
from tests.runtime.test_step import small_weights

PUMA = load_target("puma")
TOML = write_target(PUMA)


def saved(folder: Path, seed: int = 0, forms: tuple[str, ...] = (TEXT, BINARY)) -> Program:
    weights = small_weights(seed)
    program = replace(SMALL, weights=weights_digest(weights))
    save_package(folder, program, weights, TOML, forms)
    return program


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(CimcError) as caught:
        action()
    return str(caught.value)


@pytest.mark.parametrize("forms", [(TEXT,), (BINARY,), (TEXT, BINARY)])
def test_round_trip(tmp_path: Path, forms: tuple[str, ...]) -> None:
    program = saved(tmp_path / "out" / "small", forms=forms)
    package = load_package(tmp_path / "out" / "small")
    assert package.program == program
    assert package.target == PUMA
    assert package.weights.keys() == small_weights().keys()
    for name, array in small_weights().items():
        assert package.weights[name].dtype == array.dtype
        assert np.array_equal(package.weights[name], array)
    assert os.listdir(tmp_path / "out") == ["small"]
    assert {path.name for path in (tmp_path / "out" / "small").iterdir()} == {*forms, WEIGHTS, TARGET, MANIFEST}


def test_the_same_bytes_every_time(tmp_path: Path) -> None:
    saved(tmp_path / "a")
    saved(tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_digest_sees_names_types_shapes_and_values_but_not_the_order() -> None:
    a, b = np.arange(6, dtype=np.int32), np.ones(2, np.float32)
    digest = weights_digest({"a": a, "b": b})
    assert weights_digest({"b": b, "a": a}) == digest
    assert weights_digest({"a": np.asfortranarray(a).astype(">i4"), "b": b}) == digest
    others: list[dict[str, np.ndarray]] = [
        {"a": a, "c": b},
        {"a": a.astype(np.uint32), "b": b},
        {"a": a.reshape(2, 3), "b": b},
        {"a": a + 1, "b": b},
        {"a": a},
    ]
    assert len({digest, *(weights_digest(other) for other in others)}) == 6


def test_a_compiled_program_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    saved(folder)
    newer = saved(folder, seed=1)
    assert load_package(folder).program == newer
    (folder / "notes.txt").write_text("mine")
    message = refusal(lambda: saved(folder))
    assert message == (
        "error[output.write]: this cannot be written: the folder holds other files: notes.txt\n"
        f"  at {folder}\n  help: name a folder that is new, empty, or a compiled program"
    )
    assert (folder / "notes.txt").read_text() == "mine"
    file = tmp_path / "file"
    file.write_text("mine")
    assert "[output.write]" in refusal(lambda: saved(file))
    assert sorted(os.listdir(tmp_path)) == ["file", "small"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = refusal(lambda: saved(tmp_path / "file" / "small"))
    assert message == (
        f"error[output.write]: this cannot be written: {tmp_path / 'file'} is a file, not a folder\n"
        f"  at {tmp_path / 'file' / 'small'}\n  help: name another place"
    )


def test_nothing_is_left_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = saved(tmp_path / "small")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cimc.runtime.package.write_weights", full)
    assert "no space left on device" in refusal(lambda: saved(tmp_path / "small", seed=1))
    assert os.listdir(tmp_path) == ["small"]
    assert load_package(tmp_path / "small").program == old


def edit_manifest(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def rename_file(new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        edit_manifest(folder, lambda m: m["files"].update({new: ""}))  # type: ignore[attr-defined]

    return edit


TODO = "\n  help: give a folder that `cimc compile` wrote"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda folder: (folder / MANIFEST).unlink(),
            "error[package.file]: this is no compiled program: manifest.json cannot be read: No such file or "
            f"directory\n  at @/manifest.json{TODO}",
        ),
        (
            lambda folder: (folder / MANIFEST).write_text("{"),
            "error[package.file]: the manifest is broken: Expecting property name enclosed in double quotes: "
            f"line 1 column 2 (char 1)\n  at @/manifest.json{TODO}",
        ),
        (
            lambda folder: (folder / MANIFEST).write_text("[]"),
            f"error[package.file]: the manifest is not a JSON object\n  at @/manifest.json{TODO}",
        ),
        (
            lambda folder: edit_manifest(folder, lambda manifest: manifest.update(format=9)),
            'error[package.file]: "format" of the manifest is 9; this cimc knows 2\n  at @/manifest.json\n'
            "  help: compile the model again with this cimc",
        ),
        (
            lambda folder: edit_manifest(folder, lambda manifest: manifest.update(target="another")),
            "error[package.file]: \"target\" of the manifest is 'another'; the program says 'puma'\n"
            f"  at @/manifest.json{TODO}",
        ),
        (
            lambda folder: edit_manifest(folder, lambda manifest: manifest.update(weights=None)),
            f'error[package.file]: "weights" of the manifest is None; the program says '
            f"'{weights_digest(small_weights())}'\n  at @/manifest.json{TODO}",
        ),
        (
            lambda folder: edit_manifest(folder, lambda manifest: manifest.pop("files")),
            f'error[package.file]: the manifest has no list "files"\n  at @/manifest.json{TODO}',
        ),
        (
            lambda folder: edit_manifest(folder, lambda manifest: manifest.update(files={})),
            "error[package.file]: the manifest lists nothing; a program, weights.npz and target.toml are needed\n"
            f"  at @/manifest.json{TODO}",
        ),
        (
            rename_file("../secret"),
            'error[package.file]: the manifest lists "../secret", which is not inside of the folder\n'
            f"  at @/manifest.json{TODO}",
        ),
        (
            rename_file("/etc/passwd"),
            'error[package.file]: the manifest lists "/etc/passwd", which is not inside of the folder\n'
            f"  at @/manifest.json{TODO}",
        ),
        (
            lambda folder: (folder / WEIGHTS).unlink(),
            "error[package.file]: a file of the compiled program cannot be read: No such file or directory\n"
            f"  at @/weights.npz{TODO}",
        ),
        (
            lambda folder: (folder / TEXT).write_text("edited"),
            "error[package.file]: the file is not the one that the manifest lists: it was edited or exchanged\n"
            "  at @/program.casm\n"
            "  help: compile the model again, or assemble an edited program.casm with `cimc asm`",
        ),
    ],
)
def test_broken_folders(tmp_path: Path, edit: Callable[[Path], object], message: str) -> None:
    saved(tmp_path / "small")
    edit(tmp_path / "small")
    assert refusal(lambda: load_package(tmp_path / "small")) == message.replace("@", str(tmp_path / "small"))


def test_a_link_out_of_the_folder(tmp_path: Path) -> None:
    saved(tmp_path / "small")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "small" / "link").symlink_to(tmp_path / "secret")
    rename_file("link")(tmp_path / "small")
    assert "which is not inside of the folder" in refusal(lambda: load_package(tmp_path / "small"))


def test_weights_of_another_program(tmp_path: Path) -> None:
    program = saved(tmp_path / "small")
    path = tmp_path / "other.npz"
    with path.open("wb") as file:
        write_weights(small_weights(seed=1), file)
    todo = "\n  help: use the folder as `cimc compile` wrote it, or compile the model again"
    assert refusal(lambda: read_weights(path, program)) == (
        'error[package.weights]: the weights file does not belong to the program "small": '
        f"its sha256 is not the program's\n  at {path}{todo}"
    )
    weights = small_weights()
    weights["spare"] = weights.pop("conv1.bias")
    with path.open("wb") as file:
        write_weights(weights, file)
    assert refusal(lambda: read_weights(path, program)) == (
        f'error[package.weights]: array "spare" is not named by the program\n  at {path}{todo}\n'
        f'error[package.weights]: array "conv1.bias", which the program names, is missing\n  at {path}{todo}'
    )


def test_more_than_the_program_says_is_not_unpacked(tmp_path: Path) -> None:
    program = saved(tmp_path / "small")
    path = tmp_path / "bomb.npz"
    with path.open("wb") as file:
        write_weights({**small_weights(), "conv1.bias": np.zeros(1 << 20, np.int64)}, file)
    assert refusal(lambda: read_weights(path, program)).startswith(
        'error[package.weights]: array "conv1.bias" takes 8388736 bytes; 4 entries take 4128 at most'
    )


@pytest.mark.parametrize("kind", ["cut", "text", "promise", "pickle", "missing"])
def test_broken_weights(tmp_path: Path, kind: str) -> None:
    program = saved(tmp_path / "small")
    path = tmp_path / "broken.npz"
    data = (tmp_path / "small" / WEIGHTS).read_bytes()
    if kind == "cut":
        path.write_bytes(data[:-30])
    elif kind == "text":
        path.write_bytes(b"no zip")
    elif kind in ("promise", "pickle"):
        with zipfile.ZipFile(tmp_path / "small" / WEIGHTS) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                member = old.read(name)
                if name == "conv1.bias.npy":
                    shape, dtype = (b"(4,)", b"'<i8'")
                    change = (shape, b"(9,)") if kind == "promise" else (dtype, b"'|O' ")
                    member = member.replace(*change)
                new.writestr(name, member)
    message = refusal(lambda: read_weights(path, program))
    assert message.startswith("error[package.file]: the weights file ")
    assert f"  at {path}\n" in message
