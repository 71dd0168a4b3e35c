"""Numbers as a reader wants them: quantities with SI prefixes, shares in percent."""

from __future__ import annotations

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))
_SPANS = ((365.25 * 86400, "years"), (86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))


def si(value: float, unit: str) -> str:
    """A quantity with an SI prefix and three digits; 0 where it is below a thousandth of the smallest prefix."""
    size = abs(value)
    if size < 1e-15:
        return f"0 {unit}"
    scale, prefix = next((pair for pair in _PREFIXES if size >= pair[0] * 0.9995), _PREFIXES[-1])
    scaled = value / scale
    digits = 0 if abs(scaled) >= 99.95 else 1 if abs(scaled) >= 9.995 else 2
    return f"{scaled:.{digits}f} {prefix}{unit}"


def per_second(rate: float) -> str:
    """A rate as a number: whole from 100 on, else three digits."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def percent(part: float, whole: float) -> float:
    """A share in percent, to two places; 0 of nothing."""
    return round(100 * part / whole, 2) if whole else 0.0


def travel_text(now: int, in_order: int, unit: str = "") -> str:
    """How far flits travel, and how far with tiles in network order."""
    text = f"{now:,} {unit}".rstrip()
    return text if now == in_order else f"{text}; {in_order:,} with tiles in network order"


def tiles_text(tiles: int, chips: int, tiles_of_chip: int) -> str:
    """How many tiles are in use, and of how many chips."""
    return f"{tiles:,} of {tiles_of_chip:,}" if chips <= 1 else f"{tiles:,} on {chips:,} chips of {tiles_of_chip:,}"


def counted(number: int, thing: str) -> str:
    """How many of a thing."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def decibels(value: float | None) -> str:
    """A signal-to-noise ratio; None where there is no noise."""
    return "exact" if value is None else f"{value:.1f}"


def time_span(seconds: float) -> str:
    """A time in the largest unit that it fills."""
    for unit, name in _SPANS:
        if seconds >= unit:
            return f"{seconds / unit:,.3g} {name}"
    return f"{seconds:.3g} seconds"
