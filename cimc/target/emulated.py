"""What a target may describe and the emulator does not compute: refused before any code is made for it."""

from __future__ import annotations

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.target.model import Target


def conversion_bits(target: Target, input_bits: int) -> int:
    """Bits of the largest sum that a conversion meets: rows x the top level x the largest number fed, which is an
    input's largest digit of dac_bits, or the largest input of `input_bits` bits where all its steps are converted
    once."""
    crossbar = target.crossbar
    fed = input_bits if crossbar.conversions == "once" else crossbar.dac_bits
    return (crossbar.rows * ((1 << crossbar.cell_bits) - 1) * ((1 << fed) - 1)).bit_length()


def require_emulated(target: Target, input_bits: int) -> None:
    """Raise CimcError where numbers would not be the chip's, with every reason.

    A crossbar that converts "once", or whose ADC keeps "high bits", is emulated where the ADC holds every sum of
    inputs of `input_bits` bits: nothing is lost then, and the product is exact however it is converted. A narrower ADC
    rounds sums over a fixed range, which the emulator does not do.
    """
    problem = _conversion(target, input_bits)
    if problem is not None:
        raise CimcError([problem])


def _conversion(target: Target, input_bits: int) -> Diagnostic | None:
    crossbar = target.crossbar
    needed = conversion_bits(target, input_bits)
    once = crossbar.conversions == "once"
    if needed <= crossbar.adc_bits or not (once or crossbar.adc_keeps == "high bits"):
        return None
    how = "converts the sum over all steps of an input once" if once else "keeps the high bits of a column sum"
    other = ' or crossbar.conversions = "each step"' if once and crossbar.adc_keeps == "low bits" else ""
    return Diagnostic(
        "target.emulated",
        f"{target.name} {how}: up to {needed} bits in a conversion of {crossbar.adc_bits}. "
        "What that rounds away is not emulated",
        Place(f"target {target.name}", item="crossbar.conversions" if once else "crossbar.adc_keeps"),
        "`cimc estimate` gives its crossbars, time and energy; to run code take another target, or a file that "
        f"extends this one with crossbar.adc_bits = {needed}{other}",
    )
