"""Laws of target files: what is written reads back equal, and no text makes the loader fail in another way."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cimc.base.diagnostics import CimcError
from cimc.target.device import DEVICE_PRESETS, DeviceKeys, WireKeys
from cimc.target.keys import ACTIONS, SECTIONS
from cimc.target.load import PRESETS, load_target, preset_names
from cimc.target.model import Price, Target, Writing
from cimc.target.write import write_target

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
PRICES = st.builds(Price, seconds=st.floats(0, 1), joules=st.floats(0, 1e4), source=TEXTS)
WRITINGS = st.builds(Writing, st.floats(0, 1), st.floats(0, 1), st.integers(1, 10**15))
DEVICES = st.builds(
    DeviceKeys,
    preset=st.sampled_from(DEVICE_PRESETS),
    on_conductance=st.floats(1e-6, 1e-2),
    off_conductance=st.floats(0, 9e-7),
    read_voltage=st.floats(1e-3, 10),
    variation=st.floats(0, 10),
    write_tries=st.integers(1, 100),
    stuck_on=st.floats(0, 0.5),
    drift_start=st.floats(1e-9, 1e9),
    read_law=st.sampled_from(["constant", "pcm"]),
)
WIRES = st.builds(WireKeys, st.floats(0, 1e6), st.floats(0, 1e6), solution=st.sampled_from(["fast", "exact"]))
TARGETS = st.builds(
    dataclasses.replace,
    st.sampled_from([load_target(name) for name in preset_names()]),
    name=TEXTS,
    description=st.just("") | TEXTS,
    prices=st.dictionaries(st.sampled_from(sorted(ACTIONS)), PRICES),
    writing=st.none() | WRITINGS,
    device=st.none() | DEVICES,
    wires=st.none() | WIRES,
).filter(lambda target: target.writing is not None or target.chip.resident == "all layers")

WORDS = ["[", "]", "{", "}", "=", ",", '"', "#", "\n", "0", "-1", "1e999", "nan", "true", "[[prices]]", "a.b", "value"]
KEYS = [
    *SECTIONS,
    *(key for keys in SECTIONS.values() for key in keys),
    *ACTIONS,
    "prices",
    "extends",
    "unit",
]


def load_text(text: str) -> Target:
    """What a file with this text means."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chip.toml"
        file.write_bytes(text.encode())
        return load_target(str(file))


@given(TARGETS)
def test_written_targets_read_back_equal(target: Target) -> None:
    text = write_target(target)
    assert load_text(text) == target
    assert write_target(load_text(text)) == text


@given(st.sampled_from(preset_names()), st.data())
def test_a_damaged_file_loads_or_is_diagnosed(name: str, data: st.DataObject) -> None:
    text = (PRESETS / f"{name}.toml").read_text()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        stop = data.draw(st.integers(start, min(len(text), start + 20)))
        text = text[:start] + data.draw(st.sampled_from([*WORDS, *KEYS]) | st.just("")) + text[stop:]
    try:
        load_text(text)
    except CimcError as error:
        assert all(problem.what and problem.code.startswith("target.") for problem in error.diagnostics)
