"""Chips of a kind on the emulator: the same seed gives the same chip, and every input its own noise, however they are
run; what verify says of them; many of them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import cimc as api
from cimc.base.diagnostics import CimcError
from cimc.crossbar.device import Specimen, device_of
from cimc.driver.chip_trials import spread_of
from cimc.driver.device_effect import DeviceEffect
from cimc.driver.verification import Verification
from cimc.runtime.machine import bytes_per_lane
from cimc.runtime.step import StepEngine
from tests.cli.commands import CALIBRATION, DIGITS, TEST, cimc, compiled

NOISY = {"device.preset": "b-rram", "device.variation": "0.02", "device.stuck_on": "0.001"}
OPTIONS = [part for key, value in NOISY.items() for part in ("--set", f"{key}={value}")]
with np.load(TEST) as _file:
    DATA = {name: _file[name][:24] for name in _file.files}
Arrays = dict[str, npt.NDArray[Any]]


@pytest.fixture(scope="module")
def made() -> api.CompiledProgram:
    return api.compile(DIGITS, "puma", CALIBRATION, set=NOISY)


def engine(made: api.CompiledProgram, seed: int = 1, **options: Any) -> StepEngine:
    device = device_of(made.target, Specimen(seed))
    return StepEngine(made.program, made.weights, made.target, device=device, seed=seed, **options)


def logits(engine: StepEngine, images: npt.NDArray[Any], **options: Any) -> npt.NDArray[Any]:
    return engine.run({"input": images[:, None]}, **options).outputs["logits"]


def test_an_input_has_its_own_noise_whatever_runs_with_it(made: api.CompiledProgram) -> None:
    """All at once, one by one, in chunks that memory allows, and in random schedules of the cores."""
    one, x = engine(made), DATA["input"][:7]
    whole = logits(one, x)
    for lane in range(7):
        assert np.array_equal(logits(one, x[lane : lane + 1], first=lane)[0], whole[lane])
    few = engine(made, max_memory=3 * bytes_per_lane(made.program, made.target))
    assert few._chunk(7, 1, None) < 3
    assert np.array_equal(logits(few, x), whole)
    assert np.array_equal(logits(one, x, schedule_seed=5), whole)
    assert not np.array_equal(logits(one, x[:1], first=1)[0], whole[0])


def test_the_same_image_twice_has_other_noise(made: api.CompiledProgram) -> None:
    found = logits(engine(made), np.repeat(DATA["input"][:1], 2, axis=0))
    assert not np.array_equal(found[0], found[1])


def test_every_product_of_an_input_has_other_noise() -> None:
    """A constant image, and no noise but that of reads: where windows are the same, values of conv1 are not."""
    made = api.compile(DIGITS, "puma", CALIBRATION, set={"device.read_noise_relative": "0.05"})
    found = engine(made).run({"input": np.full((1, 1, 1, 8, 8), 0.5, np.float32)}, capture=["relu1_out"])
    inner = found.stored["relu1_out"][0, 0, 1:-1, 1:-1]
    assert len(np.unique(inner.reshape(36, -1), axis=0)) > 12


def test_a_stream_of_inputs_is_the_inputs_one_by_one(made: api.CompiledProgram) -> None:
    """Three images of two lanes: image i of lane l is input 3 l + i."""
    one, x = engine(made), DATA["input"][:6].reshape(3, 2, 1, 1, 8, 8)
    found = one.run({"input": x}, images=3).outputs["logits"]
    for image, lane in np.ndindex(3, 2):
        alone = one.run({"input": x[image, lane : lane + 1]}, first=3 * lane + image).outputs["logits"]
        assert np.array_equal(found[image, lane], alone[0])


def test_a_seed_is_a_chip(made: api.CompiledProgram) -> None:
    x = DATA["input"][:3]
    assert np.array_equal(logits(engine(made), x), logits(engine(made), x))
    assert not np.array_equal(logits(engine(made), x), logits(engine(made, 2), x))
    inputs = {"input": x}
    a, b = made.run(inputs, chip_seed=1)["logits"], made.run(inputs, chip_seed=2)["logits"]
    assert np.array_equal(a, logits(engine(made), x).reshape(a.shape))
    assert not np.array_equal(a, b)
    assert np.array_equal(made.run(inputs, chip_seed=1)["logits"], a)


def test_programs_do_not_depend_on_cells(made: api.CompiledProgram) -> None:
    """Cells and wires are no matter of the compiler."""
    plain = api.compile(DIGITS, "puma", CALIBRATION)
    assert made.text() == plain.text().replace('target="puma"', f'target="{made.target.name}"')
    assert all(np.array_equal(array, plain.weights[name]) for name, array in made.weights.items())


def verified(**options: Any) -> Verification:
    return api.verify(DIGITS, DATA, "puma", CALIBRATION, **options)


def test_noise_is_never_called_wrong() -> None:
    plain, noisy = verified(), verified(set=NOISY, chip_seed=3)
    assert plain.device is None and plain.trials is None and noisy.trials is None
    assert noisy.bit_exact and noisy.faithful and noisy.passed and noisy.mismatches == 0
    assert (noisy.snr_db, noisy.top1_chip, noisy.layers) == (plain.snr_db, plain.top1_chip, plain.layers)
    device = noisy.device
    assert device is not None and device.snr_db is not None and plain.snr_db is not None
    assert 0 < device.snr_db < 25 < plain.snr_db
    assert device.chip_seed == 3 and device.top1 is not None and device.top1 > 0.5
    assert "WRONG" not in repr(noisy)
    assert "chip 3" in dict(noisy.facts())


def test_decibels_and_labels_of_a_chip_are_those_of_its_outputs(made: api.CompiledProgram) -> None:
    found = verified(set=NOISY, chip_seed=3).device
    assert found is not None
    outputs = made.run({"input": DATA["input"]}, chip_seed=3)["logits"]
    ideal = api.compile(DIGITS, "puma", CALIBRATION).run({"input": DATA["input"]})["logits"].astype(float)
    error = np.square(outputs.astype(float) - ideal).sum()
    assert found.own_snr_db == pytest.approx(10 * np.log10(np.square(ideal).sum() / error), rel=1e-6)
    assert found.top1 == (outputs.reshape(24, -1).argmax(axis=1) == DATA["labels"]).mean()


@pytest.mark.parametrize(("limits", "passed"), [({"min_snr": 30}, False), ({"min_snr": 1}, True)])
def test_what_is_asked_for_is_asked_of_the_chip(limits: dict[str, float], passed: bool) -> None:
    assert verified(set=NOISY, **limits).passed == passed
    assert verified(**limits).passed


def test_time_and_reads_and_writes_reach_the_cells() -> None:
    keys = {"device.drift_exponent": "0.05", "device.read_disturb": "1e-6", "device.endurance_spread": "1"}
    found = [verified(set=keys, **age).device for age in ({}, {"time": 1e5}, {"reads": 100_000}, {"writes": 1_000_000})]
    assert all(one is not None for one in found)
    decibels = [one.snr_db or 0 for one in found if one is not None]
    assert len(set(decibels)) == 4 and decibels[0] == max(decibels)


def test_a_spread_by_hand() -> None:
    """1, 2, 3, 4: deviation sqrt(5 / 3), and Student's t of three degrees of freedom at 97.5 % is 3.182446."""
    found = spread_of([1.0, None, 2.0, 4.0, 3.0])
    assert found is not None
    half = 3.182446 * (5 / 3) ** 0.5 / 2
    numbers = (found.mean, found.deviation, found.worst, found.low, found.high)
    assert numbers == pytest.approx((2.5, (5 / 3) ** 0.5, 1, 2.5 - half, 2.5 + half), rel=1e-6)
    assert spread_of([None]) is None
    one = spread_of([5.0])
    assert one is not None and (one.mean, one.deviation, one.low) == (5, None, None)


