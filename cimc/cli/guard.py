"""Runs a command and turns whatever it raises into a message and an exit code.

0 right; 1 the check failed (a mismatch, a deadlock); 2 the input was wrong; 3 our own fault. Never a traceback, but
with CIMC_DEBUG=1.
"""

from __future__ import annotations

import errno
import os
import platform
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from cimc.base.diagnostics import CimcError
from cimc.base.names import printable, printable_lines
from cimc.base.outputs import reason_of
from cimc.base.reading import noting_inputs
from cimc.base.version import __version__
from cimc.cli.app import app
from cimc.cli.console import drop_output
from cimc.cli.options import with_json_values

RIGHT, FAILED, WRONG_INPUT, OUR_FAULT = 0, 1, 2, 3
FULL = (errno.ENOSPC, errno.EDQUOT)
"""The system's words for no more room."""

DEADLOCK = "verify.deadlock"
"""What the static verifier calls a deadlock that it found in a program that is right in every other way."""


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code."""
    try:
        with noting_inputs():
            app(args=with_json_values(arguments), prog_name="cimc")
    except SystemExit as exit_:
        return _code(exit_)
    except CimcError as error:
        for diagnostic in error.diagnostics:
            print(diagnostic, file=sys.stderr)
        count = len(error.diagnostics)
        if count > 1:
            print(f"{count} errors", file=sys.stderr)
        return FAILED if {diagnostic.code for diagnostic in error.diagnostics} == {DEADLOCK} else WRONG_INPUT
    except MemoryError:
        print("error[memory]: there is not enough memory\n  help: give fewer inputs (--limit N)", file=sys.stderr)
        return WRONG_INPUT
    except OSError as error:
        return _full(error) if error.errno in FULL else _failed(error)
    except Exception as error:
        return _failed(error)
    return RIGHT


def _full(error: OSError) -> int:
    """There is no room for what is written: on standard output, as other outputs are refused before."""
    drop_output()
    what = f"the output cannot be written: {reason_of(error)}"
    print(f"error[output.write]: {what}\n  help: free some space or name another place", file=sys.stderr)
    return WRONG_INPUT


def _code(exit_: SystemExit) -> int:
    if exit_.code is None:
        return RIGHT
    return exit_.code if isinstance(exit_.code, int) else OUR_FAULT


def _failed(error: Exception) -> int:
    """A deadlock is a failed check; anything else that was not foreseen is our fault."""
    from cimc.runtime.sites import Deadlock  # the emulator is loaded only where it may have run

    if isinstance(error, Deadlock):
        print(f"error[run.deadlock]: {printable_lines(str(error))}", file=sys.stderr)
        return FAILED
    if os.environ.get("CIMC_DEBUG") == "1":
        traceback.print_exception(error)
        return OUR_FAULT
    first = printable(str(error).strip().splitlines()[0]) if str(error).strip() else "no message"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    print(
        f"error[internal]: cimc failed, and that is a mistake in cimc: {type(error).__name__}: {first}{where}\n"
        f"  version: cimc {__version__}, Python {platform.python_version()}, {platform.system()}\n"
        "  help: run the same command with CIMC_DEBUG=1 and report what it prints, with the model if you may",
        file=sys.stderr,
    )
    return OUR_FAULT
