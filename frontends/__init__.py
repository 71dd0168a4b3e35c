"""Frontends: networks in a file format of the outside world, turned into a Graph."""

from cimc.frontends.onnx_loader import load_onnx

__all__ = ["load_onnx"]
