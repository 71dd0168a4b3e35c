"""The choice of an oracle for integer networks: kernels that saturate are recognised, exact ones are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx.version_converter import convert_version
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

from tests.oracles import integer_oracle
from tests.oracles.integer_oracle import (
    REFERENCE_OPSET,
    Session,
    exact_session,
    onnxruntime_session,
    probes,
    reference_session,
    wrong_kernels,
)

Array = npt.NDArray[Any]


class MatMulInteger(OpRun):  # type: ignore[misc]
    """As vpmaddubsw does it: uint8 by int8, two products at a time, their sum saturated to 16 bits."""

    def _run(self, a: Array, b: Array, a_zero: Array | None = None, b_zero: Array | None = None) -> tuple[Array]:
        products = a[..., None].astype(np.int64) * b.astype(np.int64)
        if (a.dtype, b.dtype) == (np.uint8, np.int8):
            products = np.clip(products[:, 0::2] + products[:, 1::2], -(1 << 15), (1 << 15) - 1)
        return (products.sum(axis=1).astype(np.int32),)


def saturating_session(made: ModelProto) -> Session:
    found: Session = ReferenceEvaluator(convert_version(made, REFERENCE_OPSET), new_ops=[MatMulInteger])
    return found


def test_products_that_saturate_are_recognised() -> None:
    """Without VNNI, onnxruntime computes -1,048,576 for the first of these, 64 * 255 * -128 = -2,088,960."""
    wrong = wrong_kernels(saturating_session)
    assert wrong == tuple(
        name for name, *_ in probes() if name.startswith("MatMulInteger") and "uint8 255 by int8" in name
    )
    assert len(wrong) == 4


def test_the_reference_evaluator_is_exact() -> None:
    assert wrong_kernels(reference_session) == ()


def test_a_kernel_that_is_not_there_is_not_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(made: ModelProto) -> Session:
        raise NoKernel

    assert wrong_kernels(refused) == ()
    _, made, x, wanted = next(probes())
    monkeypatch.setattr(integer_oracle, "onnxruntime_session", refused)
    monkeypatch.setattr(integer_oracle, "wrong_here", lambda: ())
    (got,) = exact_session(made).run(["y"], {"x": x})
    assert (got == wanted).all()


@pytest.mark.parametrize("wrong", [(), ("MatMulInteger",)])
def test_the_oracle_is_chosen_by_what_is_exact(wrong: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this processor is: onnxruntime where nothing is wrong, else the reference evaluator."""
    monkeypatch.setattr(integer_oracle, "wrong_here", lambda: wrong)
    session = exact_session(next(probes())[1])
    assert isinstance(session, ReferenceEvaluator) == bool(wrong)


def test_the_chosen_oracle_is_exact_on_this_processor() -> None:
    for name, made, x, wanted in probes():
        (got,) = exact_session(made).run(["y"], {"x": x})
        assert (got == wanted).all(), name


def test_onnxruntime_is_opened_with_products_that_do_not_saturate() -> None:
    """Without session.x64quantprecision this fails where there is no VNNI."""
    assert wrong_kernels(onnxruntime_session) == ()
