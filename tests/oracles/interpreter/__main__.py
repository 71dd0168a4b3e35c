"""Run a compiled program: python -m interpreter FOLDER INPUT.npz OUTPUT.npz."""

import hashlib
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from .host import run
from .program import Program, load


def digest(arrays: dict[str, np.ndarray]) -> str:
    """Give the sha256 of the arrays of a weights file."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        shape = ",".join(str(size) for size in array.shape)
        total.update(f"{len(name.encode())}:{name}|{array.dtype.str}|{shape}|".encode())
        total.update(array.tobytes("C"))
    return total.hexdigest()


class Members(dict[str, np.ndarray]):
    """The arrays of a weights file, by the names of its members until the program asks for them by theirs."""

    def __missing__(self, name: str) -> np.ndarray:
        """Give an array whose name was too long for a member."""
        end = "~" + hashlib.sha256(name.encode()).hexdigest()
        found = next((member for member in self if member.endswith(end)), None)
        if found is None:
            raise KeyError(name)
        self[name] = self.pop(found)
        return self[name]


def load_folder(folder: Path) -> Program:
    """Read the folder of a program, from its text."""
    with np.load(folder / "weights.npz", allow_pickle=False) as file:
        arrays = Members({unquote(name): array for name, array in file.items()})
    target = tomllib.loads((folder / "target.toml").read_text(encoding="utf-8"))
    program = load((folder / "program.casm").read_text(encoding="utf-8"), arrays, target)
    if program.weights != digest(arrays):
        raise ValueError("the weights are not those of the program")
    return program


def run_lanes(program: Program, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run each lane from a machine of its own; axis 0 is the lane, in place of a first axis of 1."""
    lanes = max(len(array) for array in inputs.values())
    results = []
    for lane in range(lanes):
        results.append(
            run(program, {i.name: inputs[i.name][lane].reshape(1, *i.shape) for i in program.of_host("inputs")})
        )
    outputs = {}
    for interface in program.of_host("outputs"):
        rest = interface.shape[1:] if interface.shape[:1] == (1,) else interface.shape
        outputs[interface.name] = np.array([result[interface.name] for result in results]).reshape(lanes, *rest)
    return outputs


def main() -> None:
    """Run what the command line names."""
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    folder, source, result = sys.argv[1:]
    program = load_folder(Path(folder))
    with np.load(source, allow_pickle=False) as file:
        inputs = dict(file)
    arrays = run_lanes(program, inputs)
    with open(result, "wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
