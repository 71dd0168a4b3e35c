"""The interpreter of the pages on its own: it knows nothing of cimc, and does by hand what the pages say."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles.interpreter import Deadlock, load, run
from tests.oracles.interpreter.crossbar import Converters, Crossbar, Feed
from tests.oracles.interpreter.numbers import f32
from tests.oracles.interpreter.program import Target

FOLDER = Path(__file__).parent / "interpreter"
OWN = {"numpy", "__future__", "collections", "dataclasses", "functools", "hashlib", "json", "math", "pathlib", "random",
       "re", "sys", "tomllib", "typing", "urllib"}  # fmt: skip

TARGET: dict[str, dict[str, object]] = {
    "numbers": {"word": 8, "accumulator": 6},
    "crossbar": {"rows": 4, "columns": 4, "cell_bits": 2, "dac_bits": 1, "adc_bits": 8},
    "mvmu": {"slices": "crossbars", "crossbars": 4, "encoding": "offset", "flipped": True},
    "core": {"mvmus": 2, "registers": 64},
    "tile": {"memory_words": 512, "fifos": 2, "fifo_depth": 1},
}
KEYS = "rows=2 columns=2 weight_bits=4 signed=true layer=l row=0 column=0"
TEXT = f"""
.isa 1
.program "t" target="t" weights=""
.string 0 "a;b \\u00e9"
.input x dtype=int8 shape=(4) scale=0 zero=7 low=-128 high=127 index=ix rings=(0:"x.0")
.output y dtype=int32 shape=(@) scale=0 zero=0 low=-128 high=127 index=iy rings=(0:y.0)
.tile 0
.ring "x.0" addr=0 height=2 width=2 channels=1 segments=2 pixels=4 ports=1
.ring y addr=20 height=1 width=1 channels=@ segments=1 pixels=1 ports=1
.scale s addr=100 entries=2 rows=2 zero=3 low=-100 high=90 a0=2 b0=-1 array=scale
.vector v addr=120 entries=4 array=vector
.table t addr=124 entries=3 first=-4 step=2 array=table
.core 0
.mvmu 0 array=w input_bits=3 shift=1 {KEYS}
.mvmu 1 array=w input_bits=8 shift=0 {KEYS}
.mvmu 1 array=w input_bits=8 shift=0 at_row=2 at_column=2 {KEYS}
loop image, *
  wait "x.0".0, 4   ; all of it
  space y, 1
  load r[0:4], "x.0"[0:2, 0:+2, 0], 0
  BODY
  store y[0, 0, 0:@], r[10:+@]
  release "x.0".0, 99
  signal y, 1
