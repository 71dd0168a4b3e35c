"""The hardware model, from device to system, and its TOML presets."""

from cimc.target.load import load_target, preset_names
from cimc.target.model import Target

__all__ = ["Target", "load_target", "preset_names"]
