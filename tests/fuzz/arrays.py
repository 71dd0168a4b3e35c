"""Data files that somebody damaged: the headers of their arrays, the structure of the archive, its bytes."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from typing import Any

import numpy as np

from tests.fuzz.bases import base_files
from tests.fuzz.draw import Draw
from tests.fuzz.example import NET, Example
from tests.fuzz.values import FLOATS, NAMES, NUMBERS, changed_bytes, changed_text

BASE = "digits on puma"
DATA = "data.npz"
TYPES = (
    "<f4", "<f8", ">f4", "<f2", "|i1", "|u1", "<i8", "<u8", "|b1", "<c8", "|O", "<U3", "|S4", "<M8[s]", "|V4",
    "<f16", "f",
    "", "<f0", "|S0", "(2,)<f4", "<f4,<i4", "<f999999999999", "[('a', '<f4')]", "{'names': []}", "<m8", "float32",
    "object",
)  # fmt: skip
SHAPES = (
    "()", "(0,)", "(3,)", "(3, 1, 8, 8)", "(3, 1, 8, 8,)", "[3, 1, 8, 8]", "(-3, -1, 8, 8)", "(3, 1, 8, 8.0)", "3",
    "(True, 1, 8, 8)", "('a',)", "(3, 64)", "(0, 1, 8, 8)", "(1, 1, 8, 8)", "(3" + ", 1" * 40 + ", 64)", "None",
    "(1e3,)",
    "(9223372036854775807, 2)", "(4294967296, 4294967296)", "((3,), 1)", "(" * 300 + ")" * 300, "9" * 5000,
)  # fmt: skip
COMMANDS = (
    ("run", NET, "--input", DATA, "--limit", "2", "-o", "out.npz"),
    ("run", NET, "--input", DATA, "-o", "out.npz"),
    ("verify", "@digits_plain.onnx", "--target", "puma", "--data", DATA, "--limit", "2"),
    ("verify", "@digits_plain.onnx", "--target", "puma", "--data", "@digits_test.npz", "--calibration", DATA,
    "--limit", "2"),
    ("compile", "@digits_plain.onnx", "--target", "isaac", "--calibration", DATA, "-o", "out"),
    ("inspect", NET, "--input", DATA, "--stop", "0,1,6", "--lane", "1"),
)  # fmt: skip
PACKED = (*[zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED] * 6, zipfile.ZIP_BZIP2)
ZIP_METHODS = (0, 8, 12, 14, 1, 99)


def _npy(head: str, values: bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    """An array in .npy format with any text as its header."""
    text = head.encode("latin1", "replace") + b"\n"
    length = struct.pack("<H" if version[0] == 1 else "<I", min(len(text), 0xFFFF))
    return b"\x93NUMPY" + bytes(version) + length + text + values


def _values(draw: Draw) -> np.ndarray[Any, Any]:
    """Arrays that are well-formed: right, or of another type, shape or extreme values."""
    with np.load(io.BytesIO(base_files(BASE)["input.npz"])) as file:
        array: np.ndarray[Any, Any] = file["input"]
    with np.errstate(all="ignore"):
        match draw.randrange(5):
            case 0:
                array = array.astype(draw.choice(("f8", "f2", "i4", "u1", "?", "c8", "U4", ">f4")))
            case 1:
                array = array[:, :, : draw.choice((0, 1, 7))]
            case 2:
                array.flat[draw.randrange(array.size)] = draw.choice(FLOATS)
            case 3:
                array = np.asfortranarray(array * np.float32(draw.choice(FLOATS)))
    return array


def _member(draw: Draw) -> bytes:
    """One array's bytes."""
    array = _values(draw)
    out = io.BytesIO()
    np.save(out, array)
    match draw.randrange(7):
        case 0 | 5 | 6:
            return out.getvalue()
        case 1:
            return changed_bytes(draw, out.getvalue())
        case 2:
            length = struct.unpack("<H", out.getvalue()[8:10])[0]
            head = out.getvalue()[10 : 10 + length].decode().rstrip()
            return _npy(changed_text(draw, head, NUMBERS), array.tobytes())
        case _:
            descr, shape = draw.choice(TYPES), draw.choice(SHAPES)
            head = f"{{'descr': '{descr}', 'fortran_order': {draw.choice((False, True, 1))}, 'shape': {shape}, }}"
            if draw.random() < 0.5:
                head = head.replace(repr(descr), "'<f4'")
            version = draw.choice(((1, 0), (1, 0), (2, 0), (3, 0), (9, 0)))
            return _npy(head, array.tobytes(), version)


def archive(draw: Draw) -> bytes:
    """An archive of such arrays: names, methods and structure vary too."""
    out = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(out, "w") as file:  # of names that are there twice
        names = [
            "input.npy",
            *draw.sample(("labels.npy", "input.npy", "input", "folder/", "x.txt"), draw.choice((0, 0, 0, 0, 1, 2))),
        ]
        if draw.random() < 0.1:
            names.append(draw.choice(NAMES).replace("\ud7ff", "?") + ".npy")
        for name in names:
            info = zipfile.ZipInfo(name)
            info.compress_type = draw.choice(PACKED)
            file.writestr(info, _member(draw))
    made = out.getvalue()
    match draw.randrange(9):
        case 0:
            return changed_bytes(draw, made)
        case 1:  # of the directory, at the end
            return made[:-120] + changed_bytes(draw, made[-120:])
        case 2:
            at = made.rfind(b"PK\x01\x02") + 10
            return made[:at] + struct.pack("<H", draw.choice(ZIP_METHODS)) + made[at + 2 :]
        case 3 if draw.random() < 0.3:
            return _member(draw)
    return made


def zeros() -> bytes:
    """A small archive that unpacks to 64 MiB."""
    out = io.BytesIO()
    np.savez_compressed(out, input=np.zeros((1 << 18, 1, 8, 8), np.float32))
    return out.getvalue()


def array_example(draw: Draw) -> Example:
    """A damaged data file, read by a few commands."""
    content = zeros() if draw.random() < 0.003 else archive(draw)
    return Example(tuple(draw.sample(COMMANDS, 2)), {DATA: content}, BASE)
