"""Names in a network that steer terminals or lead out of folders go through every command and do neither."""

from __future__ import annotations

import io
import json
import unicodedata
import zipfile
from contextlib import redirect_stdout
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from rich.text import Text

from cimc.cli.console import new_console
from tests.cli.commands import cimc

NAMES = {
    "escape": "\x1b]0;owned\x07\x1b[2J",
    "c1": "\x9b31m",
    "turned": "a\u202eb\u2066c",
    "nul": "a\0b",
    "lines": "a\nerror[onnx.file]: b\r\n",
    "separators": "a\u2028b\u2029c",
    "path": "../../x",
    "absolute": "/elsewhere/x",
    "backslash": "..\\..\\x",
    "copies": "a\0copy1",
    "long": "n" * 1000,
}


def network(path: Path, name: str) -> None:
    """Conv, Relu, Gemm in which every name holds this one."""
    weight = np.random.default_rng(0).standard_normal((4, 2, 3, 3)).astype(np.float32)
    matrix = np.random.default_rng(1).standard_normal((64, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", [f"{name}x", f"{name}w"], [f"{name}c"], name=f"{name}conv"),
        helper.make_node("Relu", [f"{name}c"], [f"{name}r"], name=f"{name}relu"),
        helper.make_node("Flatten", [f"{name}r"], [f"{name}f"], name=f"{name}flatten"),
        helper.make_node("MatMul", [f"{name}f", f"{name}m"], [name], name=f"{name}matmul"),
    ]
    graph = helper.make_graph(
        nodes,
        f"{name}graph",
        [helper.make_tensor_value_info(f"{name}x", TensorProto.FLOAT, ["N", 2, 6, 6])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(weight, f"{name}w"), numpy_helper.from_array(matrix, f"{name}m")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def invisible(text: str) -> set[str]:
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c != "\n"}


@pytest.mark.parametrize("case", NAMES)
def test_names_steer_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    name = NAMES[case]
    monkeypatch.chdir(tmp_path)
    network(Path("net.onnx"), name)
    np.save("x.npy", np.random.default_rng(2).standard_normal((3, 2, 6, 6)).astype(np.float32))
    on = ("--target", "puma", "--mvmus", "6")
    commands = [
        ("compile", "net.onnx", *on, "--calibration", "x.npy", "-o", "net"),
        ("verify", "net.onnx", *on, "--data", "x.npy"),
        ("verify", "net.onnx", *on, "--data", "x.npy", "--json", "-"),
        ("estimate", "net.onnx"),
        ("estimate", "net.onnx", "--json", "-"),
        ("run", "net", "--input", "x.npy", "-o", "out.npz"),
        ("report", "net", "--all-tiles"),
        ("report", "net", "--json", "report.json"),
        ("report", "net", "--html", "page.html"),
        ("compare", "net", "report.json"),
        ("compare", "net", "report.json", "--json", "-"),
        ("time", "net"),
        ("time", "net", "--json", "-"),
        ("trace", "net", "-o", "trace.json"),
        ("inspect", "net"),
        ("inspect", "net", "--weight", f"{name}c,0,0"),
        ("inspect", "net", "--cell", "0,0,0,0,0"),
        ("inspect", "net", "--input", "x.npy", "--stop", "0,0,1"),
        ("disasm", "net/program.cimb"),
        ("disasm", "net/program.cimb", "-o", "p.casm"),
        ("asm", "p.casm", "-o", "p.cimb"),
    ]
    for command in commands:
        done = cimc(*command)
        wanted = 2 if command[:2] == ("inspect", "net") and "--weight" in command else 0
        assert done.code in (0, wanted), (command, done.err)
        assert not invisible(done.out + done.err), (command, done)
        assert "\nerror[onnx.file]: b" not in f"\n{done.out}{done.err}", command
    assert Path("p.cimb").read_bytes() == Path("net/program.cimb").read_bytes()
    for file in ("report.json", "net/report.json", "net/manifest.json", "trace.json", "p.casm", "net/target.toml"):
        text = Path(file).read_text(encoding="utf-8")
        assert not invisible(text), file
    assert not invisible(Path("page.html").read_text(encoding="utf-8")) - {"\u2028", "\u2029"}
    for archive in ("out.npz", "net/weights.npz"):
        with zipfile.ZipFile(archive) as members:
            for member in members.namelist():
                assert not invisible(member)
                assert not member.startswith("/") and ".." not in member.split("/") and "\\" not in member
    with np.load("out.npz") as found:
        (output,) = found
        assert unquote(output) == name or case == "long"
        assert found[output].shape == (3, 3)


@pytest.mark.parametrize("case", NAMES)
def test_the_console_prints_nothing_that_steers(case: str) -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        console = new_console()
        for thing in (NAMES[case], Text(NAMES[case], style="bold"), Text.assemble(("a", "bold"), NAMES[case])):
            console.print(thing)
    assert not invisible(out.getvalue())


@pytest.mark.parametrize("case", ["escape", "turned", "lines"])
def test_names_in_messages_steer_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """In a network, data, a target, a precision file, a program, a manifest and the path itself."""
    name = NAMES[case]
    monkeypatch.chdir(tmp_path)
    quoted = json.dumps(name)
    graph = helper.make_graph(
        [helper.make_node(name, ["x"], [name], name=name)],
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, name])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "net.onnx")
    np.savez("x.npz", **{name.replace("\0", ""): np.zeros(3)})  # type: ignore[arg-type]
    Path("chip.toml").write_text(f'extends = "puma"\n{quoted} = 3\n[tile]\n{quoted} = 3\n', encoding="utf-8")
    Path("other.toml").write_text(f"extends = {quoted}\n", encoding="utf-8")
    Path("bits.toml").write_text(f"{quoted} = 3\n[layer.{quoted}]\n{quoted} = 3\n", encoding="utf-8")
    Path("p.casm").write_text(f".isa 99\n{name} {quoted}\n", encoding="utf-8")
    Path("net").mkdir()
    Path("net/manifest.json").write_text(json.dumps({"format": name}), encoding="utf-8")
    for command in (
        ("compile", "net.onnx", "-o", "out"),
        ("estimate", "net.onnx"),
        ("verify", "net.onnx", "--data", "x.npz"),
        ("targets", "show", "chip.toml"),
        ("targets", "show", "other.toml"),
        ("targets", "show", name.replace("\0", "")),
        ("compile", "net.onnx", "--precision", "bits.toml", "-o", "out"),
        ("asm", "p.casm", "-o", "p.cimb"),
        ("report", "net"),
        ("compile", f"{name}.onnx", "-o", "out"),
        ("run", "net", "--input", name, "-o", "out.npz"),
    ):
        done = cimc(*command)
        assert done.code == 2, (command, done)
        assert not invisible(done.out + done.err), (command, done)
        assert "\nerror[onnx.file]: b" not in f"\n{done.err}", (command, done.err)
