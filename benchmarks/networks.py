"""The published networks that benchmarks and tests measure, built with onnx.helper.

Weights are random with a fixed seed (He's variance, so that values neither die nor explode), or none at all:
`weights=False` makes them by ConstantOfShape, so that even VGG-16 is a file of a few kilobytes with the right shapes.
Layers of LeNet, VGG-8 and ResNet-18 are those that Wu et al. (see docs/bram-table.md) counted.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8


class Builder:
    """A network from input "x", (1, channels, size, size), that grows layer by layer. Every layer returns its tensor's
    name; shapes are (channels, size)."""

    def __init__(self, name: str, channels: int, size: int, weights: bool, seed: int) -> None:
        self.name, self.size = name, size
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.shapes: dict[str, tuple[int, int]] = {"x": (channels, size)}
        self.generator = np.random.default_rng(seed) if weights else None

    def conv(self, x: str, name: str, outputs: int, kernel: int, stride: int = 1, pad: int | None = None) -> str:
        """A convolution with bias; padded to keep its size, unless pad says otherwise."""
        channels, size = self.shapes[x]
        pad = kernel // 2 if pad is None else pad
        operands = [x, self._weight(name, (outputs, channels, kernel, kernel)), self._weight(name, (outputs,))]
        size = (size + 2 * pad - kernel) // stride + 1
        return self._node("Conv", operands, name, outputs, size, strides=[stride] * 2, pads=[pad] * 4)

    def dense(self, x: str, name: str, outputs: int) -> str:
        """A fully connected layer, behind a Flatten where x is a map."""
        channels, size = self.shapes[x]
        if size:
            x = self._node("Flatten", [x], f"{name}.flatten", channels * size * size, 0)
        inputs = self.shapes[x][0]
        operands = [x, self._weight(name, (outputs, inputs)), self._weight(name, (outputs,))]
        return self._node("Gemm", operands, name, outputs, 0, transB=1)

    def relu(self, x: str) -> str:
        """max(x, 0)."""
        return self._node("Relu", [x], f"{x}.relu", *self.shapes[x])

    def pool(self, x: str, kernel: int = 2, stride: int = 2, pad: int = 0) -> str:
        """Max pooling."""
        channels, size = self.shapes[x]
        size = (size + 2 * pad - kernel) // stride + 1
        shape = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        return self._node("MaxPool", [x], f"{x}.pool", channels, size, **shape)

    def add(self, a: str, b: str) -> str:
        """a + b."""
        return self._node("Add", [a, b], f"{a}.add", *self.shapes[a])

    def average(self, x: str) -> str:
        """Global average pooling."""
        return self._node("GlobalAveragePool", [x], f"{x}.average", self.shapes[x][0], 1)

    def model(self, y: str) -> onnx.ModelProto:
        """The finished network with the output y."""
        channels = self.shapes["x"][0]
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, channels, self.size, self.size))],
            [helper.make_tensor_value_info(y, TensorProto.FLOAT, (1, self.shapes[y][0]))],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    def _node(
        self, kind: str, inputs: list[str], name: str, channels: int, size: int, **attributes: int | list[int]
    ) -> str:
        output = f"{name}.out"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, **attributes))
        self.shapes[output] = channels, size
        return output

    def _weight(self, layer: str, shape: tuple[int, ...]) -> str:
        name = f"{layer}.weight" if len(shape) > 1 else f"{layer}.bias"
        if self.generator is None:
            self.constants.append(numpy_helper.from_array(np.array(shape, np.int64), f"{name}.shape"))
            self.nodes.append(helper.make_node("ConstantOfShape", [f"{name}.shape"], [name], name=f"{name}.zeros"))
            return name
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 100
        values = self.generator.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / fan_in))
        self.constants.append(numpy_helper.from_array(values, name))
        return name


def lenet(weights: bool = True, seed: int = 0) -> onnx.ModelProto:
    """28x28x1: conv 5x5 1->4, pool, conv 5x5 4->12, pool, FC 192->10; both convolutions without padding."""
    net = Builder("lenet", 1, 28, weights, seed)
    x = net.pool(net.relu(net.conv("x", "conv1", 4, 5, pad=0)))
    x = net.pool(net.relu(net.conv(x, "conv2", 12, 5, pad=0)))
    return net.model(net.dense(x, "fc", 10))


def vgg8(weights: bool = True, seed: int = 0) -> onnx.ModelProto:
    """32x32x3: pairs of 3x3 convolutions of 32, 64 and 128 channels, each pair pooled, FC 2048->128->10."""
    net = Builder("vgg8", 3, 32, weights, seed)
    x = _paired(net, "x", ((32, 2), (64, 2), (128, 2)))
    x = net.relu(net.dense(x, "fc1", 128))
    return net.model(net.dense(x, "fc2", 10))


def vgg16(weights: bool = True, seed: int = 0) -> onnx.ModelProto:
    """224x224x3, Simonyan and Zisserman's configuration D."""
    net = Builder("vgg16", 3, 224, weights, seed)
    x = _paired(net, "x", ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)))
    x = net.relu(net.dense(x, "fc1", 4096))
    x = net.relu(net.dense(x, "fc2", 4096))
    return net.model(net.dense(x, "fc3", 1000))


