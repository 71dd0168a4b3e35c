"""Bugs planted one at a time: do the tests notice them?

    python -m tests.mutants [--list] [--only NAME ...] [--first] [--jobs N]

The bugs stand in tests/mutants/*.toml, each an exact text of one file and what replaces it. Each is planted in a copy
of the tree, never in place, and the tests of its subject run there; if they pass, a wider set runs. A bug that no test
notices has survived. Exit code 1 if fewer than 95 % are killed, 2 if the tests fail without any bug.

Tests that compare printed pages do not count: a page that changes says that something changed, not that it is wrong.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "mutants"
LEAST = 0.95
"""Share of the bugs that must be killed."""

PRINTED_PAGES = (
    "tests/cli/test_docs.py",
    "tests/target/test_docs.py",
    "tests/isa/test_tables.py::test_the_pages_are_current",
    "tests/isa/test_tables.py::test_everything_is_on_the_page",
    "tests/driver/test_whole.py::test_the_table_in_the_docs_names_the_networks",
    "tests/driver/test_estimate.py::test_every_field_is_explained",
    "tests/driver/test_layer_by_layer.py::test_every_field_is_explained",
    "tests/test_mutants.py",
)
"""Tests of pages (docs/), and the one of this list: no bug is killed by them."""

FIRST: dict[str, tuple[str, ...]] = {
    "cimc/crossbar/device/": ("tests/device/test_reads.py", "tests/device/test_levels.py"),
    "cimc/crossbar/device/writing.py": ("tests/device/test_writing.py",),
    "cimc/crossbar/device/drift.py": ("tests/device/test_ageing.py",),
    "cimc/crossbar/device/faults.py": ("tests/device/test_ageing.py",),
    "cimc/crossbar/device/wires.py": ("tests/device/test_wires.py",),
    "cimc/crossbar/device/ladders.py": ("tests/device/test_wires.py",),
    "cimc/crossbar/device/layout.py": ("tests/device/test_wires.py",),
    "cimc/crossbar/device/spice.py": ("tests/device/test_wires.py",),
    "cimc/crossbar/": ("tests/crossbar",),
    "cimc/numerics/quant.py": ("tests/numerics/test_quant.py",),
    "cimc/numerics/functions.py": ("tests/numerics/test_functions.py",),
    "cimc/numerics/keys.py": ("tests/numerics/test_keys.py",),
    "cimc/numerics/": ("tests/numerics",),
    "backends/": ("tests/backends",),
    "cimc/base/moves.py": ("tests/base/test_moves.py",),
    "cimc/base/tokens.py": ("tests/isa/test_tokens.py",),
    "cimc/target/mesh.py": ("tests/target/test_mesh.py",),
    "cimc/passes/crossbars/split": ("tests/passes/test_split.py", "tests/passes/test_partial_sums.py"),
    "cimc/passes/crossbars/balance": ("tests/passes/test_balance.py", "tests/passes/test_balance_by_hand.py"),
    "cimc/driver/": ("tests/device/test_chips.py",),
    "cimc/driver/conductances.py": ("tests/device/test_conductances.py",),
    "cimc/estimator/": ("tests/driver/test_known.py", "tests/driver/test_whole.py"),
    "cimc/layer_kinds/": ("tests/layer_kinds", "tests/passes/test_constructs.py", "tests/ir"),
    "cimc/passes/lower/": ("tests/passes/lower", "tests/passes/test_constructs.py"),
    "cimc/passes/numbers/choose_shifts.py": ("tests/passes/test_choose_shifts.py",),
    "cimc/ir/": ("tests/ir",),
    "cimc/ir/verify_placed.py": ("tests/ir/test_verify_placed.py",),
    "cimc/passes/placement/": ("tests/passes/test_placement.py", "tests/passes/test_settle_depths.py"),
    "cimc/passes/placement/seat_tiles.py": ("tests/passes/test_seat_tiles.py",),
    "cimc/passes/scheduling/": ("tests/passes/test_golden_stages.py", "tests/passes/test_settle_depths.py"),
    "isa/cost/": (
        "tests/isa/test_actions.py",
        "tests/isa/test_costs.py",
        "tests/runtime/test_timing.py",
        "tests/runtime/test_rounds_timing.py",
    ),
    "isa/": ("tests/isa",),
    "isa/table.py": ("tests/isa/test_actions.py", "tests/runtime/test_arithmetic.py"),
    "isa/meaning.py": ("tests/runtime/test_arithmetic.py",),
    "runtime/vector.py": ("tests/runtime/test_arithmetic.py",),
    "runtime/reads.py": ("tests/device/test_chips.py",),
    "runtime/crossbar.py": ("tests/runtime/test_crossbar.py",),
    "runtime/windows.py": ("tests/runtime/test_windows.py",),
    "cimc/numerics/packing.py": ("tests/numerics/test_packing.py",),
    "cimc/passes/rounds.py": ("tests/passes/test_rounds.py", "tests/laws/test_rounds.py"),
    "backends/rounds.py": ("tests/cli/test_rounds.py",),
    "backends/writing.py": ("tests/laws/test_rounds.py",),
    "backends/keeping.py": ("tests/passes/test_rounds.py",),
    "isa/verify/phases.py": ("tests/isa/test_phases.py",),
    "runtime/cells.py": ("tests/isa/test_phases.py",),
    "runtime/rounds.py": ("tests/laws/test_rounds.py",),
    "runtime/timing/rounds.py": ("tests/runtime/test_rounds_timing.py",),
    "runtime/timing": (
        "tests/runtime/test_contention.py",
        "tests/runtime/test_timing.py",
        "tests/runtime/test_timing_unroll.py",
        "tests/runtime/test_timing_summary.py",
        "tests/runtime/test_rounds_timing.py",
    ),
}
"""Beginnings of files' names to the tests that run first; the longest beginning counts."""

