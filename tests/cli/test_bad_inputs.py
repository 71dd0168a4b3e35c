"""What a user can get wrong: one clear message, exit code 2, and nothing written."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.commands import CALIBRATION, DIGITS, INPUTS, TEST, Ran, cimc, compiled, node, tree, write_network


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(here: Path, *arguments: str | Path) -> str:
    """What a command says when it refuses; it must leave everything as it was."""
    before = tree(here)
    done = cimc(*arguments)
    assert (done.code, done.out) == (2, ""), done
    assert tree(here) == before
    assert not list(here.glob(".*")), "temporary files are left"
    assert "Traceback" not in done.err
    return done.err


def test_not_an_onnx_file(here: Path) -> None:
    Path("net.onnx").write_text("this is a text, not a network")
    assert refused(here, "compile", "net.onnx", "-o", "out") == (
        "error[onnx.file]: this is not an ONNX file\n"
        "  at net.onnx\n"
        "  help: it may be truncated, or another format; onnx.checker.check_model tells more\n"
    )


def test_a_truncated_network(here: Path) -> None:
    Path("net.onnx").write_bytes(Path(DIGITS).read_bytes()[:9000])
    assert refused(here, "compile", "net.onnx", "-o", "out").startswith(
        "error[onnx.file]: this is not an ONNX file\n  at net.onnx\n"
    )


def test_no_such_network(here: Path) -> None:
    assert refused(here, "compile", "net.onnx", "-o", "out") == (
        "error[onnx.file]: there is no such file\n  at net.onnx\n  help: check the path\n"
    )


def test_all_unsupported_operators_are_listed(here: Path) -> None:
    nodes = [node("Det", ["x"], "a"), node("Bogus", ["x"], "b"), node("Hardmax", ["x"], "y")]
    write_network(Path("net.onnx"), nodes, (1, 3, 3), (1, 3, 3))
    said = refused(here, "compile", "net.onnx", "-o", "out")
    assert 'Det node "det": the operator is not supported' in said
    assert 'Bogus node "bogus": ONNX has no such operator' in said
    assert said.count("error[onnx.unsupported]") >= 2
    assert said.endswith(" errors\n")


def test_shapes_that_stay_unknown(here: Path) -> None:
    weight = np.ones((4, 1, 3, 3), np.float32)
    write_network(Path("net.onnx"), [node("Conv", ["x", "w"])], ("N", 1, "h", "w_"), ("N", 4, "a", "b"), {"w": weight})
    assert refused(here, "compile", "net.onnx", "-o", "out") == (
        'error[onnx.shape]: input "x" of shape (1, 1, h, w_) has dimensions that are not fixed: h, w_\n'
        '  at net.onnx, input "x"\n'
        "  help: fix them: --bind h=INT --bind w_=INT\n"
    )
    assert cimc("compile", "net.onnx", "--bind", "h=6,w_=6", "-o", "out").code == 0


def test_weights_that_are_not_numbers(here: Path) -> None:
    weight = np.ones((4, 1, 3, 3), np.float32)
    weight[0, 0, 1, 1] = np.nan
    write_network(Path("net.onnx"), [node("Conv", ["x", "w"])], ("N", 1, 8, 8), ("N", 4, 6, 6), {"w": weight})
    said = refused(here, "compile", "net.onnx", "-o", "out")
    assert said.startswith(
        'error[onnx.nan]: the tensor "w" holds NaN or infinity: 1 of 36 elements, the first at (0, 0, 1, 1)'
    )


def test_a_network_too_big_for_the_target(here: Path) -> None:
    weight = np.ones((2048, 8), np.float32)
    write_network(Path("net.onnx"), [node("MatMul", ["x", "w"])], ("N", 2048), ("N", 8), {"w": weight})
    Path("tiny.toml").write_text(
        'extends = "puma"\n[chip]\ntiles = { value = 1, unit = "tiles", source = "assumed: a test" }\n'
        '[tile]\ncores = { value = 2, unit = "cores", source = "assumed: a test" }\n'
    )
    said = refused(here, "compile", "net.onnx", "--target", "tiny.toml", "-o", "out")
    assert said.startswith("error[place.chip]: the network needs 4 tiles; tiny has 1\n  help: map it onto more chips:")
    assert "--chips 4;" in said


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("program") / "digits")


DATA: dict[str, tuple[dict[str, np.ndarray], str]] = {
    "wrong name": (
        {"imput": INPUTS},
        'error[input.name]: the network has no input "imput"\n  at x.npz, imput\n  help: did you mean "input"?\n'
        'error[input.name]: the input "input", float32 of shape (lanes, 1, 8, 8), is missing\n  at x.npz, input\n'
        "  help: give one array for each input, named as the input\n2 errors\n",
    ),
    "wrong shape": (
        {"input": INPUTS[:, :, :7]},
        'error[input.shape]: the input "input" expects shape (lanes, 1, 8, 8), got (8, 1, 7, 8)\n  at x.npz, input\n'
        "  help: axis 0 is the lane (one run of the network each), at least 1\n",
    ),
    "wrong type": (
        {"input": INPUTS.astype(np.int32)},
        'error[input.dtype]: the input "input" expects float32, got int32\n  at x.npz, input\n'
        "  help: convert it to float32 with the network's own preprocessing (range, mean, scale)\n",
    ),
    "not numbers": (
        {"input": INPUTS * np.nan},
        'error[input.nan]: the input "input" holds NaN or infinity: 512 element(s), the first at (0, 0, 0, 0)\n'
        "  at x.npz, input\n  help: give finite float32 values\n",
    ),
}


@pytest.mark.parametrize("case", DATA)
def test_wrong_inputs(here: Path, program: Path, case: str) -> None:
    arrays, message = DATA[case]
    np.savez("x.npz", **arrays)  # type: ignore[arg-type]
    assert refused(here, "run", program, "--input", "x.npz", "-o", "y.npz") == message


def test_verify_names_the_file_that_lacks_an_input(here: Path) -> None:
    np.savez("x.npz", imput=INPUTS)
    message = (
        'error[input.name]: there is no array for the input "input"\n'
        "  at x.npz\n  help: name it so; the file holds: imput\n"
    )
    assert refused(here, "verify", DIGITS, "--calibration", CALIBRATION, "--data", "x.npz") == message
    assert refused(here, "verify", DIGITS, "--calibration", "x.npz", "--data", TEST) == message


def test_labels_that_do_not_fit(here: Path) -> None:
    np.savez("x.npz", input=INPUTS, labels=np.arange(3))
    said = refused(here, "verify", DIGITS, "--calibration", CALIBRATION, "--data", "x.npz")
    assert said.startswith(
        "error[data.labels]: labels are int64 of shape (3,), not one whole number for each of 8 inputs\n"
    )


def test_broken_toml(here: Path) -> None:
    Path("chip.toml").write_text("[numbers\nword = 3\n")
    said = refused(here, "compile", DIGITS, "--target", "chip.toml", "-o", "out")
    assert said.startswith("error[target.toml]: this is not TOML: ")
    assert "\n  at chip.toml:1:9\n" in said


def test_all_mistakes_of_a_target(here: Path) -> None:
    Path("chip.toml").write_text(
        'extends = "puma"\n[crossbar]\nrws = { value = 64, unit = "rows", source = "me" }\n'
        'adc_bits = { value = 8, unit = "bit", source = "me" }\n'
    )
    assert refused(here, "compile", DIGITS, "--target", "chip.toml", "-o", "out") == (
        'error[target.key]: [crossbar] has no key "rws"\n  at chip.toml:3, crossbar.rws\n  help: did you mean "rows"?\n'
        'error[target.unit]: "crossbar.adc_bits" cannot be given in "bit"\n  at chip.toml:4, crossbar.adc_bits.unit\n'
        '  help: the unit is "bits"\n2 errors\n'
    )


@pytest.mark.parametrize("name", ["pumma", "nowhere.toml"])
def test_no_such_target(here: Path, name: str) -> None:
    said = refused(here, "compile", DIGITS, "--target", name, "-o", "out")
    assert said.startswith("error[target.")
    assert "presets: atomlayer, bram-256, bram-soc, dpe, hermes, ideal, isaac, prime, puma, xnor-rram" in said


ASSEMBLY: dict[str, tuple[Callable[[str], str], str]] = {
    "unknown mnemonic": (
        lambda text: text.replace("mvm ", "mvn ", 1),
        'error[asm.mnemonic]: there is no instruction "mvn"\n  at p.casm:{line}:11\n  help: did you mean "mvm"?\n',
    ),
    "unknown ring": (
        lambda text: text.replace("wait    input.0", "wait    inptu.0", 1),
        'error[asm.unknown-ring]: this tile has no ring "inptu"\n  at p.casm:{line}:17\n'
        '  help: did you mean "input"?\n',
    ),
    "unknown counter": (
        lambda text: text.replace("row+2", "roww+2", 1),
        'error[asm.unknown-counter]: no enclosing loop counts "roww"\n  at p.casm:{line}:26\n'
        '  help: did you mean "row"?\n',
    ),
    "register out of range": (
        lambda text: text.replace("load    xin[0:9]", "load    xin[250:259]", 1),
        "error[verify.register]: xin[258] does not exist: xin has 256 words\n  at p.casm:{line}, tile 0 core 0, ",
    ),
}


@pytest.mark.parametrize("case", ASSEMBLY)
def test_wrong_assembly(here: Path, program: Path, case: str) -> None:
    change, message = ASSEMBLY[case]
    right = (program / "program.casm").read_text(encoding="utf-8")
    wrong = "; a comment, so that lines are those of this file\n" + change(right)
    lines = zip(wrong.splitlines()[1:], right.splitlines(), strict=True)
    line = next(number for number, (a, b) in enumerate(lines, 2) if a != b)
    Path("p.casm").write_text(wrong, encoding="utf-8")
    assert refused(here, "asm", "p.casm", "-o", "p.cimb").startswith(message.format(line=line))


def test_a_loop_without_end(here: Path, program: Path) -> None:
    text = (program / "program.casm").read_text(encoding="utf-8").splitlines(keepends=True)
    text.remove("    end\n")
    Path("p.casm").write_text("".join(text), encoding="utf-8")
    assert refused(here, "asm", "p.casm", "-o", "p.cimb").startswith(
        "error[asm.missing-end]: the loop over image has no end\n"
    )


def test_an_edited_program_is_checked_before_it_runs(here: Path, program: Path) -> None:
    text = (program / "program.casm").read_text(encoding="utf-8")
    Path("p.casm").write_text(text.replace("mvm     0b1", "mvm     0b1000", 1), encoding="utf-8")
    np.save("x.npy", INPUTS)
    said = refused(here, "run", program, "--program", "p.casm", "--input", "x.npy", "-o", "y.npz")
    assert said.startswith("error[verify.mask]: the mask selects MVMU 3, which holds no matrix\n  at p.casm:")


def test_an_edited_program_that_deadlocks_is_a_failed_check(here: Path, program: Path) -> None:
    text = (program / "program.casm").read_text(encoding="utf-8")
    first = next(line for line in text.splitlines() if line.split()[:2] == ["release", "input.0,"])
    Path("p.casm").write_text(text.replace(first + "\n", "", 1), encoding="utf-8")
    np.save("x.npy", INPUTS)
    before = tree(here)
    done = cimc("run", program, "--program", "p.casm", "--input", "x.npy", "-o", "y.npz")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error[verify.deadlock]: ")
    assert tree(here) == before


def test_weights_of_another_program(here: Path, program: Path) -> None:
    other = compiled(here / "other", target="ideal")
    (other / "weights.npz").write_bytes((program / "weights.npz").read_bytes())
    np.save("x.npy", INPUTS)
    said = refused(here, "run", other, "--input", "x.npy", "-o", "y.npz")
    assert said.startswith("error[package.file]: the file is not the one that the manifest lists")
    said = refused(here, "run", program, "--program", other / "program.casm", "--input", "x.npy", "-o", "y.npz")
    assert "error[verify." in said  # it is the program of another target, too
    text = (program / "program.casm").read_text(encoding="utf-8")
    Path("p.casm").write_text(re.sub('weights="[0-9a-f]*"', 'weights="00"', text), encoding="utf-8")
    said = refused(here, "run", program, "--program", "p.casm", "--input", "x.npy", "-o", "y.npz")
    assert said.startswith("error[package.weights]: the program is not of the weights in ")


def test_report_of_another_program(here: Path, program: Path) -> None:
    other = compiled(here / "other", target="ideal")
    (other / "report.json").write_bytes((program / "report.json").read_bytes())
    assert refused(here, "report", other) == (
        'error[report.program]: the report is not of the program "digits_plain" in this folder\n'
        f"  at {other / 'report.json'}\n  help: compile the network again\n"
    )


def test_a_folder_that_is_no_program(here: Path) -> None:
    Path("empty").mkdir()
    said = refused(here, "report", "empty")
    assert said.startswith("error[package.file]: this is no compiled program")


def test_an_output_that_cannot_be_written_is_found_first(here: Path, program: Path) -> None:
    Path("file").write_text("here first")
    Path("full").mkdir()
    Path("full/letter.txt").write_text("mine")
    np.save("x.npy", INPUTS)
    # The network does not exist: the output is looked at before it.
    assert refused(here, "compile", "no.onnx", "-o", "file") == (
        "error[output.write]: this cannot be written: this is not a folder\n  at file\n"
        "  help: name a folder that is new, empty, or a compiled program\n"
    )
    assert "is a file, not a folder" in refused(here, "compile", "no.onnx", "-o", "file/out")
    assert "the folder holds other files: letter.txt" in refused(here, "compile", "no.onnx", "-o", "full")
    for out in ("file/y.npz", "nowhere/y.npz", "full"):
        said = refused(here, "run", program, "--input", "x.npy", "-o", out)
        assert said.startswith("error[output.write]: this cannot be written: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bind", "h"], 'error[options.bind]: "h" is not NAME=NUMBER\n'),
        (["--weight-bits", "40", "--target", "puma"], "error[options.bits]: --weight-bits is 40; puma takes 2 to 16\n"),
        (["--precision", "no.toml"], "error[precision.file]: no.toml can't be read: No such file or directory\n"),
        (["--calibration", "no.npz"], "error[data.file]: there is no such file\n  at no.npz\n"),
    ],
)
def test_wrong_options(here: Path, arguments: list[str], message: str) -> None:
    assert refused(here, "compile", DIGITS, *arguments, "-o", "out").startswith(message)


def test_wrong_usage_exits_with_2(here: Path) -> None:
    for arguments in (
        ["compile"],
        ["compile", DIGITS, "-o", "out", "--rows", "x"],
        ["explode"],
        ["run", "--lanes"],
    ):
        done: Ran = cimc(*arguments)
        assert done.code == 2
        assert "Usage: cimc" in done.err


def test_an_amount_of_memory_that_is_none(here: Path, program: Path) -> None:
    np.save("x.npy", INPUTS)
    said = refused(here, "run", program, "--input", "x.npy", "-o", "y.npz", "--max-memory", "lots")
    assert said == 'error[options.memory]: "lots" is no amount of memory\n  at --max-memory\n  help: write 500M or 2G\n'
    said = refused(here, "run", program, "--input", "x.npy", "-o", "y.npz", "--max-memory", "1K")
    assert said.startswith("error[run.memory]: one input takes ")


def test_a_negative_seed(here: Path) -> None:
    assert refused(here, "compile", DIGITS, "--target", "puma", "--seed", "-1", "-o", "out") == (
        "error[options.value]: seed is -1\n  at --seed\n  help: give 0 or more\n"
    )


def test_copies_of_a_network_without_a_matrix(here: Path) -> None:
    write_network(Path("relu.onnx"), [node("Relu", ["x"])], ("N", 4, 4, 4), ("N", 4, 4, 4))
    assert refused(here, "compile", "relu.onnx", "--target", "puma", "--mvmus", "9", "-o", "out") == (
        "error[balance.empty]: the network has no matrix, so there is nothing to copy\n"
        "  help: leave out --mvmus and --rate\n"
    )


def test_a_report_of_two_files_is_written_whole_or_not_at_all(here: Path, program: Path) -> None:
    said = refused(here, "report", program, "--html", "page.html", "--json", "nowhere/report.json")
    assert said.startswith("error[output.write]: this cannot be written: there is no folder nowhere\n")
    assert refused(here, "report", program, "--html", "same", "--json", "same") == (
        "error[options.report]: --json and --html name the same file\n  at same\n  help: name two files\n"
    )


def test_names_are_never_taken_as_markup(here: Path) -> None:
    weight = {"w": np.ones((3, 2), np.float32)}
    write_network(Path("a[b].onnx"), [node("MatMul", ["x", "w"], name="[/red]:car:")], ("N", 3), ("N", 2), weight)
    np.savez("x.npz", x=np.ones((4, 3), np.float32))
    assert cimc("compile", "a[b].onnx", "--target", "puma", "-o", "n[c]").code == 0
    for command in (
        ("verify", "a[b].onnx", "--target", "puma", "--data", "x.npz"),
        ("estimate", "a[b].onnx"),
        ("estimate", "a[b].onnx", "--target", "atomlayer"),
        ("report", "n[c]"),
        ("time", "n[c]"),
        ("compare", "n[c]", "n[c]"),
        ("inspect", "n[c]"),
        ("inspect", "n[c]", "--input", "x.npz", "--stop", "y"),
        ("run", "n[c]", "--input", "x.npz", "-o", "o[d].npz"),
    ):
        done = cimc(*command)
        assert done.code == 0, (command, done.err)
        if command[0] in ("estimate", "time"):
            assert "[/red]:car:" in done.out, command
