from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cimc import __version__
from cimc.cli.app import app
from tests.cli.commands import CALIBRATION, DIGITS, INPUTS, QUANTISED, RESIDUAL, TEST, cimc, compiled, tree

VERIFY_KEYS = {
    "bit_exact", "budget", "code_bytes", "cores", "crossbars", "device", "first_mismatch", "inputs", "instructions",
    "layers", "faithful", "limits", "max_abs_error", "mismatches", "model", "oracle", "passed", "seconds", "snr_db",
    "target", "tiles", "top1_chip", "top1_float", "trials", "warnings",
}  # fmt: skip
COMMANDS = (*(c.name or c.callback.__name__ for c in app.registered_commands if c.callback), "targets")


def test_version() -> None:
    assert cimc("--version").out == f"cimc {__version__}\n"


def test_without_arguments_there_is_help() -> None:
    assert "cimc verify" in cimc().out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_with_an_example(command: str) -> None:
    done = cimc(command, "--help")
    assert done.code == 0
    assert f"cimc {command} " in done.out.split("Usage:")[1].split("\n", 1)[1]


@pytest.mark.parametrize("model", [DIGITS, RESIDUAL, QUANTISED])
@pytest.mark.parametrize("target", ["ideal", "puma"])
def test_verify_prints_one_json_object(model: str, target: str) -> None:
    done = cimc(
        "verify",
        model,
        "--target",
        target,
        "--calibration",
        CALIBRATION,
        "--data",
        TEST,
        "--limit",
        "16",
        "--json",
        "-",
    )
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert set(found) == VERIFY_KEYS
    assert (found["inputs"], found["mismatches"], found["bit_exact"], found["target"]) == (16, 0, True, target)
    assert set(found["seconds"]) == {"compile", "emulate"}
    assert all(set(layer) == {"name", "snr_db", "max_abs_error", "max_steps"} for layer in found["layers"])
    assert (found["passed"], found["faithful"], found["limits"]) == (True, True, {"min_snr": None, "max_loss": None})
    assert found["first_mismatch"] is None


def test_verify_for_people() -> None:
    done = cimc("verify", DIGITS, "--target", "puma", "--calibration", CALIBRATION, "--data", TEST, "--limit", "16")
    assert done.code == 0
    exact, faithful = done.out.rstrip().splitlines()[-2:]
    assert exact == "exact: 16 inputs, every stored value equals the quantised reference, bit for bit"
    assert re.fullmatch(r"faithful: against onnxruntime \d\d\.\d dB, 0\.00 points of right labels lost", faithful)
    assert "right labels" in done.out


def test_a_warning_goes_to_standard_error(tmp_path: Path) -> None:
    done = cimc("compile", DIGITS, "-o", tmp_path / "out")
    assert done.code == 0
    assert done.err.startswith("warning[calibration.none]: no calibration data")


def test_a_compiled_folder_holds_what_the_docs_say(tmp_path: Path) -> None:
    folder = compiled(tmp_path / "out")
    files = {"manifest.json", "program.casm", "program.cimb", "report.json", "target.toml", "weights.npz"}
    assert set(tree(folder)) == files


def test_compiling_again_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = compiled(tmp_path / "out")
    before = tree(folder)
    compiled(folder)
    assert tree(folder) == before


@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_calibration_methods_change_the_program(tmp_path: Path, method: str) -> None:
    first = compiled(tmp_path / "minmax")
    done = cimc(
        "compile",
        DIGITS,
        "--target",
        "puma",
        "--calibration",
        CALIBRATION,
        "--calibration-method",
        method,
        "-o",
        tmp_path / "b",
    )
    assert done.code == 0
    assert tree(first)["program.casm"] != tree(tmp_path / "b")["program.casm"]


def test_run_writes_outputs_by_name(tmp_path: Path) -> None:
    folder = compiled(tmp_path / "out")
    done = cimc("run", folder, "--input", TEST, "-o", tmp_path / "y.npz", "--limit", "8")
    assert done.code == 0, done.err
    y = np.load(tmp_path / "y.npz")
    assert list(y) == ["logits"]
    assert y["logits"].shape == (8, 10)
    assert (y["logits"].argmax(axis=1) == np.load(TEST)["labels"][:8]).all()


