"""A folder is checked before it is believed: whatever is changed in it, with digests that fit, it is refused with
diagnostics when it is read, or it runs and is timed."""

from __future__ import annotations

import hashlib
import json
import random
import re
import struct
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cimc
from cimc.base.diagnostics import CimcError
from cimc.isa.binary.file import FORMAT, MAGIC, encode
from cimc.isa.table import ISA_VERSION
from cimc.isa.text.parser import parse
from cimc.runtime.machine import AnyArray
from cimc.runtime.package import BINARY, MANIFEST, TARGET, TEXT, WEIGHTS, load_package
from cimc.runtime.sites import Deadlock
from cimc.runtime.step import StepEngine
from cimc.runtime.timing.engine import time_program
from cimc.runtime.weights_file import weights_digest, write_weights

EXAMPLES = Path(cimc.__file__).parent / "examples"
NUMBERS = ("0", "-1", "1", "2147483648", "9223372036854775808", "1" + "0" * 30)
SECONDS = 15
FINE = "fine"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits network compiled for puma."""
    place = tmp_path_factory.mktemp("checked") / "net"
    calibration = EXAMPLES / "digits_calibration.npz"
    cimc.compile(EXAMPLES / "digits_plain.onnx", target="puma", calibration=calibration).save(place)
    return place


def changed(folder: Path, files: Mapping[str, bytes]) -> Path:
    """The folder beside itself with other files, digests that fit and nothing else; text and binary not both. The
    manifest says of weights what the text says."""
    place = folder.with_name("changed")
    place.mkdir(exist_ok=True)
    program = BINARY if BINARY in files else TEXT
    names = (program, WEIGHTS, TARGET)
    for name in (TEXT, BINARY):
        (place / name).unlink(missing_ok=True)
    for name in names:
        (place / name).write_bytes(files.get(name) or (folder / name).read_bytes())
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["files"] = {name: hashlib.sha256((place / name).read_bytes()).hexdigest() for name in names}
    said = re.search(rb'weights="?([0-9a-f]{64})', files.get(TEXT, b""))
    manifest["weights"] = said[1].decode() if said else manifest["weights"]
    (place / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return place


def verdict(folder: Path, files: Mapping[str, bytes]) -> str:
    """What is said about the changed folder, or FINE where it is believed: then it runs, and is timed."""
    place = changed(folder, files)
    start = time.process_time()
    try:
        package = load_package(place)
    except CimcError as error:
        assert time.process_time() - start < SECONDS
        return str(error)
    try:
        time_program(package.program, package.target, inputs=1)
        plugs = package.program.inputs
        inputs = {plug.name: np.zeros((1, *plug.shape), plug.dtype) for plug in plugs}
        StepEngine(package.program, package.weights, package.target).run(inputs)
    except CimcError as error:
        codes = {found.code for found in error.diagnostics}
        assert codes <= {"run.memory", "run.target", "time.price"}, codes
    except Deadlock as error:
        pytest.fail(f"a folder that was believed stands still: {error}")
    assert time.process_time() - start < SECONDS
    return FINE


def test_the_folder_is_fine(folder: Path) -> None:
    assert verdict(folder, {}) == FINE
    assert verdict(folder, {BINARY: (folder / BINARY).read_bytes()}) == FINE


def edited(folder: Path, old: str, new: str) -> bytes:
    """The program's text with every match of a pattern replaced; there is one."""
    text = (folder / TEXT).read_text(encoding="utf-8")
    found, count = re.subn(old, new, text, flags=re.MULTILINE)
    assert count
    return found.encode()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (r"segments=\d+", "segments=0", "verify.ring"),
        (r"ports=1", "ports=1000000000", "verify.ring"),
        (r"pixels=\d+", "pixels=1000000000000", "verify.ring"),
        (r"\br\[0:8\]", "r[600:608]", "verify.register"),
        (r"loop +pixel, \d+", "loop pixel, 1000000000000", "verify.window"),
        (r"^( *)mvm +0b1$", r"\1loop w, 1000000000000000\n\1mvm 0b1\n\1end", "verify.work"),
        (r"store +(\w+)\[row", r"store \1[row+100", "verify.window"),
        (r"^ *space .*\n", "", "verify.discipline"),
        (r"^ *wait .*\n", "", "verify.discipline"),
        (r"shift=\d+", "shift=-1", "verify.matrix"),
        (r"addr=448", "addr=440", "verify.overlap"),
        (r"addr=940", "addr=930", "verify.overlap"),
        (r"addr=1004", "addr=10040000", "verify.memory"),
        (r"target=\"puma\"", 'target="ideal"', "verify.target"),
        (r"accumulator=16", "accumulator=12", "verify.target"),
        (r"dtype=float32", "dtype=float64", "verify.plug"),
        (r"rings=\(0:logits.0\)", "rings=(0:logits.1)", "verify.plug"),
    ],
)
def test_a_change_is_refused_at_its_line(folder: Path, old: str, new: str, code: str) -> None:
    said = verdict(folder, {TEXT: edited(folder, old, new)})
    assert f"error[{code}]" in said and str(folder.with_name("changed") / TEXT) in said
    if code in ("verify.register", "verify.window", "verify.work", "verify.discipline"):
        assert re.search(rf"{re.escape(TEXT)}:\d+, tile 0 core \d+, instruction \d+: ", said)


