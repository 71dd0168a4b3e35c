"""cimc compiles ONNX networks for compute-in-memory chips and proves that the result is right.

    program = cimc.compile("model.onnx", target="puma", calibration={"input": some_inputs})
    outputs = program.run({"input": inputs})
    program.save("folder")

Everything heavy is imported when it is first needed, so `import cimc` costs nothing. docs/python.md shows all of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from cimc.base.diagnostics import CimcError, CimcWarning
from cimc.base.version import __version__

if TYPE_CHECKING:
    from cimc.api import CompiledProgram, compare, compile, estimate, load, page, time, trace, verify
    from cimc.target import Target, load_target

__all__ = [
    "CimcError",
    "CimcWarning",
    "CompiledProgram",
    "Target",
    "__version__",
    "compare",
    "compile",
    "estimate",
    "load",
    "load_target",
    "page",
    "time",
    "trace",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'cimc' has no attribute {name!r}")
    return getattr(import_module("cimc.target" if name in ("Target", "load_target") else "cimc.api"), name)


def __dir__() -> list[str]:
    return __all__