def test_trials_are_the_chips_one_by_one() -> None:
    """And the same with two workers."""
    found = verified(set=NOISY, chip_seed=4, trials=3).trials
    assert found is not None and found.snr_db is not None and found.top1 is not None
    alone = [verified(set=NOISY, chip_seed=4 + number).device for number in range(3)]
    assert list(found.chips) == alone
    assert found.snr_db.mean == pytest.approx(np.mean([one.snr_db for one in found.chips]))
    assert found.top1.worst == min(one.top1 for one in found.chips if one.top1 is not None)
    assert verified(set=NOISY, chip_seed=4, trials=3, workers=2).trials == found


def test_a_chip_is_the_same_in_however_many_parts_the_data_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = verified(set=NOISY, chip_seed=3).device
    monkeypatch.setattr("cimc.driver.verify.chunk_lanes", lambda compiled: 5)
    parts = verified(set=NOISY, chip_seed=3).device
    assert whole is not None and parts is not None
    assert (parts.top1, parts.max_abs_error) == (whole.top1, whole.max_abs_error)
    assert parts.snr_db == pytest.approx(whole.snr_db, rel=1e-12)  # of sums in another order


def test_trials_go_on_where_they_were_left(tmp_path: Path) -> None:
    """What the file holds of the same run is taken as it is; what it holds of others stays there."""
    file = tmp_path / "chips.csv"
    found = verified(set=NOISY, trials=2, trials_out=file).trials
    assert found is not None
    rows = list(csv.DictReader(file.open()))
    assert [int(row["chip_seed"]) for row in rows] == [0, 1]
    assert [float(row["snr_db"]) for row in rows] == [one.snr_db for one in found.chips]
    file.write_text(file.read_text().replace(rows[1]["snr_db"], "12.5"))
    more = verified(set=NOISY, trials=3, trials_out=file).trials
    assert more is not None
    assert [one.snr_db for one in more.chips[:2]] == [found.chips[0].snr_db, 12.5]
    later = verified(set=NOISY, trials=1, trials_out=file, time=100.0).trials
    assert later is not None and later.chips[0].time == 100
    assert [row["time"] for row in csv.DictReader(file.open())] == ["0.0"] * 3 + ["100.0"]


