"""Writes what docs/isa.md and docs/program.md take from the tables: `python -m cimc.isa.document`.

It stands between comments that name it. A test sees to it that the pages are current.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from cimc.isa import meaning
from cimc.isa.directives import DIRECTIVES, Directive, Key
from cimc.isa.form import RULES, Form, Meaning
from cimc.isa.table import FORM
from cimc.isa.text.grammar import GRAMMAR
from cimc.isa.values import KINDS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "isa.md"
PROGRAM_PAGE = PAGE.with_name("program.md")

_PART = re.compile(r"(<!-- (\w+): python -m cimc\.isa\.document -->\n).*?(?=<!-- end -->)", re.DOTALL)

_PLACES = {"core": "core", "tile": "channel", "any": "both"}
_LEVELS = {"program": "anywhere behind `.isa`", "tile": "in a tile", "core": "in a core", "stream": "in a stream"}


def current(page: Path) -> str:
    """A page, in Markdown, with its parts as the tables have them."""
    text = page.read_text(encoding="utf-8")
    return _PART.sub(lambda part: part[1] + "\n".join(_PARTS[part[2]]()) + "\n", text)


def _instructions() -> Iterator[str]:
    yield "| opcode | instruction | stands in | unit | meaning | lengths |"
    yield "|---|---|---|---|---|---|"
    for form in _in_order():
        cells = form.opcode, _form(form), _PLACES[form.place], form.unit, _cell(form.text), form.lengths.name
        yield f"| {' | '.join(map(str, cells))} |"
    yield from ("", "Lengths, in words:", "")
    yield from (f"- {rule.name}: {rule.text}" for rule in RULES)


def _meanings() -> Iterator[str]:
    """Functions of cimc.isa.meaning, or of NumPy, that instructions are declared with."""
    meanings = [form.meaning for form in _in_order() if form.meaning is not None]
    helpers: list[Meaning] = [meaning.f32, meaning.less, meaning.exact_product]
    functions = [function for function in meanings if not isinstance(function, np.ufunc)]
    ufuncs = [f"{f.mnemonic} = np.{f.meaning.__name__}" for f in _in_order() if isinstance(f.meaning, np.ufunc)]
    sources = (inspect.getsource(function).rstrip() for function in helpers + functions)
    yield from ("```py", "\n\n\n".join(["\n".join(ufuncs), *sources]), "```")


def _in_order() -> list[Form]:
    return sorted(FORM.values(), key=lambda form: form.opcode)


def _form(form: Form) -> str:
    operands = ", ".join(
        f"*{field.name}* {field.kind.name}" if field.name != field.kind.name else field.kind.name
        for field in form.fields
    )
    return f"`{form.mnemonic}` {operands}".rstrip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def _operands() -> Iterator[str]:
    yield from ("| kind | what | such as | bytes |", "|---|---|---|---|")
    kinds = {field.kind.name: field.kind for form in FORM.values() for field in form.fields}
    for name, kind in kinds.items():
        yield f"| {name} | {_cell(kind.what)} | `{kind.example}` | {_cell(kind.layout)} |"


def _grammar() -> Iterator[str]:
    yield from ("```", GRAMMAR.rstrip(), "```")


def _directives() -> Iterator[str]:
    yield from ("| directive | stands | meaning |", "|---|---|---|")
    for one in DIRECTIVES:
        leading = " ".join(f"*{key.name}*" for key in one.leading)
        yield f"| `.{one.name}` {leading} | {'first' if one.name == 'isa' else _LEVELS[one.level]} | {one.meaning} |"
    yield from ("", "| directive | key | value | if left out | meaning |", "|---|---|---|---|---|")
    for same in _alike():
        names = ", ".join(f"`.{directive.name}`" for directive in same)
        yield from (f"| {names} | {_key(key, same[0])} |" for key in same[0].all)
    yield from ("", "Values:", "")
    yield from (f"- {kind.name}: {kind.what}" for kind in KINDS.values())


def _alike() -> list[list[Directive]]:
    """Directives in their order, those with the same keys together."""
    found: dict[tuple[Key, ...], list[Directive]] = {}
    for directive in DIRECTIVES:
        found.setdefault(directive.keys or directive.leading, []).append(directive)
    return list(found.values())


def _key(key: Key, directive: Directive) -> str:
    name = f"*{key.name}*" if key in directive.leading else f"`{key.name}`"
    default = directive.defaults.get(key.attribute, "")
    shown = f"`{json.dumps(default)}`" if key.attribute in directive.defaults else ""
    return f"{name} | {key.kind.name} | {shown} | {_cell(key.meaning)}"


_PARTS: Mapping[str, Callable[[], Iterator[str]]] = {
    "directives": _directives,
    "grammar": _grammar,
    "instructions": _instructions,
    "meanings": _meanings,
    "operands": _operands,
}


if __name__ == "__main__":
    for path in (PAGE, PROGRAM_PAGE):
        path.write_text(current(path), encoding="utf-8", newline="\n")
