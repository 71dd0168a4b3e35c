"""What cells conduct once levels are written into them, and what flows out of their columns.

levels.py: conductances of levels; writing.py: what a write leaves; drift.py: what time, reads and wear make of it;
faults.py: cells that are stuck; wires.py: the resistor network; reads.py: noise of reads. cells.py puts them together,
and ideal.py is a chip without any of it. What is drawn at random is drawn from a key that says what for
(cimc.numerics.keys): nothing else may decide it.
"""

from cimc.crossbar.device.cells import PhysicalCells, device_of, physical_cells
from cimc.crossbar.device.ideal import IDEAL, Array, Conductances, Device, IdealArray, IdealDevice
from cimc.crossbar.device.reads import Reading
from cimc.crossbar.device.specimen import NEW, Measured, Place, Specimen

__all__ = [
    "IDEAL",
    "NEW",
    "Array",
    "Conductances",
    "Device",
    "IdealArray",
    "IdealDevice",
    "Measured",
    "PhysicalCells",
    "Place",
    "Reading",
    "Specimen",
    "device_of",
    "physical_cells",
]
