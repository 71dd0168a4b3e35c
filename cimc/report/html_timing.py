"""Time and energy on the page: what limits and what would help, energy by component, the pipeline."""

from __future__ import annotations

from collections.abc import Sequence

from cimc.base.quantities import si
from cimc.report.cost_model import CostReport, Share
from cimc.report.html_gantt import gantt
from cimc.report.html_markup import Markup, bar, element, section, table
from cimc.report.model import Report
from cimc.runtime.timing.result import Timing


def limits_part(report: Report) -> Markup:
    """What sets the rate of a stream of inputs, and what would raise it."""
    cost = report.cost
    if cost is None:
        return section("limits", "What limits", element("p", f"No time and energy: {report.unpriced}."))
    limit = cost.limit
    return section(
        "limits",
        "What limits",
        element("p", element("strong", "Bottleneck: "), f"{limit.name} {limit.why}.", id="bottleneck"),
        *(element("p", element("strong", "What would help: "), advice, class_="help") for advice in limit.help),
    )


def timing_part(report: Report, timing: Timing | None) -> Markup:
    """Energy by component and the pipeline. timing: a run that was timed with record=True; None without prices."""
    cost = report.cost
    if cost is None or timing is None:
        return section("timing", "Time and energy", element("p", f"No time and energy: {report.unpriced}."))
    called: dict[str, str] = {}  # layers of one origin have their time under the first one's name
    keys: dict[str, tuple[int, ...]] = {}
    for index, layer in enumerate(report.layers):
        name = called.setdefault(layer.origin or layer.name, layer.name)
        keys[name] = (*keys.get(name, ()), index)
    note = (
        f"{timing.inputs} inputs one after the other. The stronger the colour, the more of a layer's cores are at "
        "work; dashed lines stand where an input is out."
    )
    return section(
        "timing",
        "Time and energy",
        element("p", _about(cost, timing), class_="dim"),
        element("h3", "Pipeline", id="pipeline"),
        element("p", note, class_="dim"),
        gantt(timing, keys),
        element("h3", "Energy of one input by component"),
        _components(cost.by_component),
    )


def _about(cost: CostReport, timing: Timing) -> str:
    return (
        f"Modelled for {cost.inputs} inputs with the prices of {timing.target}. Spent once, before the first input and "
        f"beside writing the weights: {si(cost.setup_joules, 'J')}."
    )


def _components(shares: Sequence[Share]) -> Markup:
    most = max((share.joules for share in shares), default=0.0)
    rows = (
        (
            share.name,
            bar(100 * share.joules / most if most else 0.0),
            si(share.joules, "J"),
            f"{share.percent:.1f}",
        )
        for share in shares
    )
    return table(("component=", "against the largest|", "energy>", "%>"), rows)
