"""Train the bundled networks on scikit-learn's handwritten digits and write them with their data.

    pip install -e ".[train]"
    python examples/train_digits.py [--out cimc/examples]

1,797 images of 8x8 pixels (0 to 16, divided by 16), split by class with a fixed seed: 1,197 to train, 600 held back.
The 200 calibration images come from the training part. One thread and fixed seeds: the same versions of the packages
write the same bytes. The weights are taken out of torch and the graphs are built with onnx.helper, so that every node
is the one that is meant (opset 17, IR version 8, batch "N").
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

Float = NDArray[np.float32]
Labels = NDArray[np.int64]

HELD_BACK = 600
CALIBRATION = 200
EPOCHS = 60
BATCH = 64


class Plain(nn.Module):
    """conv - relu - maxpool - conv - relu - gemm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(16 * 4 * 4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """images: float32, (N, 1, 8, 8); the result: logits, (N, 10)."""
        x = torch.max_pool2d(torch.relu(self.conv1(x)), 2)
        return self.fc(torch.relu(self.conv2(x)).flatten(1))


class Residual(nn.Module):
    """conv - relu, a block of two convs whose result is normalised and added to its input, relu, pool, gemm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1)
        self.conv3 = nn.Conv2d(16, 16, 3, padding=1)
        self.bn = nn.BatchNorm2d(16)
        self.conv4 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.fc = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """images: float32, (N, 1, 8, 8); the result: logits, (N, 10)."""
        x = torch.relu(self.conv1(x))
        x = torch.relu(x + self.bn(self.conv3(torch.relu(self.conv2(x)))))
        return self.fc(torch.relu(self.conv4(x)).mean((2, 3)))


class Graph:
    """Collects nodes and weights for one model from `input` to `logits`."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, op: str, name: str, inputs: list[str], **attributes: object) -> str:
        """A node called `name`; its result is called `name`_out."""
        output = f"{name}_out"
        self.nodes.append(helper.make_node(op, inputs, [output], name=name, **attributes))
        return output

    def weight(self, name: str, values: torch.Tensor) -> str:
        """An initialiser."""
        self.weights.append(numpy_helper.from_array(values.detach().numpy(), name))
        return name

    def conv(self, name: str, x: str, layer: nn.Conv2d) -> str:
        """A convolution with the weights of a torch layer."""
        assert layer.bias is not None and isinstance(layer.padding, tuple), layer
        inputs = [x, self.weight(f"{name}.weight", layer.weight), self.weight(f"{name}.bias", layer.bias)]
        return self.add(
            "Conv",
            name,
            inputs,
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            pads=[*layer.padding, *layer.padding],
        )

    def gemm(self, x: str, layer: nn.Linear) -> None:
        """The last layer, x times the transposed weights plus bias."""
        inputs = [x, self.weight("fc.weight", layer.weight), self.weight("fc.bias", layer.bias)]
        self.nodes.append(helper.make_node("Gemm", inputs, ["logits"], name="fc", transB=1))

    def model(self, name: str) -> onnx.ModelProto:
        """The checked model."""
        x = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 1, 8, 8])
        y = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])
        graph = helper.make_graph(self.nodes, name, [x], [y], self.weights)
        opset = helper.make_opsetid("", 17)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8, producer_name="cimc train_digits.py")
        onnx.checker.check_model(model, full_check=True)
        return model


def plain_model(net: Plain) -> onnx.ModelProto:
    """The plain network as ONNX."""
    graph = Graph()
    x = graph.add("Relu", "relu1", [graph.conv("conv1", "input", net.conv1)])
    x = graph.add("MaxPool", "pool1", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = graph.add("Relu", "relu2", [graph.conv("conv2", x, net.conv2)])
    graph.gemm(graph.add("Flatten", "flatten", [x], axis=1), net.fc)
    return graph.model("digits_plain")


def residual_model(net: Residual) -> onnx.ModelProto:
    """The residual network as ONNX, its batch normalisation a node of its own."""
    graph = Graph()
    start = graph.add("Relu", "relu1", [graph.conv("conv1", "input", net.conv1)])
    x = graph.add("Relu", "relu2", [graph.conv("conv2", start, net.conv2)])
    x = graph.conv("conv3", x, net.conv3)
    assert net.bn.running_mean is not None and net.bn.running_var is not None, net.bn
    names = ("scale", "bias", "mean", "var")
    values = (net.bn.weight, net.bn.bias, net.bn.running_mean, net.bn.running_var)
    statistics = [graph.weight(f"bn.{name}", value) for name, value in zip(names, values, strict=True)]
    x = graph.add("BatchNormalization", "bn", [x, *statistics], epsilon=net.bn.eps)
    x = graph.add("Relu", "relu3", [graph.add("Add", "add", [start, x])])
    x = graph.add("Relu", "relu4", [graph.conv("conv4", x, net.conv4)])
    x = graph.add("GlobalAveragePool", "pool", [x])
    graph.gemm(graph.add("Flatten", "flatten", [x], axis=1), net.fc)
    return graph.model("digits_residual")


def train(net: nn.Module, images: Float, labels: Labels) -> None:
    """Adam with a falling learning rate."""
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    net.train()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x), generator=generator).split(BATCH):
            loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    net.eval()


class Images(CalibrationDataReader):
    """The calibration images, one batch after another."""

    def __init__(self, images: Float) -> None:
        self.batches = iter(np.array_split(images, 4))

    def get_next(self) -> dict[str, Float] | None:
        """The next batch, or None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {"input": batch}


def quantize(source: Path, target: Path, images: Float) -> None:
    """QDQ with uint8 activations and int8 weights per channel, by onnxruntime."""
    quantize_static(
        source,
        target,
        Images(images),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
    model = onnx.load(target)
    del model.metadata_props[:]  # versions of the tool, and nothing else
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


def accuracy(file: Path, images: Float, labels: Labels) -> float:
    """Share of images that onnxruntime puts into the right class."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"input": images})
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def write_npz(file: Path, images: Float, labels: Labels) -> None:
    """Like np.savez_compressed, without the time of day, so that the same data are the same bytes."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in (("input", images), ("labels", labels)):
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(array))


def main() -> None:
    """Train, write and measure."""
    parser = argparse.ArgumentParser(description="Train the bundled digit networks.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "cimc" / "examples")
    out: Path = parser.parse_args().out
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)[:, np.newaxis]
    labels = digits.target.astype(np.int64)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=HELD_BACK, random_state=0, stratify=labels
    )
    print(f"{len(x_train)} images to train ({CALIBRATION} of them calibrate), {len(x_test)} held back")
    out.mkdir(parents=True, exist_ok=True)
    write_npz(out / "digits_test.npz", x_test, y_test)
    write_npz(out / "digits_calibration.npz", x_train[:CALIBRATION], y_train[:CALIBRATION])

    torch.manual_seed(0)
    plain, residual = Plain(), Residual()
    train(plain, x_train, y_train)
    train(residual, x_train, y_train)
    onnx.save(plain_model(plain), out / "digits_plain.onnx")
    onnx.save(residual_model(residual), out / "digits_residual.onnx")
    quantize(out / "digits_plain.onnx", out / "digits_plain_int8_qdq.onnx", x_train[:CALIBRATION])
    for name in ("digits_plain", "digits_residual", "digits_plain_int8_qdq"):
        file = out / f"{name}.onnx"
        right = accuracy(file, x_test, y_test)
        print(f"{file.name}: {file.stat().st_size} bytes, {100 * right:.2f} % of {len(x_test)} held-back images")


if __name__ == "__main__":
    main()