def test_memory_and_form_do_not_change_a_bit(tmp_path: Path) -> None:
    folder = compiled(tmp_path / "out")
    np.save(tmp_path / "x.npy", INPUTS)
    options = [
        [],
        ["--max-memory", "40K"],
        ["--program", folder / "program.casm"],
        ["--program", folder / "program.cimb"],
    ]
    written = []
    for number, option in enumerate(options):
        out = tmp_path / f"{number}.npz"
        assert cimc("run", folder, "--input", tmp_path / "x.npy", "-o", out, *option).code == 0
        written.append(out.read_bytes())
    assert len(set(written)) == 1


def test_a_copied_folder_runs_alone_with_the_same_bits(tmp_path: Path) -> None:
    folder = compiled(tmp_path / "first" / "out")
    np.savez(tmp_path / "x.npz", input=INPUTS)
    assert cimc("run", folder, "--input", tmp_path / "x.npz", "-o", tmp_path / "a.npz").code == 0
    alone = tmp_path / "elsewhere"
    alone.mkdir()
    shutil.copytree(folder, alone / "copy")
    shutil.rmtree(tmp_path / "first")
    command = [sys.executable, "-c", "from cimc.cli import main; main()"]
    command += ["run", "copy", "--input", "../x.npz", "-o", "b.npz"]
    subprocess.run(
        command, cwd=alone, check=True, env={"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    )
    assert (alone / "b.npz").read_bytes() == (tmp_path / "a.npz").read_bytes()


def test_text_and_binary_are_two_views(tmp_path: Path) -> None:
    folder = compiled(tmp_path / "out")
    assert cimc("asm", folder / "program.casm", "-o", tmp_path / "a.cimb").code == 0
    assert (tmp_path / "a.cimb").read_bytes() == (folder / "program.cimb").read_bytes()
    assert cimc("disasm", tmp_path / "a.cimb", "-o", tmp_path / "a.casm").code == 0
    assert (tmp_path / "a.casm").read_bytes() == (folder / "program.casm").read_bytes()
    assert cimc("disasm", tmp_path / "a.cimb").out == (folder / "program.casm").read_text(encoding="utf-8")


def test_targets() -> None:
    assert all(name in cimc("targets").out for name in ("ideal", "isaac", "puma"))


def test_a_shown_target_is_a_target(tmp_path: Path) -> None:
    shown = cimc("targets", "show", "puma").out
    (tmp_path / "mine.toml").write_text(shown, encoding="utf-8")
    a, b = compiled(tmp_path / "a"), compiled(tmp_path / "b", target=str(tmp_path / "mine.toml"))
    assert tree(a)["program.cimb"] == tree(b)["program.cimb"]
    assert tree(a)["target.toml"] == tree(b)["target.toml"]


JSON = {
    "verify": ("verify", DIGITS, "--calibration", CALIBRATION, "--data", TEST, "--limit", "2"),
    "report": ("report", "net"),
    "compare": ("compare", "net", "net"),
    "estimate": ("estimate", DIGITS),
    "time": ("time", "net"),
    "inspect": ("inspect", "net"),
    "inspect a weight": ("inspect", "net", "--weight", "fc,130,3"),
    "targets": ("targets",),
}


@pytest.mark.parametrize("name", JSON)
def test_json_is_printed_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    compiled(Path("net"))
    printed, written = cimc(*JSON[name], "--json", "-"), cimc(*JSON[name], "--json", "out.json")
    assert (printed.code, written.code, written.out) == (0, 0, "")
    found, kept = json.loads(printed.out), json.loads(Path("out.json").read_text())
    if name == "verify":
        found.pop("seconds"), kept.pop("seconds")
    assert found == kept
    refused = cimc(*JSON[name], "--json", "net/report.json")
    assert refused.code == 2 and "is a compiled program" in refused.err


def test_json_without_a_file_is_printed_wherever_it_stands(tmp_path: Path) -> None:
    folder = compiled(tmp_path / "net")
    wanted = cimc("time", folder, "--json", "-").out
    assert json.loads(wanted)
    for arguments in (("time", folder, "--json"), ("time", "--json", folder), ("time", "--json", "-", folder),
                      ("time", folder, "--json", "--inputs", "4"), ("time", folder, "--json=-")):  # fmt: skip
        assert cimc(*arguments).out == wanted, arguments


def test_compile_gives_its_report_as_json(tmp_path: Path) -> None:
    done = cimc("compile", DIGITS, "--calibration", CALIBRATION, "-o", tmp_path / "net", "--json", "-")
    assert json.loads(done.out) == json.loads((tmp_path / "net" / "report.json").read_text())


def test_a_weight_as_json(tmp_path: Path) -> None:
    found = json.loads(cimc("inspect", compiled(tmp_path / "net"), "--weight", "fc,130,3", "--json", "-").out)
    assert (found["layer"], found["weight"], found["in_mvmu"], found["row"]) == ("fc", -3137, [2, 3], 128)
    assert found["levels"] == [[0, 0, 3, 1, 0, 0, 3, 1]]


def test_targets_say_whether_they_run_code() -> None:
    found = json.loads(cimc("targets", "--json", "-").out)
    assert found["puma"]["crossbar"]["rows"] == 128


@pytest.mark.parametrize(
    "command", [("run", "net", "--input", TEST, "-o"), ("trace", "net", "-o"), ("time", "net", "--json")]
)
def test_a_file_that_is_named_as_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    compiled(Path("net"))
    done = cimc(*command, "new/")
    assert (done.code, done.err) == (
        2,
        "error[output.write]: this cannot be written: this names a folder\n  at new\n  help: name a file in it\n",
    )
    assert not Path("new").exists()


@pytest.mark.parametrize("name", ["conv2", "relu2", "relu2_out"])
def test_only_a_layer_is_disassembled(tmp_path: Path, name: str) -> None:
    folder = compiled(tmp_path / "net")
    text = cimc("disasm", folder / "program.cimb", "--layer", name).out
    assert "conv2" in text and "store" in text
    cores = [line for line in text.splitlines() if line.strip().startswith(".core")]
    assert len(cores) == 1
    wrong = cimc("disasm", folder / "program.cimb", "--layer", "conv3")
    assert wrong.code == 2 and 'there is no layer "conv3"\n  at --layer\n' in wrong.err
    alone = tmp_path / "alone.cimb"  # without the report a layer has its name and its tensor
    alone.write_bytes((folder / "program.cimb").read_bytes())
    assert (cimc("disasm", alone, "--layer", name).out == text) == (name != "relu2")


def test_an_edited_program_is_verified(tmp_path: Path) -> None:
    folder = compiled(tmp_path / "net")
    text = (folder / "program.casm").read_text(encoding="utf-8")
    (tmp_path / "same.casm").write_text(text, encoding="utf-8")
    options = ("--calibration", CALIBRATION, "--data", TEST, "--limit", "4", "--program")
    assert cimc("verify", DIGITS, *options, tmp_path / "same.casm").code == 0
    edited = text.replace("rmax    r[0:8], r[8:24]", "rmax    r[0:8], r[8:16]")  # one element of a window is left out
    assert edited != text
    (tmp_path / "edited.casm").write_text(edited, encoding="utf-8")
    done = cimc("verify", DIGITS, *options, tmp_path / "edited.casm")
    assert done.code == 1 and "WRONG: " in done.out and "  first: pool1_out[" in done.out
    other = compiled(tmp_path / "other", RESIDUAL) / "program.casm"
    refused = cimc("verify", DIGITS, *options, other)
    assert (
        refused.code == 2 and "error[package.weights]: the program is not of the weights in this network" in refused.err
    )


def test_labels_that_are_asked_for_are_missed_before_compiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cimc.driver.compile.run_passes", lambda *_: pytest.fail("it was compiled"))
    np.savez(tmp_path / "x.npz", input=INPUTS)
    done = cimc("verify", DIGITS, "--data", tmp_path / "x.npz", "--max-loss", "1")
    assert done.code == 2
    assert done.err.startswith("error[options.limits]: --max-loss is given, and the data hold no labels to lose\n")


def test_a_shell_can_complete() -> None:
    assert "--install-completion" in cimc("--help").out
