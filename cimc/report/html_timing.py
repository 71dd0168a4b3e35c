"""Time and energy on the page: latency and rate, what limits them, energy by component and layer, the pipeline."""

from __future__ import annotations

from collections.abc import Mapping

from cimc.report.html_gantt import BEHIND, gantt
from cimc.report.html_markup import Markup, bar, element, join, section, si, table
from cimc.report.html_tables import fact_list, layer_key
from cimc.report.model import Report
from cimc.runtime.timing_result import Timing


def timing_part(report: Report, timing: Timing) -> Markup:
    """What a run that was timed with record=True gives."""
    keys: dict[str, tuple[int, ...]] = {}
    for index, layer in enumerate(report.layers):
        keys[layer.origin] = (*keys.get(layer.origin, ()), index)
    facts = [("latency of the first input", si(timing.latency, "s"))]
    if timing.interval is not None and timing.rate is not None:
        facts += [
            ("time between inputs", si(timing.interval, "s")),
            ("inputs a second", f"{timing.rate:,.0f}" if timing.rate >= 100 else f"{timing.rate:.3g}"),
        ]
    facts += [
        ("energy of one input", si(timing.joules, "J")),
        ("energy spent once", si(timing.setup_joules, "J")),
    ]
    limits = element(
        "p", element("strong", "Bottleneck: "), f"{timing.bottleneck.name} {timing.bottleneck.why}.", id="bottleneck"
    )
    note = (
        f"{timing.inputs} inputs one after the other. The stronger the colour, the more of a layer's cores are at "
        "work; dashed lines stand where an input is out."
    )
    return section(
        "timing",
        "Time and energy",
        element("p", f"Modelled for {timing.inputs} inputs with the prices of {timing.target}.", class_="dim"),
        fact_list(facts),
        limits,
        element("h3", "Energy of one input by component"),
        _components(timing.joules_by_component),
        element("h3", "Energy of one input by layer"),
        _by_layer(timing.joules_by_layer, keys),
        element("h3", "Pipeline", id="pipeline"),
        element("p", note, class_="dim"),
        gantt(timing, keys),
    )


def no_timing_part(reason: str) -> Markup:
    """The same part where there are no prices. reason: what lacks, as a diagnostic says it."""
    return section("timing", "Time and energy", element("p", f"No time and energy: {reason}."))


def _components(joules: Mapping[str, float]) -> Markup:
    most, total = max(joules.values(), default=0.0), sum(joules.values())
    rows = ((name, *_energy(value, most, total)) for name, value in joules.items())
    return table(("component", "against the largest", "energy>", "%>"), rows)


def _by_layer(joules: Mapping[str, float], keys: Mapping[str, tuple[int, ...]]) -> Markup:
    """Layers as in their table, then what belongs to none."""
    most, total = max(joules.values(), default=0.0), sum(joules.values())
    order = sorted(joules, key=lambda name: keys.get(name, BEHIND))
    rows = (
        (join(map(layer_key, keys.get(name, (-1,))), " "), name, *_energy(joules[name], most, total)) for name in order
    )
    return table(("#=", "layer, by its ONNX nodes", "against the largest", "energy>", "%>"), rows)


def _energy(joules: float, most: float, total: float) -> tuple[Markup, str, str]:
    return (
        bar(100 * joules / most if most else 0.0),
        si(joules, "J"),
        f"{100 * joules / total:.1f}" if total else "",
    )