WIDER: dict[str, tuple[str, ...]] = {
    "cimc/crossbar/device/": ("tests/device",),
    "cimc/driver/": ("tests/device", "tests/driver/test_fidelity.py", "tests/cli"),
    "cimc/crossbar/": ("tests/runtime", "tests/isa/test_page.py", "tests/ir", "tests/oracles"),
    "cimc/numerics/": ("tests/numerics", "tests/runtime", "tests/isa/test_page.py", "tests/ir", "tests/oracles"),
    "backends/": ("tests/passes", "tests/oracles"),
    "cimc/base/": ("tests/isa", "tests/passes/test_settle_depths.py"),
    "cimc/target/": ("tests/target", "tests/runtime", "tests/passes/test_chips.py"),
    "cimc/estimator/": ("tests/driver/test_known.py", "tests/driver/test_whole.py"),
    "cimc/layer_kinds/": ("tests/passes", "tests/driver", "tests/laws"),
    "cimc/ir/": ("tests/ir", "tests/passes"),
    "cimc/passes/": ("tests/passes", "tests/driver", "tests/laws"),
    "isa/": ("tests/isa", "tests/runtime", "tests/report", "tests/passes/test_chips.py"),
    "runtime/": ("tests/runtime", "tests/isa", "tests/oracles", "tests/report"),
}
"""The same for the tests that run where the first ones pass."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug: `old`, which stands once in `file`, becomes `new`. harmless: why it may survive, if it may."""

    subject: str
    name: str
    bug: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = ()
    harmless: str = ""

    def planted(self, text: str) -> str:
        """The file's text with the bug."""
        assert text.count(self.old) == 1, (
            f"{self.name}: its old text stands {text.count(self.old)} times in {self.file}"
        )
        assert self.old != self.new, f"{self.name}: it changes nothing"
        return text.replace(self.old, self.new)

    def first(self) -> tuple[str, ...]:
        """Tests that run first."""
        return self.tests or longest(FIRST, self.file)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a bug. by: the test that noticed it, or "" where it survived; seconds: that it took."""

    mutant: Mutant
    by: str
    seconds: float


def longest(table: dict[str, tuple[str, ...]], file: str) -> tuple[str, ...]:
    """The entry of the longest beginning of a file's name."""
    return table[max((start for start in table if file.startswith(start)), key=len)]