def resnet18(weights: bool = True, seed: int = 0) -> onnx.ModelProto:
    """32x32x3: conv 3x3 3->64, four stages of two basic blocks, 1x1 shortcuts, global average, FC 512->10."""
    net = Builder("resnet18", 3, 32, weights, seed)
    x = _stages(net, net.relu(net.conv("x", "conv1", 64, 3)), _basic_block, (2, 2, 2, 2))
    return net.model(net.dense(net.average(x), "fc", 10))


def resnet50(weights: bool = True, seed: int = 0) -> onnx.ModelProto:
    """224x224x3: conv 7x7/2, pool 3x3/2, stages of 3, 4, 6 and 3 bottleneck blocks, global average, FC 2048->1000.
    The stride of a stage is on the 3x3 convolution of its first block (version 1.5)."""
    net = Builder("resnet50", 3, 224, weights, seed)
    x = net.pool(net.relu(net.conv("x", "conv1", 64, 7, 2)), 3, 2, 1)
    x = _stages(net, x, _bottleneck, (3, 4, 6, 3))
    return net.model(net.dense(net.average(x), "fc", 1000))


def _paired(net: Builder, x: str, blocks: tuple[tuple[int, int], ...]) -> str:
    for number, (channels, count) in enumerate(blocks, 1):
        for index in range(1, count + 1):
            x = net.relu(net.conv(x, f"conv{number}_{index}", channels, 3))
        x = net.pool(x)
    return x


def _stages(net: Builder, x: str, block: Callable[[Builder, str, str, int, int], str], counts: tuple[int, ...]) -> str:
    for stage, count in enumerate(counts):
        for index in range(count):
            stride = 2 if stage and not index else 1
            x = block(net, x, f"stage{stage + 1}.{index + 1}", 64 << stage, stride)
    return x


def _basic_block(net: Builder, x: str, name: str, channels: int, stride: int) -> str:
    y = net.relu(net.conv(x, f"{name}.conv1", channels, 3, stride))
    y = net.conv(y, f"{name}.conv2", channels, 3)
    return net.relu(net.add(y, _shortcut(net, x, name, channels, stride)))


def _bottleneck(net: Builder, x: str, name: str, channels: int, stride: int) -> str:
    y = net.relu(net.conv(x, f"{name}.conv1", channels, 1))
    y = net.relu(net.conv(y, f"{name}.conv2", channels, 3, stride))
    y = net.conv(y, f"{name}.conv3", 4 * channels, 1)
    return net.relu(net.add(y, _shortcut(net, x, name, 4 * channels, stride)))


def _shortcut(net: Builder, x: str, name: str, channels: int, stride: int) -> str:
    """x itself, or through a 1x1 convolution where its shape changes."""
    if net.shapes[x][0] == channels and stride == 1:
        return x
    return net.conv(x, f"{name}.shortcut", channels, 1, stride, pad=0)
