"""What a target may describe and the emulator does not compute: refused before any code is made for it."""

from __future__ import annotations

from cimc.base.diagnostics import Place, fail
from cimc.target.model import Target


def require_emulated(target: Target) -> None:
    """Raise CimcError where numbers would not be the chip's: weights are not written while a network runs."""
    if target.chip.resident == "all layers":
        return
    raise fail(
        "target.emulated",
        f"{target.name} holds the weights of one layer at a time. Writing the next layer's while a network runs is not "
        "emulated",
        Place(f"target {target.name}", item="chip.resident"),
        "`cimc estimate` gives its crossbars, time, energy and how long its cells last; to run code take another "
        'target, or a file that extends this one with chip.resident = "all layers"',
    )
