"""`cimc time` and `cimc trace`: what they print, and the format of the trace."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cli.commands import cimc, compiled


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("timed") / "net")


def test_time_for_people(folder: Path) -> None:
    done = cimc("time", folder)
    assert (done.code, done.err) == (0, "")
    for text in (
        "latency of the first input",
        "writing the weights",
        "inputs a second",
        "ADCs",
        "conv1",
        "bottleneck: tile 0 core 0",
    ):
        assert text in done.out


def test_time_as_json(folder: Path) -> None:
    done = cimc("time", folder, "--inputs", "3", "--json", "-")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert (found["program"], found["target"], found["inputs"]) == ("digits_plain", "puma", 3)
    assert len(found["completions"]) == 3
    assert found["writing"]["cells"] == 30272 and found["writing"]["seconds"] > 0
    assert found["rate"] == pytest.approx(1 / found["interval"])
    assert cimc("time", folder, "--inputs", "3", "--json", "-").out == done.out


def test_time_of_one_input_has_no_rate(folder: Path) -> None:
    found = json.loads(cimc("time", folder, "--inputs", "1", "--json", "-").out)
    assert found["rate"] is None and found["interval"] is None


def test_a_target_without_prices_is_refused(tmp_path: Path) -> None:
    done = cimc("time", compiled(tmp_path / "net", target="ideal"))
    assert done.code == 2
    assert done.err.startswith("error[time.price]: target ideal has no prices")


def test_the_trace_has_the_format_of_chrome(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    done = cimc("trace", folder, "-o", file)
    assert (done.code, done.err) == (0, "")
    trace = json.loads(file.read_text(encoding="utf-8"))
    assert set(trace) == {"displayTimeUnit", "otherData", "traceEvents"}
    meta = [event for event in trace["traceEvents"] if event["ph"] == "M"]
    slices = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert len(meta) + len(slices) == len(trace["traceEvents"])
    tracks = {(e["pid"], e["tid"]): e["args"]["name"] for e in meta if e["name"] == "thread_name"}
    assert tracks[0, 0] == "core 0: conv1"
    assert {e["args"]["name"] for e in meta if e["name"] == "process_name"} == {"tile 0"}
    assert {(e["pid"], e["tid"]) for e in slices} == set(tracks)
    assert all(set(e) == {"ph", "name", "cat", "pid", "tid", "ts", "dur"} for e in slices)
    for track in tracks:
        own = sorted((e["ts"], e["dur"]) for e in slices if (e["pid"], e["tid"]) == track)
        assert all(ts >= 0 and dur > 0 for ts, dur in own)
        for (start, length), (following, _) in pairwise(own):
            assert start + length <= following + 1e-9  # us; ends and starts are rounded apart
    assert {e["cat"] for e in slices} == {"work", "wait"}
    latency = json.loads(cimc("time", folder, "--inputs", "2", "--json", "-").out)["completions"][-1]
    assert max(e["ts"] + e["dur"] for e in slices) == pytest.approx(latency * 1e6)


def test_a_trace_of_few_slices_says_how_short_ones_were_joined(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    everything = cimc("trace", folder, "-o", file, "--slices", "0")
    assert everything.code == 0 and "joined" not in everything.out
    full = json.loads(file.read_text(encoding="utf-8"))
    assert full["otherData"]["resolution"] == 0
    done = cimc("trace", folder, "-o", file, "--slices", "20")
    assert done.code == 0 and "(--slices 0 keeps all)" in done.out
    trace = json.loads(file.read_text(encoding="utf-8"))
    assert trace["otherData"]["resolution"] > 0
    slices = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert len(slices) <= 20
    ends = [max(e["ts"] + e["dur"] for e in one["traceEvents"] if e["ph"] == "X") for one in (full, trace)]
    assert ends[0] == pytest.approx(ends[1])
