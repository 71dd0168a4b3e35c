"""Options: one declaration each, the same on the command line and in Python; values that replace a target's own."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import cimc as api
from cimc.base.options import options_of
from cimc.driver.options import (
    ChipOptions,
    CompileOptions,
    EstimateOptions,
    Limits,
    Method,
    Objective,
    TrialOptions,
)
from cimc.passes.crossbars import balance
from cimc.passes.numbers.calibrate import METHODS
from cimc.target import load_target
from tests.cli.commands import CALIBRATION, DIGITS, INPUTS, cimc, tree


def words(kind: type) -> set[str]:
    return {f"--{name.replace('_', '-')}" for name in options_of(kind)}


@pytest.mark.parametrize(
    ("command", "kinds"),
    [
        ("compile", [CompileOptions]),
        ("verify", [CompileOptions, Limits, ChipOptions, TrialOptions]),
        ("estimate", [EstimateOptions]),
    ],
)
def test_command_and_function_have_every_option(command: str, kinds: list[type]) -> None:
    told = cimc(command, "--help").out.split()
    parameters = inspect.signature(getattr(api, command)).parameters
    for kind in kinds:
        assert words(kind) <= set(told)
        assert set(options_of(kind)) <= set(parameters)


def test_words_are_those_that_there_are() -> None:
    assert get_args(Method) == METHODS
    assert Objective == balance.Objective


def test_help_is_there_at_once() -> None:
    code = "import sys, cimc.cli.app; print([name for name in ('numpy', 'onnx', 'scipy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_setting_is_the_same_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "chip.toml").write_text(
        'extends = "puma"\nname = "puma with crossbar.adc_bits=6, prices.mvm.seconds=80ns"\n'
        '[crossbar]\nadc_bits = { value = 6, unit = "bits", source = "x" }\n'
        '[prices.mvm]\nseconds = { value = 80, unit = "ns", source = "x" }\n'
    )
    settings = ["--set", "crossbar.adc_bits=6", "--set", "prices.mvm.seconds=80 ns"]
    for name, chip in (("a", ["--target", str(tmp_path / "chip.toml")]), ("b", settings)):
        done = cimc("compile", DIGITS, *chip, "--calibration", CALIBRATION, "-o", tmp_path / name)
        assert done.code == 0, done.err
    a, b = tree(tmp_path / "a"), tree(tmp_path / "b")
    assert a["weights.npz"] == b["weights.npz"]
    one, other = (load_target(str(tmp_path / name / "target.toml")) for name in "ab")
    assert (one.crossbar, one.numbers) == (other.crossbar, other.numbers)
    assert (other.crossbar.adc_bits, other.prices["mvm"].seconds) == (6, 80e-9)
    assert 'source = "--set crossbar.adc_bits=6"' in b["target.toml"].decode()
    assert "puma with crossbar.adc_bits=6" in cimc("report", tmp_path / "b").out


def test_settings_everywhere(tmp_path: Path) -> None:
    assert "adc_bits = { value = 6" in cimc("targets", "show", "puma", "--set", "crossbar.adc_bits=6").out
    plain, small = (cimc("estimate", DIGITS, *more).out for more in ([], ["--set", "crossbar.rows=64"]))
    assert plain != small and "puma with crossbar.rows=64" in small
    assert cimc("compile", DIGITS, "--calibration", CALIBRATION, "-o", tmp_path / "net").code == 0
    asm = ("asm", tmp_path / "net" / "program.casm", "-o", tmp_path / "p", "--target", "puma")
    assert cimc(*asm).code == 0
    assert cimc(*asm, "--set", "core.registers=8").code == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["crossbar.adc_bit=6"], 'error[target.key]: a target has no key "crossbar.adc_bit"\n'
         '  at --set, crossbar.adc_bit\n  help: did you mean "crossbar.adc_bits"?\n'),
        (["adc_bits=6"], 'error[target.key]: a target has no key "adc_bits"\n  at --set, adc_bits\n'
         "  help: did you mean crossbar.adc_bits?\n"),
        (["crossbar.adc_bits=99"], 'error[target.range]: "crossbar.adc_bits" is 99 bits, which is out of range\n'),
        (["crossbar.adc_bits=6 rows"], 'error[target.unit]: "crossbar.adc_bits" cannot be given in "rows"\n'),
        (["prices.mvm.seconds=80"], 'error[target.unit]: "prices.mvm.seconds" has no unit\n'),
        (["numbers.word=12"], "error[target.inconsistent]: a word of 12 bits is not a whole number of bytes\n"
         "  at --set, numbers.word\n"),
        (["mvmu.encoding=off"], 'error[target.value]: "mvmu.encoding" cannot be "off"\n'),
        (["crossbar.adc_bits"], 'error[options.set]: "crossbar.adc_bits" is not KEY=VALUE\n  at --set\n'),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(settings: list[str], message: str) -> None:
    done = cimc("estimate", DIGITS, *(part for one in settings for part in ("--set", one)))
    assert done.code == 2
    assert done.err.startswith(message)


def test_all_settings_are_judged_at_once() -> None:
    done = cimc("estimate", DIGITS, "--set", "crossbar.rows=0", "--set", "nothing.at=1")
    assert done.err.count("error[") == 2


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"weight_bits": 4.5}, "weight_bits is 4.5"),
        ({"weight_bits": True}, "weight_bits is True"),
        ({"bind": "a"}, '"a" is not NAME=NUMBER'),
        ({"bind": {"h": "3"}}, "bind is {'h': '3'}"),
        ({"bind": {"h": 0}}, "bind is 0"),
        ({"precision": 3}, "precision is 3"),
        ({"precision": {"conv1": {"weight_bits": 2.5}}}, "weight_bits is 2.5, not a whole number"),
        ({"chips": 0}, "chips is 0"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"target": None}, "target is None"),
        ({"wieght_bits": 4}, 'there is no option "wieght_bits"\n  help: did you mean "weight_bits"?'),
        ({"set": {"crossbar.rows": None}}, "set is {'crossbar.rows': None}"),
    ],
)
def test_what_is_no_such_value_is_said(options: dict[str, Any], what: str) -> None:
    with pytest.raises(api.CimcError) as caught:
        api.compile(DIGITS, **options)
    assert what in str(caught.value)


def test_wrong_options_are_said_together() -> None:
    with pytest.raises(api.CimcError) as caught:
        api.compile(DIGITS, bind="a", rows="x", weight_bits="8")
    assert len(caught.value.diagnostics) == 3


def test_numbers_of_numpy_are_numbers() -> None:
    bits = np.int64(4)
    assert api.compile(DIGITS, calibration={"input": INPUTS}, weight_bits=bits).report().layers[0].matrix is not None


@pytest.mark.parametrize("name", ["conv2", "relu2", "relu2_out"])
def test_precision_by_any_name_of_a_layer(tmp_path: Path, name: str) -> None:
    (tmp_path / "bits.toml").write_text(f"[layer.{name}]\nweight_bits = 4\n")
    program = api.compile(DIGITS, calibration=CALIBRATION, precision=tmp_path / "bits.toml")
    assert {one.name: one.matrix.weight_bits for one in program.report().layers if one.matrix} == {
        "conv1": 16, "conv2": 4, "fc": 16,
    }  # fmt: skip
    assert program.text() == api.compile(DIGITS, calibration=CALIBRATION, precision={name: {"weight_bits": 4}}).text()


def test_precision_of_a_layer_that_is_not_there() -> None:
    bits = {"weight_bits": 4}
    with pytest.raises(api.CimcError, match='there is no layer "conv3"') as caught:
        api.compile(DIGITS, calibration=CALIBRATION, precision={"conv3": bits, "fcc": bits, "fc": bits, "logits": bits})
    assert 'help: did you mean "conv' in str(caught.value)
    assert '"logits" is a layer that --precision names twice' in str(caught.value)
    assert len(caught.value.diagnostics) == 3


def test_layers_of_an_estimate_by_any_name() -> None:
    """A node, one that is fused with it, and the tensors that they make."""
    names = ("conv1", "relu1", "conv1_out", "relu1_out")
    by_name = [api.estimate(DIGITS, copies={name: 4}) for name in names]
    assert [found.layers[0].copies for found in by_name] == [4] * len(names)
    paced = [api.estimate(DIGITS, pace=name) for name in ("conv2", "relu2", "conv2_out", "relu2_out")]
    assert all(found == paced[0] for found in paced) and paced[0].layers[0].copies > 1
    with pytest.raises(api.CimcError) as caught:
        api.estimate(DIGITS, copies={"conv1": 4, "relu1": 2, "pool1": 2})
    first, second = caught.value.diagnostics
    assert first.what == '"relu1" is a layer with a matrix that --copies names twice'
    assert second.what.startswith('there is no layer with a matrix "pool1"')
