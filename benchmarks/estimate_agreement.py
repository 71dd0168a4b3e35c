"""The analytic estimate (`cimc estimate`) beside the event-driven timing engine (`cimc time`) on target puma.

    python benchmarks/estimate_agreement.py [FOLDER OF MODELS]

prints latency of one input, interval between inputs and energy of one input, of both, for networks with one copy of
each layer, and for ResNet-20 with copies within 118 MVMUs (`--budget`, `--mvmus`). It takes a minute, nearly all of it
for compiling. The folder has `models` and `public` in it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cimc.driver.compile import Compiled, compile_network, synthetic_inputs
from cimc.driver.options import CompileOptions, EstimateOptions
from cimc.estimator.estimate import Estimate
from cimc.estimator.estimating import estimate_network
from cimc.estimator.known import carries_integers
from cimc.frontends.onnx_loader import load_onnx
from cimc.runtime.timing.engine import time_program
from tests.shared_data import SHARED

NETWORKS: Mapping[str, str] = {
    "LeNet": "mnist_lenet5x5_b-rram",
    "MLP": "mnist_mlp_784-256-128-10",
    "mnist-8": "mnist-8_zoo_cntk",
    "TFC": "mnist_tfc_w2a2_ternary",
    "ResNet-20": "cifar10_resnet20",
    "SqueezeNet": "squeezenet1.0-deepcompressed",
    "super-resolution": "superres_espcn_x3",
}
"""Files of float networks in `models`, without their suffix."""

INTEGERS: Mapping[str, str] = {
    "LeNet int8, per tensor": "models/mnist_lenet5x5_int8_qdq_pertensor",
    "LeNet int8, per channel": "models/mnist_lenet5x5_int8_qdq_perchannel",
    "LeNet int8, symmetric": "models/mnist_lenet5x5_int8_qdq_symmetric",
    "LeNet int8, QOperator": "models/mnist_lenet5x5_int8_qoperator",
    "MLP int8": "models/mnist_mlp_int8_qdq_perchannel",
    "MLPerf DS-CNN int8": "public/mlperf_kws_dscnn_int8",
    "MLPerf ResNet-8 int8": "public/mlperf_ic_resnet8_int8",
    "MLPerf MobileNet int8": "public/mlperf_vww_mobilenet_int8",
    "ResNet-20 int8": "models/cifar10_resnet20_ft_int8_qdq_perchannel",
    "VGG-8 int8": "models/cifar10_vgg8_int8_qdq_perchannel",
    "MobileNet uint8": "models/mobilenet_v1_0.25_128_uint8_qdq",
    "SqueezeNet int8": "models/squeezenet1.0_int8_qdq_perchannel",
}
"""Files of networks that carry their own integers, without their suffix."""

MVMUS = 118
"""Of ResNet-20 with copies: twice as many as one copy of each layer takes."""


@dataclass(frozen=True, slots=True)
class Figures:
    """s of the first input, s between inputs, J of an input."""

    latency: float
    interval: float
    joules: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """A network's figures from both."""

    estimate: Figures
    engine: Figures

    @property
    def ratios(self) -> tuple[float, float, float]:
        """Estimate over engine: latency, interval, energy."""
        e, t = self.estimate, self.engine
        return e.latency / t.latency, e.interval / t.interval, e.joules / t.joules


def compiled(model: str, target: str = "puma", mvmus: int | None = None) -> Compiled:
    """A network compiled without calibration data. Of a float network one lane of random inputs is enough: no time and
    no action depends on it."""
    graph, lane = load_onnx(model), None
    if not carries_integers(graph):
        lane = {name: array[0] for name, array in synthetic_inputs(graph, 0).items()}  # axis 0 of it, 1 long
    return compile_network(model, CompileOptions(target, mvmus=mvmus), lane)


def agreement(model: str, target: str = "puma", mvmus: int | None = None) -> Agreement:
    """Estimate and engine of a network. mvmus: for copies, the budget of both."""
    made = compiled(model, target, mvmus)
    timing = time_program(made.program, made.target)
    assert timing.interval is not None, "several inputs were run"
    engine = Figures(timing.latency, timing.interval, timing.joules)
    return Agreement(estimated(model, EstimateOptions(target, budget=mvmus)), engine)


def estimated(model: str, options: EstimateOptions) -> Figures:
    """The estimate's figures of all work."""
    found = estimate_network(model, options)
    assert isinstance(found, Estimate), f"{options.target} holds one layer at a time"
    whole = found.whole
    assert whole is not None, f"{options.target} has no price for some action"
    return Figures(whole.latency, whole.interval, whole.joules)


def row(name: str, found: Agreement) -> str:
    """A line of the table: us and uJ, the estimate, the engine and their ratio."""
    e, t = found.estimate, found.engine
    pairs = ((e.latency, t.latency), (e.interval, t.interval), (e.joules, t.joules))
    cells = [f"{1e6 * mine:,.2f} | {1e6 * theirs:,.2f} | {mine / theirs:.3f}" for mine, theirs in pairs]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED
    print("| network | latency, us: estimate | engine | ratio | interval, us: estimate | engine | ratio "
          "| energy, uJ: estimate | engine | ratio |")  # fmt: skip
    print("|---|" + "---:|" * 9)
    files = {name: f"models/{file}" for name, file in NETWORKS.items()} | dict(INTEGERS)
    for name, file in files.items():
        print(row(name, agreement(str(folder / f"{file}.onnx"))), flush=True)
    resnet = str(folder / f"{files['ResNet-20']}.onnx")
    print(row(f"ResNet-20, {MVMUS} MVMUs", agreement(resnet, mvmus=MVMUS)))


if __name__ == "__main__":
    main()