def mutants() -> list[Mutant]:
    """All bugs, by subject."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        for record in tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]:
            found.append(Mutant(path.stem, **{**record, "tests": tuple(record.get("tests", ()))}))
    return found


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A temporary copy of what git tracks and of new files that it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    with tempfile.TemporaryDirectory(prefix="cimc-mutants-") as folder:
        for name in filter(None, listed.stdout.split("\0")):
            source, target = ROOT / name, Path(folder) / name
            if source.is_symlink() or source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
        yield Path(folder)


def run_tests(tree: Path, tests: Sequence[str], limit: float | None, keep_bytecode: bool = False) -> str:
    """Run tests in a tree: "" if they pass, else the first that fails. limit: s after which they count as hanging;
    keep_bytecode: leave compiled files in the tree, so that the next run starts faster."""
    options = "-x -q -p no:cacheprovider --tb=no --hypothesis-profile=planted"
    command = [sys.executable, "-m", "pytest", *options.split(), "-m", "not slow"]
    command += [f"--deselect={page}" for page in PRINTED_PAGES]
    command += [test for test in tests if (tree / test.split("::")[0]).exists()]
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONHASHSEED": "0"}
    environment |= {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    if not keep_bytecode:
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    with subprocess.Popen(
        command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            printed, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return f"a hang of {limit:.0f} s"
    if process.returncode == 0:
        return ""
    if process.returncode < 0:
        return f"a crash, {signal.Signals(-process.returncode).name}"
    assert process.returncode in (1, 2), f"pytest ends with {process.returncode}:\n{printed}"
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", printed, re.MULTILINE)
    return failed[1] if failed else printed[-2000:]


class NotClean(Exception):
    """Tests fail without any bug."""


class Bench:
    """Trees to plant bugs in, one for each worker, and how long each set of tests takes without a bug."""

    def __init__(self, trees: Sequence[Path], wide: bool) -> None:
        self._wide = wide
        self._free: queue.Queue[Path] = queue.Queue()
        for tree in trees:
            self._free.put(tree)
        self._limits: dict[tuple[str, ...], float] = {}

    def judge(self, mutant: Mutant) -> Verdict:
        """Plant a bug, run the tests, take it out again."""
        tree, start = self._free.get(), time.monotonic()
        try:
            by = ""
            for tests in (mutant.first(), longest(WIDER, mutant.file))[: 1 + self._wide]:
                by = by or self._noticed(tree, mutant, tests)
            return Verdict(mutant, by, time.monotonic() - start)
        finally:
            self._free.put(tree)

    def _noticed(self, tree: Path, mutant: Mutant, tests: tuple[str, ...]) -> str:
        """The test of these that notices a bug, or ""."""
        if tests not in self._limits:
            start = time.monotonic()
            failed = run_tests(tree, tests, None, keep_bytecode=True)
            if failed:
                raise NotClean(f"without any bug {failed} fails")
            self._limits[tests] = 60 + 6 * (time.monotonic() - start)  # other work on the machine may come and go
        file = tree / mutant.file
        text, times = file.read_text(encoding="utf-8"), file.stat()
        file.write_text(mutant.planted(text), encoding="utf-8")
        os.utime(file, (0, 0))  # no compiled file has this time, so the text is read
        try:
            return run_tests(tree, tests, self._limits[tests])
        finally:
            file.write_text(text, encoding="utf-8")
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def main(arguments: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="say which bugs there are")
    parser.add_argument("--only", action="append", metavar="NAME", help="plant bugs of this name or subject only")
    parser.add_argument("--first", action="store_true", help="leave out the wider set of tests")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="trees that are worked in at a time")
    options = parser.parse_args(arguments)
    chosen = [m for m in mutants() if not options.only or {m.name, m.subject} & set(options.only)]
    if options.list or not chosen:
        print("\n".join(f"{m.subject:12} {m.name:6} {m.file}: {m.bug}" for m in chosen) or "no bug of this name")
        return 0 if chosen else 2
    try:
        verdicts = judged(chosen, options.jobs, not options.first)
    except NotClean as error:
        print(error)
        return 2
    counted = [verdict for verdict in verdicts if not verdict.mutant.harmless]
    survivors = [verdict.mutant for verdict in counted if not verdict.by]
    share = 1 - len(survivors) / max(1, len(counted))
    print(f"{len(counted) - len(survivors)} of {len(counted)} killed ({100 * share:.1f} %)")
    for mutant in survivors:
        print(f"survived: {mutant.name}, {mutant.bug} ({mutant.file})")
    return 0 if share >= LEAST else 1


def judged(chosen: Sequence[Mutant], jobs: int, wide: bool) -> list[Verdict]:
    """Judge bugs, and print each verdict as it comes."""
    verdicts = []
    with ExitStack() as stack:
        bench = Bench([stack.enter_context(copied_tree()) for _ in range(jobs)], wide)
        pool = stack.enter_context(ThreadPoolExecutor(jobs))
        stack.callback(pool.shutdown, cancel_futures=True)
        for future in as_completed([pool.submit(bench.judge, mutant) for mutant in chosen]):
            verdict = future.result()
            verdicts.append(verdict)
            word = "killed" if verdict.by else "may live" if verdict.mutant.harmless else "SURVIVED"
            what = f"by {verdict.by}" if verdict.by else verdict.mutant.bug
            print(f"{word:8} {verdict.mutant.name:6} {verdict.seconds:5.0f} s  {what}", flush=True)
    return verdicts


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
