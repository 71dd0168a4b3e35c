"""Makes an example smaller while its finding stays: fewer commands, fewer lines, fewer files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from tests.fuzz.example import Example
from tests.fuzz.judge import Finding
from tests.fuzz.watch import Watched

SECONDS = 20.0


def smaller(example: Example, finding: Finding, watched: Watched) -> Example:
    """The smallest that is found in SECONDS; the example itself for one that takes long."""
    if finding.what in ("hang", "memory", "died"):
        return example
    until = time.monotonic() + SECONDS
    shrunk = True
    while shrunk:
        shrunk = False
        for candidate in candidates(example):
            if time.monotonic() > until:
                return example
            if finding.key in {found.key for found in watched.run(candidate)[0]}:
                example, shrunk = candidate, True
                break
    return example


def candidates(example: Example) -> Iterator[Example]:
    """Examples with a part left out, larger parts first."""
    for index in range(len(example.commands)):
        if len(example.commands) > 1:
            yield replace(example, commands=example.commands[:index] + example.commands[index + 1 :])
    for name in example.files:
        yield replace(example, files={other: content for other, content in example.files.items() if other != name})
    for name, content in example.files.items():
        if not name.endswith((".casm", ".toml")):
            continue
        lines = content.split(b"\n")
        size = len(lines) // 2
        while size:
            for start in range(0, len(lines), size):
                fewer = b"\n".join(lines[:start] + lines[start + size :])
                yield replace(example, files={**example.files, name: fewer})
            size //= 4
