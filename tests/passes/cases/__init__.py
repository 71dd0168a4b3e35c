"""Small hand-made ONNX networks, one construct each, for the tests of lowering and of the whole path.

CASES holds them in the order of these imports: seeded tests draw from it.
"""

from tests.passes.cases import joins, layout, matrices, functions, elementwise, pools, borders  # isort: skip
from tests.passes.cases.net import CASES

__all__ = ["CASES", "borders", "elementwise", "functions", "joins", "layout", "matrices", "pools"]
