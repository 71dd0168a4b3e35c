"""Inputs of the real networks from the raw data beside the checkout, as the data's own prepare.py makes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.shared_data import SHARED, require

Array = npt.NDArray[Any]
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Lanes of a network's one input, its labels (None: it classifies nothing), and lanes to calibrate with."""

    name: str
    x: Array
    labels: Array | None
    calibration: Array

    def data(self, count: int) -> dict[str, Array]:
        """The first `count` lanes, with labels where there are any."""
        arrays = {self.name: self.x[:count]}
        return arrays if self.labels is None else arrays | {"labels": self.labels[:count]}


def _load(path: str, count: int) -> tuple[Array, Array]:
    with np.load(require(SHARED / path)) as file:
        return file["images"][:count], file["labels"][:count]


def _mnist(part: str, count: int, largest: float) -> tuple[Array, Array]:
    images, labels = _load(f"mnist/mnist_{part}.npz", count)
    return images.astype(np.float32)[:, None] * np.float32(largest / 255), labels.astype(np.int64)


def mnist(name: str = "input", largest: float = 1.0) -> Inputs:
    """Test digits 0 .. largest, (N, 1, 28, 28); calibrated on training digits."""
    x, labels = _mnist("test", 1000, largest)
    return Inputs(name, x, labels, _mnist("train", 512, largest)[0])


def _cifar(part: str, count: int, normalise: bool) -> tuple[Array, Array]:
    images, labels = _load(f"cifar10/cifar10_{part}.npz", count)
    x = images.astype(np.float32) / 255
    x = (x - MEAN) / DEVIATION if normalise else x
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)), labels.astype(np.int64)


def cifar(normalise: bool = True) -> Inputs:
    """Lossless pictures, of the training set: good to compare the chip with float, not for an accuracy to quote."""
    x, labels = _cifar("lossless1000", 1000, normalise)
    return Inputs("input", x, labels, _cifar("calibration1000", 512, normalise)[0])


def photos() -> Inputs:
    """227 x 227 crops, BGR minus the mean; calibrated on every third of them, as there are no others."""
    images, labels = _load("images/imagenet_sample100_256.npz", 100)
    x = images[:, 14:241, 14:241, ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32)
    x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return Inputs("data", x, labels, x[1::3])


def luma() -> Inputs:
    """Brightness of 224 x 224 crops."""
    images, _ = _load("images/imagenet_sample100_256.npz", 60)
    y = images[:, 16:240, 16:240].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    return Inputs("input", y[:20, None], None, y[20:60, None])


INPUTS: dict[str, Callable[[], Inputs]] = {
    "mnist_lenet5x5_b-rram": mnist,
    "mnist_mlp_784-256-128-10": mnist,
    "mnist_tfc_w2a2_ternary": mnist,
    "mnist-8_zoo_cntk": lambda: mnist("Input3", 255.0),
    "mnist_lenet5x5_int8_qdq_pertensor": mnist,
    "mnist_lenet5x5_int8_qdq_perchannel": mnist,
    "mnist_lenet5x5_int8_qdq_symmetric": mnist,
    "mnist_mlp_int8_qdq_perchannel": mnist,
    "cifar10_resnet20": cifar,
    "cifar10_resnet20_ft_int8_qdq_perchannel": cifar,
    "cifar10_vgg8_bn": lambda: cifar(normalise=False),
    "cifar10_vgg8_int8_qdq_perchannel": lambda: cifar(normalise=False),
    "squeezenet1.0-deepcompressed": photos,
    "superres_espcn_x3": luma,
}
"""Every network that the oracles hold."""
