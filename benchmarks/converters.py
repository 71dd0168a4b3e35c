"""How fast products go conversion by conversion, beside the bare float32 products of their slices and steps.

    OMP_NUM_THREADS=1 python benchmarks/converters.py

512 x 512 weights of 8 bits in 2-bit cells on 128-row crossbars, 1,024 inputs of 8 bits in 1-bit steps, an ADC of 7 bits
that clips. One thread; the best of a few runs, all in one process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import numpy as np

from cimc.crossbar import chain as chain_module
from cimc.crossbar.chain import Chain
from cimc.crossbar.packed import compiled
from cimc.numerics.keys import NOTHING_DRAWN
from cimc.target import load_target

SIZE, INPUTS, ROWS, BITS = 512, 1024, 128, 8
RUNS = 5


def best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of RUNS runs, after one."""
    work()
    found = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    """Print seconds and ratios."""
    target = load_target("puma")
    chain = Chain.of(replace(target.crossbar, adc_bits=7), target.mvmu)
    rng = np.random.default_rng(0)
    weights, x = rng.integers(-127, 128, (SIZE, SIZE)), rng.integers(0, 1 << BITS, (INPUTS, SIZE))
    feed, rows = chain.feed(BITS, False), [slice(start, start + ROWS) for start in range(0, SIZE, ROWS)]
    blocks = [(part, chain.program(weights[part], BITS, NOTHING_DRAWN)) for part in rows]
    slices = blocks[0][1].conductances.cells.shape[1]
    steps = [rng.random((INPUTS, ROWS), np.float32) for _ in range(feed.steps)]
    cells = [rng.random((ROWS, SIZE), np.float32) for _ in range(slices)]

    def bare() -> None:
        for _ in blocks:
            for step in steps:
                for one in cells:
                    step @ one

    def product() -> object:
        return [block.multiply(x[:, part], feed) for part, block in blocks]

    reference = best(bare)
    print(f"bare float32 products  {reference * 1e3:7.1f} ms")
    if compiled() is not None:
        seconds = best(product)
        print(f"compiled kernel        {seconds * 1e3:7.1f} ms  {seconds / reference:.2f} times")
    with patch.object(chain_module, "can_pack", lambda *_: False):
        seconds = best(product)
    print(f"plain NumPy            {seconds * 1e3:7.1f} ms  {seconds / reference:.2f} times")


if __name__ == "__main__":
    main()
