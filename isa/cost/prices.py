"""Actions counted and priced: the time of an instruction on its unit, what it takes of the tile's memory, its energy.

What an instruction does that has a price (cimc.target.keys.ACTIONS) is its fetch, what its operands do, each counted by
its kind, and the work that its form declares. Each count that no paper gives is marked as assumed. Windows count in
full, also where they leave the map at a border. Assumed: one addition, multiplication or comparison of a word is one
pass of the vector unit ("alu"); rounding and saturation happen on the way out; constants that are added are folded into
one; tickets are counters in the tile's control, so that loops and tickets cost nothing beside their fetch.

An instruction is fetched and decoded first, then runs; a core runs one at a time. What moves words overlaps its
stages, so it takes as long as the slowest of them: memory, bus, register port, converters. The vector unit reads and
writes its registers while it computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cimc.base.diagnostics import CimcError, Diagnostic, Place, fail
from cimc.isa.cost.products import (
    PARTS,
    Counts,
    Setting,
    add_counts,
    full_product,
    multiplied,
    product_share,
    reads_share,
)
from cimc.isa.kinds.numbers import Mask, Mvmu
from cimc.isa.program import Instruction
from cimc.isa.table import FORM
from cimc.target.keys import ACTIONS, WRITTEN
from cimc.target.model import Target


def count_actions(instruction: Instruction, setting: Setting) -> Counts:
    """Actions of one execution of an instruction, its fetch included."""
    form = FORM[instruction.mnemonic]
    counts: Counts = {}
    for field, operand in zip(form.fields, instruction.operands, strict=True):
        add_counts(counts, field.kind.actions(operand, setting))
    if form.work is not None:
        add_counts(counts, form.work(instruction.operands, setting))
    counts["tile_instruction" if setting.core is None else "core_instruction"] = 1
    return counts


@dataclass(frozen=True, slots=True)
class Cost:
    """One execution of an instruction. fetch: s, to fetch and decode it. own: s, on its unit, when it has the memory
    to itself. memory: s for which the tile's memory and bus serve nobody else. counts: its actions."""

    fetch: float
    own: float
    memory: float
    counts: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """Its whole time when nothing else wants the memory."""
        return self.fetch + self.own


class PriceList:
    """The prices of a target. Actions that are asked for and have none are remembered (see check)."""

    def __init__(self, target: Target) -> None:
        if not target.prices:
            what = f"target {target.name} has no prices: it says nothing about time and energy"
            todo = 'compile for puma, or for a file of your own with [prices] (docs/targets.md, "Prices")'
            raise fail("time.price", what, Place(f"target {target.name}", item="prices"), todo)
        self.target, self._prices = target, target.action_prices
        self._missing: set[str] = set()
        self._rest = _rest_of_product(target)

    def seconds(self, action: str, count: float = 1.0) -> float:
        """Seconds of so many actions, one after the other; 0 for none."""
        price = self._prices.get(action)
        if price is None:
            if count:
                self._missing.add(action)
            return 0.0
        return count * price.seconds

    def joules(self, counts: Mapping[str, float]) -> dict[str, float]:
        """Joules of actions, by action."""
        return {action: count * self._joules(action, count) for action, count in counts.items() if count}

    def cost(self, instruction: Instruction, setting: Setting) -> Cost:
        """The cost of one execution of an instruction."""
        counts = count_actions(instruction, setting)
        fetch = self.seconds("core_instruction", counts.get("core_instruction", 0))
        fetch += self.seconds("tile_instruction", counts.get("tile_instruction", 0))
        memory = self.memory(counts.get("memory_word", 0))
        self.joules(counts)
        return Cost(fetch, max(memory, self._unit_seconds(instruction, setting, counts)), memory, counts)

    def memory(self, words: float) -> float:
        """Seconds for which words keep a tile's memory and bus, which overlap."""
        return max(self.seconds("memory_word", words), self.seconds("memory_bus_word", words))

    def _unit_seconds(self, instruction: Instruction, setting: Setting, counts: Counts) -> float:
        form = FORM[instruction.mnemonic]
        if form.has(Mask):
            chosen = multiplied(form.operand(instruction, Mask), setting).values()
            return self.seconds("mvm", max((product_share(self.target, held) for held in chosen), default=0.0))
        if form.has(Mvmu):
            return self.seconds("mvm", reads_share(self.target, 1))
        ports = [self.seconds(action, counts.get(action, 0)) for action in ("xin_read", "xin_write", "row_write")]
        ports.append(self.seconds("fifo_word", counts.get("fifo_word", 0)))
        vector = self.seconds("alu", counts.get("alu", 0)) + self.seconds("table_lookup", counts.get("table_lookup", 0))
        if not vector:
            ports.append(self.seconds("register_word", counts.get("register_word", 0)))
        return max(vector, *ports)

    def _joules(self, action: str, count: float) -> float:
        if action == "mvm" and action in self.target.prices:
            return self._rest
        price = self._prices.get(action)
        if price is None:
            self._missing.add(action)
            return 0.0
        return price.joules

    @property
    def missing(self) -> frozenset[str]:
        """Actions that were asked for and have no price."""
        return frozenset(self._missing)

    def check(self) -> None:
        """Raise CimcError if an action had no price."""
        if self._missing:
            raise CimcError(_no_price(self.target, sorted(self._missing)))


def _no_price(target: Target, actions: Sequence[str]) -> Iterator[Diagnostic]:
    if any(action in WRITTEN for action in actions):
        what = f"target {target.name} does not say what writing a row of cells takes"
        todo = "give it [writing] with row_seconds, cell_joules and endurance, in a file that extends it"
        yield Diagnostic("time.price", what, Place(f"target {target.name}", item="writing"), todo)
    yield from (
        Diagnostic(
            "time.price",
            f'target {target.name} has no price for "{action}": {ACTIONS[action].meaning}',
            Place(f"target {target.name}", item=f"prices.{action}"),
            f"give [prices.{action}] seconds and joules (or watts), with their source, in a file that extends it",
        )
        for action in actions
        if action not in WRITTEN
    )


def _rest_of_product(target: Target) -> float:
    """Joules of a full product beyond its parts that have prices of their own."""
    whole = target.prices.get("mvm")
    if whole is None:
        return 0.0
    full = full_product(target)
    parts = sum(full[action] * target.prices[action].joules for action in PARTS if action in target.prices)
    if parts > whole.joules * (1 + 1e-6):  # prices are read as decimals and multiplied in floats
        what = f"a product takes {whole.joules:.4g} J by [prices.mvm], and its parts {parts:.4g} J by theirs"
        todo = "the price of a product covers its crossbars and converters: correct one of them"
        raise fail("time.price", what, Place(f"target {target.name}", item="prices.mvm"), todo)
    return max(0.0, whole.joules - parts)