end
hlt
"""
ARRAYS: dict[str, npt.NDArray[Any]] = {
    "w": np.array([[1, -2], [3, 7]], np.int8),
    "scale": np.array([[0.5, 0.25], [1, 2]], np.float32),
    "vector": np.array([1, 2, 300, -5], np.int32),
    "table": np.array([0, 10, 5], np.int32),
    "ix": np.array([1, 0, 0, 4, 1, 1]),
}
X = np.array([[1, -2, 3, 100], [5, 6, -7, 8]], np.int8)


def run_body(body: str, out: int, index: list[int] | None = None) -> list[list[int]]:
    """y of two inputs, one after the other."""
    text = TEXT.replace("BODY", body.replace("; ", "\n")).replace("@", str(out))
    toml = {section: {key: {"value": value} for key, value in keys.items()} for section, keys in TARGET.items()}
    arrays = {**ARRAYS, "iy": np.array([1, 0, 0, out, 1, 1]), **({"ix": np.array(index)} if index else {})}
    words: list[list[int]] = run(load(text, arrays, toml), {"x": X})["y"].tolist()
    return words


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("add r[10:14], r[0:4], r[3]", [[101, 98, 103, 127], [13, 14, 1, 16]]),
        ("shri r[10:14], r[0:4], 1", [[0, -1, 1, 50], [2, 3, -4, 4]]),
        ("andi r[10:14], r[0:4], -2", [[0, -2, 2, 100], [4, 6, -8, 8]]),
        ("mulshr r[10:14], r[0:4], r[0:4], 3", [[0, 1, 1, 127], [3, 5, 6, 8]]),
        ("rmax r[10:12], r[0:4]", [[3, 100], [5, 8]]),
        ("copy xout[0:4], r[0:4]; copy r[10:14], xout[0:4]", [[1, -2, 3, 31], [5, 6, -7, 8]]),
        ('load r[10:14], "x.0"[-1:+2, 0:+2:2, 0], 500', [[127, 127, 1, 127], [127, 127, 5, 127]]),
        ('load r[10:12], "x.0"[1:+2:3, 1, 0], -500', [[100, -128], [8, -128]]),
        ("requant r[10:12], r[0:2], s[0:2]", [[3, 3], [5, 5]]),  # 0.5 and -0.5 to 0, 2.5 and 1.5 to 2
        ("requant2 r[10:12], r[0:2], r[3], s[0:2]", [[90, 90], [13, 22]]),
        ("requantm r[10:12], r[0:2], r[2:4], s[0]", [[1, -100], [-6, 21]]),
        ("rsum r[10:12], r[0:4], s[0:2]", [[3, 27], [0, 5]]),
        ("clrs; sums r[0:4]; requants r[10:12], r[0:2], s[0:2]", [[3, 3], [3, 3]]),
        ("clrs; requants r[10:12], r[0:2], s[0:2]", [[3, 3], [3, 3]]),
        ("loadv r[10:14], v[0:4]", [[1, 2, 127, -5], [1, 2, 127, -5]]),
        ("lut r[10:14], r[0:4], t", [[9, 5, 6, 5], [5, 5, 0, 5]]),
    ],
)
def test_instructions_by_hand(body: str, wanted: list[list[int]]) -> None:
    assert run_body(body, len(wanted[0])) == wanted


def test_a_product_by_hand() -> None:
    """MVMU 0 is fed three bits and rounds by one; MVMU 1 holds two matrices, and saturates to six bits."""
    body = "copy xin[0:2], r[0:2]; copy xin[4:8], r[0:4]; mvm 0b11; copy r[10:18], xout[0:8]"
    assert run_body(body, 8)[0] == [-2, -8, 0, 0, -5, -16, 31, 31]


def test_boxes_of_an_index() -> None:
    """Elements 3 and 2 at words 0 and 2, and elements 0 and 1 at words 3 and 1."""
    assert run_body("copy r[10:14], r[0:4]", 4, [1, 3, 0, 2, -1, 2, 0, 0, 3, 0, 1, 1])[0] == [100, -2, 3, 1]


def test_what_never_comes_is_a_deadlock() -> None:
    with pytest.raises(Deadlock):
        run_body("wait y.0, 1; copy r[10:14], r[0:4]", 4)


@st.composite
def readings(draw: st.DrawFn) -> dict[str, Any]:
    """Keys of [crossbar] and [mvmu] that go together."""
    encoding, flipped = draw(st.sampled_from([("offset", False), ("offset", True), ("differential", False)]))
    subtracted = encoding == "differential" and draw(st.booleans())
    signed = subtracted or draw(st.booleans())
    return {
        "encoding": encoding,
        "flipped": flipped,
        "cell_bits": draw(st.integers(1, 4)),
        "dac_bits": draw(st.integers(1, 3)),
        "adc_bits": draw(st.integers(1, 10)),
        "adc_signed": signed,
        "adc_kind": "SAR" if signed else draw(st.sampled_from(["SAR", "twin range"])),
        "adc_rounds": draw(st.sampled_from(["nearest", "down"])),
        "conversions": draw(st.sampled_from(["each step", "once"])),
        "signed_inputs": draw(st.sampled_from(["twos complement", "halves"])),
        "rows_at_once": draw(st.sampled_from([0, 1, 4, 9])),
        "pairs": "subtracted" if subtracted else "apart",
        "correction": draw(st.sampled_from(["unit column", "digital"])) if encoding == "offset" else "unit column",
    }


@given(
    st.integers(0, 2**32 - 1), readings(), st.integers(1, 9), st.integers(1, 12), st.booleans(),
    st.sampled_from([None, "alike", "each"]),
)  # fmt: skip
@settings(max_examples=300)
def test_converters_are_those_of_the_page(
    seed: int, keys: dict[str, Any], weight_bits: int, input_bits: int, signed: bool, steps_of: str | None
) -> None:
    """And where it says that nothing can be lost, nothing is."""
    rng, pair = np.random.default_rng(seed), keys["encoding"] == "differential"
    low, high, rows = -(1 << (weight_bits - 1)) + pair, 1 << (weight_bits - 1), int(rng.integers(1, 30))
    w = np.sort(rng.integers(low, high, (rows, 2, 3)))[..., int(rng.integers(3))]
    x = rng.integers(0, 1 << input_bits, rows) - (signed << (input_bits - 1))
    steps = np.ones(2) if steps_of is None else rng.choice([1.0, 2.0, 0.69, 4.5, 16.0], 2)
    if steps_of == "alike" or (not pair and keys["correction"] == "unit column"):
        steps[:] = steps[0]
    ratios = rng.choice([1, 2, 3, 16], 2)
    if steps_of == "alike" or (not pair and keys["correction"] == "unit column"):
        ratios[:] = ratios[0]
    named: list[Any] = steps.tolist()
    if keys["adc_kind"] == "twin range" and steps_of is not None:
        steps = np.stack([steps, steps * ratios])
        named = list(zip(*steps.tolist(), strict=True))
    toml = {name: {key: {"value": value} for key, value in entries.items()} for name, entries in TARGET.items()}
    for key, value in keys.items():
        toml["mvmu" if key in ("encoding", "flipped", "pairs", "correction") else "crossbar"][key] = {"value": value}
    crossbar = Crossbar(w.tolist(), Feed(weight_bits, input_bits, signed, 0), Target(toml).converters, named)
    by_steps = CODE["sums_by_steps"](x, w, weight_bits, input_bits, signed, steps, keys).tolist()
    assert crossbar.converted_sums(x.tolist()) == by_steps
    assert crossbar.exact_sums(x.tolist()) == (x @ w).tolist()
    assert crossbar.product(x.tolist()) == by_steps


def test_columns_that_share_a_unit_column_have_one_step() -> None:
    """Weights 1 and 2 lie as 5 = 1, 1 and 6 = 1, 2: halves become 0, of the unit column too, and 2 one."""
    feed, converters = Feed(3, 2, False, 0), Converters(2, 1, 8, differential=False, flipped=False)
    assert Crossbar([[1, 2]], feed, converters, [2.0, 2.0]).converted_sums([3]) == [0, 3]
    with pytest.raises(ValueError, match="share a unit column"):
        Crossbar([[1, 2]], feed, converters, [2.0, 1.0])


PAGE = FOLDER.parents[2] / "docs" / "isa.md"
CODE: dict[str, Any] = {}
exec(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0], CODE)


def test_a_whole_number_is_rounded_once() -> None:
    assert f32((1 << 24) + 1) == 1 << 24 and f32((1 << 24) + 3) == (1 << 24) + 4
    assert f32((1 << 60) + (1 << 36) + 1) == np.float32(2.0**60 + 2.0**37), "rounded twice it would be 2^60"
    assert f32(-(1 << 200)) == -np.inf


def test_it_imports_nothing_of_cimc() -> None:
    """Nor anything else but itself, NumPy and a few modules of Python."""
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= OWN, file.name
            elif isinstance(node, ast.ImportFrom):
                own = node.level == 1 and (FOLDER / f"{node.module}.py").exists()
                assert own or (node.level == 0 and str(node.module).split(".")[0] in OWN), file.name
            else:
                assert not (isinstance(node, ast.Name) and node.id in ("__import__", "importlib", "exec", "eval"))