def test_text_and_binary_are_checked_alike(folder: Path) -> None:
    program = parse(edited(folder, r"ports=1", "ports=1025").decode())
    assert "verify.ring" in verdict(folder, {BINARY: encode(program)})


def random_numbers(folder: Path, rng: random.Random) -> bytes:
    """The program's text with a number changed, or an instruction lost."""
    lines = (folder / TEXT).read_text(encoding="utf-8").split("\n")
    number = rng.choice([number for number, line in enumerate(lines) if re.search(r"\d", line)])
    places = list(re.finditer(r"\d+", lines[number]))
    if rng.random() < 0.1:
        del lines[number]
    else:
        at = rng.choice(places)
        lines[number] = lines[number][: at.start()] + rng.choice(NUMBERS) + lines[number][at.end() :]
    return "\n".join(lines).encode()


def random_bytes(folder: Path, rng: random.Random) -> bytes:
    """The program's bytes with some changed, put in or cut off, behind a header that is right."""
    payload = bytearray((folder / BINARY).read_bytes()[18:])
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(payload))
        match rng.randrange(4):
            case 0:
                payload[at:at] = bytes([rng.choice([0x80, 0xFF, 1])] * rng.choice([1, 4, 9]))
            case 1 if rng.random() < 0.2:
                del payload[at + 1 :]
            case _:
                payload[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    header = struct.pack("<4sBBIQ", MAGIC, FORMAT, ISA_VERSION, zlib.crc32(payload), len(payload))
    return header + bytes(payload)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1 << 32))
def test_any_number_in_the_text(folder: Path, seed: int) -> None:
    assert verdict(folder, {TEXT: random_numbers(folder, random.Random(seed))})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1 << 32))
def test_any_bytes(folder: Path, seed: int) -> None:
    assert verdict(folder, {BINARY: random_bytes(folder, random.Random(seed))})


@pytest.mark.slow
def test_every_number_in_the_text(folder: Path) -> None:
    """Each number of each kind of line, by each of NUMBERS."""
    lines = (folder / TEXT).read_text(encoding="utf-8").split("\n")
    seen = set()
    for number, line in enumerate(lines):
        for place, at in enumerate(re.finditer(r"\d+", line)):
            key = line.split()[0], place
            if key in seen:
                continue
            seen.add(key)
            for value in NUMBERS:
                new = [*lines[:number], line[: at.start()] + value + line[at.end() :], *lines[number + 1 :]]
                assert verdict(folder, {TEXT: "\n".join(new).encode()}), (line, value)


@pytest.mark.slow
def test_many_bytes(folder: Path) -> None:
    rng = random.Random(1)
    for _ in range(600):
        assert verdict(folder, {BINARY: random_bytes(folder, rng)})


def with_weights(folder: Path, name: str, change: Callable[[AnyArray], AnyArray], tmp_path: Path) -> str:
    """The verdict on a folder with one array changed, and the program's digest of its weights with it."""
    with np.load(folder / WEIGHTS) as file:
        arrays = {key: file[key] for key in file.files}
    arrays[name] = change(arrays[name].copy())
    with (tmp_path / "weights").open("wb") as out:
        write_weights(arrays, out)
    text = edited(folder, 'weights="[0-9a-f]*"', f'weights="{weights_digest(arrays)}"')
    return verdict(folder, {TEXT: text, WEIGHTS: (tmp_path / "weights").read_bytes()})


def put(value: float, at: int = 0) -> Callable[[AnyArray], AnyArray]:
    """A change that puts a value in one of an array's places."""

    def change(array: AnyArray) -> AnyArray:
        array.flat[at] = value
        return array

    return change


