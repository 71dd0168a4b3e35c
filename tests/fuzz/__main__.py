"""python -m tests.fuzz --seed N --minutes M [--kind KIND] [--jobs N] [--keep FOLDER]: look for what nobody thought of.

Each new finding is printed and kept as a folder (tests.fuzz.example) in FOLDER; the exit code is 1 where there are any.
`python -m tests.fuzz --again FOLDER ...` runs kept ones once more. What is mended moves into tests/fuzz/corpus.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.example import Example, load
from tests.fuzz.judge import Finding
from tests.fuzz.kinds import KINDS, made
from tests.fuzz.smaller import smaller
from tests.fuzz.watch import GIBIBYTES, SECONDS, Watched

SAID_LINES = 12


@dataclass(slots=True)
class Session:
    """What was run and found. codes: (kind, exit code) of commands; found: the first finding of each key."""

    seed: int
    keep: Path | None = None
    examples: Counter[str] = field(default_factory=Counter)
    codes: Counter[tuple[str, int]] = field(default_factory=Counter)
    found: dict[str, Finding] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def work(self, watched: Watched, numbers: Iterator[tuple[str, int]], until: float) -> None:
        """Run examples until a time (monotonic, seconds)."""
        for kind, number in numbers:
            if time.monotonic() >= until:
                return
            example = made(kind, self.seed, number)
            findings, codes = watched.run(example)
            with self.lock:
                self.examples[kind] += 1
                self.codes.update((kind, code) for code in codes)
                new = [finding for finding in findings if finding.key not in self.found]
                self.found.update((finding.key, finding) for finding in new)
            for finding in new:
                self.report(finding, f"{kind}-{self.seed}-{number}", example, watched)

    def report(self, finding: Finding, name: str, example: Example, watched: Watched) -> None:
        """Print a finding, and keep an example of it that is as small as it easily becomes."""
        said = "\n  ".join(finding.said.strip().splitlines()[:SAID_LINES])
        print(f"{name}: {finding.key}\n  cimc {finding.command}\n  {said}", flush=True)
        if self.keep is not None:
            folder = self.keep / f"{name}-{example.digest()}"
            smaller(example, finding, watched).keep(folder)
            print(f"  kept: {folder}", flush=True)

    def summary(self) -> str:
        """A line for each kind, and the count of findings."""
        lines = []
        for kind, count in sorted(self.examples.items()):
            codes = ", ".join(f"{n} x {code}" for (k, code), n in sorted(self.codes.items()) if k == kind)
            lines.append(f"{kind}: {count} examples; exit codes of commands: {codes}")
        return "\n".join([*lines, f"{len(self.found)} findings"])


def fuzz(
    seed: int,
    seconds: float,
    kinds: Sequence[str],
    jobs: int = 1,
    keep: Path | None = None,
    limits: Sequence[float] = (),
) -> Session:
    """Run examples of some kinds in turn. limits: seconds and GiB of an example."""
    session = Session(seed, keep)
    numbers = ((kind, number) for number in itertools.count() for kind in kinds)
    lock = threading.Lock()
    until = time.monotonic() + seconds

    def next_ones() -> Iterator[tuple[str, int]]:
        while True:
            with lock:
                item = next(numbers)
            yield item

    def job() -> None:
        with Watched(*limits) as watched:
            session.work(watched, next_ones(), until)

    with ThreadPoolExecutor(jobs) as pool:
        for done in [pool.submit(job) for _ in range(jobs)]:
            done.result()
    return session


def again(folders: Sequence[Path], limits: Sequence[float] = ()) -> dict[Path, list[Finding]]:
    """Run kept examples; their findings, also where there are none."""
    with Watched(*limits) as watched:
        return {folder: watched.run(load(folder))[0] for folder in folders}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--kind", choices=KINDS, action="append", help="may be given again; all, if not given")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--keep", type=Path, help="a folder for what is found")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="an example that takes longer hangs")
    parser.add_argument("--memory", type=float, default=GIBIBYTES, help="GiB that an example may take")
    parser.add_argument("--again", type=Path, nargs="+", help="run these kept examples instead")
    chosen = parser.parse_args()
    limits = (chosen.seconds, chosen.memory)
    if chosen.again:
        results = again(chosen.again, limits)
        for folder, findings in results.items():
            print(f"{folder}: {'; '.join(finding.key for finding in findings) or 'fine'}")
            for finding in findings:
                print(f"  cimc {finding.command}\n{finding.said}")
        return int(any(results.values()))
    session = fuzz(chosen.seed, 60 * chosen.minutes, chosen.kind or tuple(KINDS), chosen.jobs, chosen.keep, limits)
    print(session.summary())
    return int(bool(session.found))


if __name__ == "__main__":
    sys.exit(main())
