"""What a target may describe and the emulator does not compute: refused before any code is made for it."""

from __future__ import annotations

from cimc.base.diagnostics import Place, fail
from cimc.target.model import Target


def one_conversion_bits(target: Target, input_bits: int) -> int:
    """Bits of the largest sum that a single conversion meets: rows x the top level x the largest input."""
    crossbar = target.crossbar
    return (crossbar.rows * ((1 << crossbar.cell_bits) - 1) * ((1 << input_bits) - 1)).bit_length()


def require_emulated(target: Target, input_bits: int) -> None:
    """Raise CimcError where numbers would not be the chip's.

    A crossbar that converts "once" is emulated where its ADC holds every sum of inputs of `input_bits` bits: nothing
    is lost then, and the product is exact however it is converted. A narrower ADC rounds the whole sum over a fixed
    range, which the emulator does not do.
    """
    crossbar = target.crossbar
    needed = one_conversion_bits(target, input_bits)
    if crossbar.conversions == "once" and needed > crossbar.adc_bits:
        raise fail(
            "target.emulated",
            f"{target.name} converts the sum over all steps of an input once: up to {needed} bits in a conversion of "
            f"{crossbar.adc_bits}. What that rounds away is not emulated",
            Place(f"target {target.name}", item="crossbar.conversions"),
            "`cimc estimate` gives its crossbars, time and energy; to run code take another target, or a file that "
            f'extends this one with crossbar.adc_bits = {needed} or crossbar.conversions = "each step"',
        )
