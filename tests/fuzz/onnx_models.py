"""Networks that somebody damaged: changes of an ONNX model's structure, or of the bytes of its file."""

from __future__ import annotations

from cimc.target.write import write_target
from tests.fuzz.bases import BUNDLED, corpus_networks, inputs_for, network, npz
from tests.fuzz.draw import Draw
from tests.fuzz.example import Example
from tests.fuzz.onnx_graphs import GRAPH_CHANGES
from tests.fuzz.onnx_insertions import SOUND_CHANGES
from tests.fuzz.onnx_tensors import TENSOR_CHANGES
from tests.fuzz.values import changed_bytes
from tests.passes.cases import CASES

MODEL, DATA, TARGET, EXTERNAL = "model.onnx", "data.npz", "target.toml", "weights.bin"
PRESETS = ("ideal", "puma", "isaac")
CHANGES = (1, 1, 1, 2, 3)
"""How many an example has: most are refused for one, and then a second does nothing."""


def onnx_example(draw: Draw) -> Example:
    """A damaged model with data that fit what it says of its inputs, for a preset or a random target."""
    way = draw.random()
    if way < 0.2:
        model = network(draw.choice(BUNDLED))
    elif way < 0.4:
        model = network(draw.choice(corpus_networks()))
    elif way < 0.8:
        model = network(draw.choice(tuple(CASES)))
    else:
        model = draw.network()
    whole = inputs_for(model)
    files: dict[str, bytes] = {EXTERNAL: bytes(range(256)) * 4}
    if draw.random() < 0.1:
        content = changed_bytes(draw, model.SerializeToString())
    else:
        for _ in range(draw.choice(CHANGES)):
            draw.choice(draw.choice((GRAPH_CHANGES, TENSOR_CHANGES, SOUND_CHANGES, SOUND_CHANGES)))(draw, model)
        content = model.SerializeToString()
    files[MODEL] = content
    files[DATA] = npz({**whole, **inputs_for(model)} if draw.random() < 0.8 else whole)
    target = draw.choice(PRESETS)
    if draw.random() < 0.25:
        target = TARGET
        files[TARGET] = write_target(draw.target()).encode()
    verify = ("verify", MODEL, "--target", target, "--data", DATA, "--limit", "2")
    calibrated = draw.random() < 0.5
    others = (
        ("compile", MODEL, "--target", target, "-o", "out"),
        ("run", "out", "--input", DATA, "--limit", "1", "-o", "out.npz"),
        ("report", "out", "--html", "page.html"),
        ("estimate", MODEL, "--target", target),
    )
    more = draw.choice((others[:2], others[:1], others[3:], (), (*others[:3],) if draw.random() < 0.2 else ()))
    return Example(((*verify, "--calibration", DATA) if calibrated else verify, *more), files)
