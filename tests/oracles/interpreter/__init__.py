"""An interpreter for compiled programs of compute-in-memory chips, written from the pages of the instruction set."""

from .host import run
from .machine import Deadlock
from .program import Program, load

__all__ = ["Deadlock", "Program", "load", "run"]
