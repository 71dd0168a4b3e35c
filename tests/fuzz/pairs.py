"""Random networks on random targets with random options: right in every bit, or refused."""

from __future__ import annotations

from dataclasses import replace

from cimc.target.load import load_target
from cimc.target.write import write_target
from tests.fuzz.bases import inputs_for, network, npz
from tests.fuzz.draw import Draw
from tests.fuzz.example import Example
from tests.fuzz.values import NAMES
from tests.passes.cases import CASES

MODEL, DATA, TARGET, PRECISION = "model.onnx", "data.npz", "chip.toml", "bits.toml"
FACTORS = (0, 1e-42, 1e-30, 1e-6, 1e6, 1e20, 1e37)
PRESETS = ("ideal", "puma", "isaac", "prime", "bram-256")


def options(draw: Draw) -> tuple[str, ...]:
    """Some of the options of compile and verify."""
    bits = str(draw.randint(1, 17))
    every = (
        ("--rows", "channels"), ("--pack",), ("--mvmus", str(draw.choice((1, 2, 4, 8, 20, 100)))),
        ("--chips", str(draw.choice((1, 2, 3, 9)))), ("--weight-bits", bits), ("--input-bits", str(draw.randint(1,
        17))),
        ("--calibration-method", draw.choice(("minmax", "percentile", "entropy"))), ("--calibration", DATA),
        ("--seed", str(draw.choice((0, 1, 1 << 40)))), ("--objective", draw.choice(("throughput", "latency", "area"))),
        ("--precision", PRECISION), ("--rate", draw.choice(("1e-9", "1", "1e5", "1e30", "nan", "inf"))),
    )  # fmt: skip
    return tuple(word for words in every if draw.random() < 0.25 for word in words)


def precision(draw: Draw, names: list[str]) -> bytes:
    """Widths of some layers, which stand under the names of nodes or of what they make."""
    chosen = draw.sample(names, min(len(names), draw.randint(1, 3)))
    sections = (
        f'[layer."{name}"]\nweight_bits = {draw.randint(1, 16)}\ninput_bits = {draw.randint(1, 16)}\n'
        for name in chosen
    )
    return "".join(sections).encode()


def text(draw: Draw, names: list[str]) -> str:
    """What somebody may write after an option that takes a text."""
    parts = (*names, *NAMES[:-6], "=", ",", "1", "4", "0", "-1", "1chip", "2tiles", "nan", "9" * 30, "N=1", "a=b")
    parts = tuple(part for part in parts if "\0" not in part and "\ud7ff" not in part)
    return "".join(draw.choice(parts) for _ in range(draw.choice((1, 1, 2, 3))))


def texts(draw: Draw, names: list[str]) -> tuple[str, ...]:
    """Options of estimate, with texts for their values."""
    every = ("--copies", "--pace", "--budget", "--rate", "--batch", "--bind", "--objective", "--rows", "--weight-bits")
    found: list[str] = []
    for option in draw.sample(every, draw.choice((1, 2))):
        found += [option, f"{draw.choice(names)}={text(draw, [])}" if option == "--copies" else text(draw, names)]
    return tuple(found)


def pair_example(draw: Draw) -> Example:
    """A network and a target, verified with random options, or compiled, run and timed with them."""
    model = draw.network() if draw.random() < 0.6 else network(draw.choice(tuple(CASES)))
    arrays = inputs_for(model, draw.randrange(1 << 20))
    if draw.random() < 0.15:
        factor = draw.choice(FACTORS)
        arrays = {name: (array * factor).astype(array.dtype) for name, array in arrays.items()}
    files = {MODEL: model.SerializeToString(), DATA: npz(arrays)}
    names = [node.name for node in model.graph.node]
    files[PRECISION] = precision(draw, names)
    target = draw.choice(PRESETS)
    if draw.random() < 0.7:
        target = TARGET
        drawn = draw.target()
        priced = load_target(draw.choice(("puma", "isaac")))
        files[TARGET] = write_target(replace(drawn, prices=priced.prices if draw.random() < 0.6 else {})).encode()
    chosen = ("--target", target, *options(draw))
    verify = ("verify", MODEL, *chosen, "--data", DATA)
    if draw.random() < 0.1:
        return Example(
            (("estimate", MODEL, "--target", target, *texts(draw, names)), (*verify, "--bind", text(draw, names))),
            files,
        )
    if draw.random() < 0.75:
        return Example((verify,), files)
    others = (
        ("compile", MODEL, *chosen, "-o", "out"), ("compile", MODEL, *chosen, "-o", "same"),
        ("run", "out", "--input", DATA, "-o", "out.npz"),
        ("run", "out", "--program", "out/program.casm", "--input", DATA, "--max-memory", "1M", "-o", "same.npz"),
        ("time", "out"), ("report", "out"), ("trace", "out", "-o", "trace.json"), ("inspect", "out"),
        ("compare", "out", "out"),
    )  # fmt: skip
    equal = (
        ("out.npz", "same.npz"),
        *((f"out/{name}", f"same/{name}") for name in ("program.cimb", "weights.npz", "report.json")),
    )
    return Example((*others[:4], *draw.sample(others[4:], 2)), files, equal=equal)
