"""Files of CIFAR as Python 2 wrote them: protocol 2, keys and pixels as byte strings of that language."""

import gzip
import io
import struct
import tarfile

import numpy as np


def text(value):
    """The opcode of a short byte string of Python 2."""
    return b"U" + bytes([len(value)]) + value.encode()


def number(value):
    """The opcode of a small integer."""
    return b"K" + bytes([value])


def array(pixels):
    """The opcodes that NumPy 1 under Python 2 wrote for a two-dimensional array of uint8."""
    empty = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
        + number(0)
        + b"\x85"
        + text("b")
        + b"\x87R"
    )
    shape = b"".join(b"M" + struct.pack("<H", length) for length in pixels.shape) + b"\x86"
    plain = b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff" + number(0)
    dtype = b"cnumpy\ndtype\n" + text("u1") + number(0) + number(1) + b"\x87R(" + number(3) + text("|")
    raw = pixels.tobytes()
    values = b"T" + struct.pack("<i", len(raw)) + raw
    return empty + b"(" + number(1) + shape + dtype + plain + b"tb\x89" + values + b"tb"


def batch(pixels, labels, key="labels"):
    """A whole file with the entries of an official one."""
    entries = {
        "batch_label": text("training batch 1 of 5"),
        key: b"](" + b"".join(map(number, labels)) + b"e",
        "data": array(pixels),
        "filenames": b"](" + b"".join(text(f"image_{row}.png") for row in range(len(labels))) + b"e",
    }
    return b"\x80\x02}(" + b"".join(text(name) + value for name, value in entries.items()) + b"u."


def made_up(names, rows, classes, key):
    """Random images and labels by file name, and the files."""
    rng = np.random.default_rng(0)
    arrays = {
        name: (rng.integers(0, 256, (rows, 3072), dtype=np.uint8), rng.integers(0, classes, rows).tolist())
        for name in names
    }
    return arrays, {name: batch(pixels, labels, key) for name, (pixels, labels) in arrays.items()}


def archive(folder, files):
    """The `.tar.gz` of a folder with these files."""
    image = io.BytesIO()
    with tarfile.open(fileobj=image, mode="w") as tar:
        entry = tarfile.TarInfo(folder)
        entry.type = tarfile.DIRTYPE
        tar.addfile(entry)
        for name, content in {"readme.html": b"<html>", **files}.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(image.getvalue(), compresslevel=1)
