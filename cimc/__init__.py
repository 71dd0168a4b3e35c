"""cimc compiles ONNX networks for compute-in-memory chips and proves that the result is right."""