@pytest.mark.parametrize(
    ("text", "what"), [("a,b\n1,2\n", "it does not hold chips"), (None, "this line is damaged")], ids=["other", "cut"]
)
def test_a_file_of_chips_that_is_none(text: str | None, what: str, tmp_path: Path) -> None:
    file = tmp_path / "chips.csv"
    if text is None:
        verified(set=NOISY, trials=1, trials_out=file)
        text = file.read_text()[:-30] + "\n"
    file.write_text(text)
    with pytest.raises(CimcError, match=what):
        verified(set=NOISY, trials=1, trials_out=file)
    assert file.read_text() == text


def test_chips_with_ideal_cells_are_not_tried() -> None:
    with pytest.raises(CimcError, match="all of its chips are the same"):
        verified(trials=3)


def test_a_budget_has_every_cause_alone_and_without_it() -> None:
    """Each is the chip of a target that has just these keys; levels are in all of them."""
    keys = {"device.off_conductance": "5 uS", "device.program_error_relative": "0.05", "device.stuck_on": "0.003"}
    keys |= {"wires.sense": "20 ohm", "crossbar.adc_noise": "0.8"}

    def chip(*names: str, **age: float) -> DeviceEffect | None:
        return verified(set={name: keys[name] for name in names}, chip_seed=2, **age).device

    off, error, stuck, sense, adc = keys
    found = verified(set=keys, chip_seed=2, budget=True, writes=10**9).budget
    assert found is not None
    expected = [
        ("levels", chip(off), None),
        ("programming", chip(off, error), chip(off, stuck, sense, adc, writes=10**9)),
        ("stuck cells", chip(off, stuck, writes=10**9), chip(off, error, sense, adc)),
        ("wires", chip(off, sense), chip(off, error, stuck, adc, writes=10**9)),
        ("converters", chip(off, adc), chip(off, error, stuck, sense, writes=10**9)),
    ]
    assert [one.name for one in found] == [name for name, _, _ in expected]
    for one, (_, alone, without) in zip(found, expected, strict=True):
        assert one.alone.chips == (alone,)
        assert (None if one.without is None else one.without.chips) == (None if without is None else (without,))
    assert (
        "programming"
        in cimc(
            "verify", DIGITS, "--calibration", CALIBRATION, "--data", TEST, "--limit", "2", *OPTIONS, "--budget"
        ).out
    )


def test_the_commands(tmp_path: Path) -> None:
    arguments = ("verify", DIGITS, "--calibration", CALIBRATION, "--data", TEST, "--limit", "12", *OPTIONS)
    done = cimc(*arguments, "--chip-seed", "2", "--time", "50")
    assert done.code == 0 and "chip 2 after 50 s" in done.out
    found = json.loads(cimc(*arguments, "--trials", "2", "--json").out)
    assert [one["chip_seed"] for one in found["trials"]["chips"]] == [0, 1]
    assert cimc(*arguments, "--min-snr", "40").code == 1
    folder = tmp_path / "net"
    done = cimc("compile", DIGITS, "--calibration", CALIBRATION, *OPTIONS, "-o", folder)
    assert done.code == 0, done.err
    outputs = []
    for seed in ("1", "1", "2"):
        done = cimc("run", folder, "--input", TEST, "--limit", "5", "-o", tmp_path / "out.npz", "--chip-seed", seed)
        assert done.code == 0, done.err
        with np.load(tmp_path / "out.npz") as file:
            outputs.append(file["logits"])
    assert np.array_equal(outputs[0], outputs[1]) and not np.array_equal(outputs[0], outputs[2])


def test_a_neutral_device_gives_the_bits_of_none(tmp_path: Path) -> None:
    plain, neutral = api.load(compiled(tmp_path / "net")), api.compile(DIGITS, "puma", CALIBRATION)
    target = replace(neutral.target, device=None)
    assert target == plain.target
    x = {"input": DATA["input"]}
    noisy = api.compile(DIGITS, "puma", CALIBRATION, set={"device.preset": "ideal", "wires.solution": "exact"})
    assert np.array_equal(noisy.run(x, chip_seed=9, time=1e9)["logits"], plain.run(x)["logits"])
