"""The command line."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command in sys.argv and exit with its code."""
    from cimc.cli.guard import run  # so that its parts can be used without loading the commands

    sys.exit(run(sys.argv[1:]))