WRONG_ARRAYS: Mapping[str, tuple[str, Callable[[AnyArray], AnyArray]]] = {
    "a multiplier that is no number": ("t0/logits.scale", put(np.nan)),
    "an infinite multiplier": ("t0/logits.scale", put(-np.inf)),
    "a multiplier wider than float32": ("t0/logits.scale", lambda array: array.astype(np.float64) * 1e300),
    "multipliers in integers": ("t0/logits.scale", lambda array: array.astype(np.int32)),
    "a multiplier too few": ("t0/logits.scale", lambda array: array[:, 1:]),
    "a weight that is too wide": ("t0/logits/mvmu0", lambda array: put(1 << 15)(array.astype(np.int64))),
    "a weight beyond 64 bits": ("t0/logits/mvmu0", lambda array: put((1 << 64) - 1)(array.astype(np.uint64))),
    "weights in floats": ("t0/logits/mvmu0", lambda array: array.astype(np.float32)),
    "weights transposed": ("t0/logits/mvmu0", lambda array: np.ascontiguousarray(array.T)),
    "moves of elements that there are not": ("input/input", put(1, 1)),
    "moves to words below none": ("input/input", put(-1, 2)),
    "moves of too few words": ("input/input", put(63, 3)),
    "moves of no words": ("input/input", put(0, 3)),
    "moves of endlessly many words": ("input/input", lambda array: np.array([1, 0, 0, 1 << 62, 0, 0])),
    "moves that meet": ("output/logits", put(0, 4)),
    "moves of nothing": ("output/logits", lambda array: array[:0]),
    "an axis of moves that is missing": ("output/logits", put(2)),
    "moves of too many axes": ("output/logits", put(1 << 62)),
    "moves of fewer axes than none": ("output/logits", put(-1)),
    "moves in floats": ("output/logits", lambda array: array.astype(np.float64)),
}


@pytest.mark.parametrize("name", WRONG_ARRAYS)
def test_wrong_arrays_are_refused(folder: Path, name: str, tmp_path: Path) -> None:
    array, change = WRONG_ARRAYS[name]
    said = with_weights(folder, array, change, tmp_path)
    assert "error[run.weights]" in said and f'array "{array}"' in said


@pytest.mark.parametrize("value", [0.0, -0.0, -1.5, 3e38, 1e-45])
def test_multipliers_may_be_any_finite_number(folder: Path, value: float, tmp_path: Path) -> None:
    assert with_weights(folder, "t0/logits.scale", put(value), tmp_path) == FINE


def with_target(folder: Path, section: str, key: str, value: object) -> str:
    """The verdict on a folder with one value of its target changed."""
    text = (folder / TARGET).read_text(encoding="utf-8")
    new, count = re.subn(rf"(?ms)(^\[{section}\]$.*?^{key} = {{ value = )[^,]+", rf"\g<1>{value}", text, count=1)
    assert count == 1
    return verdict(folder, {TARGET: new.encode()})


@pytest.mark.parametrize(
    ("section", "key", "value", "code"),
    [
        ("numbers", "word", 24, "verify.target"),
        ("numbers", "word", 32, "verify.target"),
        ("numbers", "accumulator", 12, "verify.target"),
        ("crossbar", "rows", 64, "verify.matrix"),
        ("crossbar", "columns", 4, "verify.matrix"),
        ("core", "registers", 8, "verify.register"),
        ("core", "mvmus", 1, "verify.mvmu"),
        ("core", "instruction_bytes", 16, "verify.code"),
        ("tile", "cores", 2, "verify.core"),
        ("tile", "memory_words", 900, "verify.memory"),
        ("chip", "resident", '"one layer"', "verify.resident"),
    ],
)
def test_a_target_that_the_program_is_not_for_is_refused(
    folder: Path, section: str, key: str, value: object, code: str
) -> None:
    assert f"error[{code}]" in with_target(folder, section, key, value)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("core", "registers", 1 << 24),
        ("tile", "memory_words", 1 << 32),
        ("tile", "cores", 4096),
        ("tile", "fifos", 0),
        ("chip", "tiles", 1 << 20),
        ("prices.mvm", "seconds", 1.0),
    ],
)
def test_a_roomier_target_is_fine(folder: Path, section: str, key: str, value: object) -> None:
    assert with_target(folder, section, key, value) == FINE


def test_memory_is_refused_before_it_is_taken(folder: Path) -> None:
    """A ring at the far end of a memory of 2^32 words: its tile would take 16 GiB a lane."""
    target = (folder / TARGET).read_text(encoding="utf-8")
    target = re.sub(r"(^memory_words = { value = )\d+", rf"\g<1>{1 << 32}", target, flags=re.MULTILINE)
    text = edited(folder, r"addr=448", f"addr={(1 << 32) - 128}")
    package = load_package(changed(folder, {TEXT: text, TARGET: target.encode()}))
    with pytest.raises(CimcError, match=r"run\.memory.*one input takes 17\d{9} bytes"):
        StepEngine(package.program, package.weights, package.target).run({"input": np.zeros((1, 1, 1, 8, 8))})
