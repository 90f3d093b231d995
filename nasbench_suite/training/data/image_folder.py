"""Images in a folder of one's own: a subfolder per class, perhaps within folders `train`, `valid`, `test`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteError, shorten
from nasbench_suite.training.data.assembly import Images, assemble, measured_moments
from nasbench_suite.training.data.dataset import TrainingData
from nasbench_suite.training.data.files import content_of
from nasbench_suite.training.data.pictures import opened, strict
from nasbench_suite.training.data.request import Request
from nasbench_suite.training.data.splits import Split, hash_numbers

if TYPE_CHECKING:
    from PIL.Image import Image

PREFIX = "folder:"

_SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".bmp", ".pgm", ".ppm"])
_FORMATS = ("JPEG", "PNG", "BMP", "PPM")
_GREY = frozenset(["1", "L"])
_MODES = _GREY | {"LA", "P", "RGB", "RGBA", "CMYK"}
_TRAIN_SHARE, _VALID_SHARE = 0.70, 0.15
_MOST_FILE_BYTES = 1 << 27
_MOST_PIXELS = 1 << 26
_MOST_BYTES = 1 << 34
_MOST_SIZE = 1024


@dataclass(frozen=True)
class _File:
    """An image file: in which part, if the folder says so, of which class, and where."""

    part: str
    label: str
    path: Path

    @property
    def key(self) -> str:
        """What its part is drawn by, where the folder does not say: `cats/tom.png`."""
        return f"{self.label}/{self.path.name}"


def load(request: Request) -> TrainingData:
    """Return the images of the folder that the name, `folder:PATH`, says.

    Classes are numbered in the order of their names. Images are grey if all of them are, else in colour. They
    must have one size, or are scaled to squares of `request.size` pixels, whatever their proportions. Where
    there are no folders `train` and `test`, 70 % train, 15 % validate and 15 % test, by the SHA-256 of
    `CLASS/FILE`, so that a new image moves no other; without `valid`, 15 % of `train` validate.

    Raises
    ------
    DamagedFileError
        When an image cannot be read.
    NasbenchSuiteError
        When there are no images, they have several sizes, or more is asked for than there is.
    """
    root = (request.root or Path()) / request.name.removeprefix(PREFIX)
    if request.size is not None and not 1 <= request.size <= _MOST_SIZE:
        raise NasbenchSuiteError(
            f"images cannot be scaled to {request.size} pixels; choose 1 to {_MOST_SIZE}."
        )
    try:
        files = _files(root)
    except OSError as problem:
        raise NasbenchSuiteError(f"{root} cannot be read: {problem.strerror}.") from problem
    classes = sorted({file.label for file in files if file.part in ("", "train")})
    strange = next((file for file in files if file.label not in classes), None)
    if strange is not None:
        raise NasbenchSuiteError(
            f"{strange.path} is of a class that no image trains; add some, or remove it."
        )
    numbers = {label: number for number, label in enumerate(classes)}
    labels = np.array([numbers[file.label] for file in files], dtype=np.int64)
    split = _split(files)
    if not len(split.train):
        raise NasbenchSuiteError(f"{root} has {len(files)} image(s), of which none trains; add more.")
    inputs = _decoded(files, request.size)
    scaled = f" scaled to {request.size} pixels" if request.size else ""
    images = Images(
        inputs, labels, len(classes), f"images of {len(classes)} classes in the folder {root.name}{scaled}"
    )
    return assemble(request, images, split, measured_moments(inputs, split.train))


def _files(root: Path) -> list[_File]:
    """Return all images, by part, class and name."""
    parts = [part for part in ("train", "valid", "test") if (root / part).is_dir()]
    if not {"train", "test"} <= set(parts):
        parts = [""]
    files = [
        _File(part, folder.name, path)
        for part in parts
        for folder in _visible(root / part)
        if folder.is_dir()
        for path in _visible(folder)
        if path.suffix.lower() in _SUFFIXES
    ]
    if not files:
        raise NasbenchSuiteError(
            f"{root} has no images; put them there in one folder per class, as "
            f"{', '.join(sorted(_SUFFIXES))}."
        )
    return files


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _split(files: list[_File]) -> Split:
    """Return the parts that the folders say, or that the hashes of class and name do."""
    shares = hash_numbers((file.key for file in files), "folder") / 2.0**64
    given = np.array([file.part for file in files])
    late = shares >= 1 - _VALID_SHARE
    if not given[0]:
        train, test = shares < _TRAIN_SHARE, late
        valid = ~train & ~test
        how = "70 % train, 15 % validate, 15 % test, by the SHA-256 of 'folder/CLASS/FILE'"
    elif "valid" in given:
        train, valid, test = (given == part for part in ("train", "valid", "test"))
        how = "the folders train, valid and test"
    else:
        train, valid, test = (given == "train") & ~late, (given == "train") & late, given == "test"
        how = "the folders train and test; 15 % of train validate, by the SHA-256 of 'folder/CLASS/FILE'"
    return Split(np.flatnonzero(train), np.flatnonzero(valid), np.flatnonzero(test), how)


def _decoded(files: list[_File], size: int | None) -> NDArray[np.uint8]:
    """Return the images, `[n, 1 or 3, height, width]`; all headers are looked at before any is decoded."""
    with strict():
        headers = [_header(file.path) for file in files]
        width, height = (size, size) if size else headers[0][0]
        for file, (found, _) in zip(files, headers, strict=True):
            if not size and found != (width, height):
                raise NasbenchSuiteError(
                    f"{file.path} has {found[0]}x{found[1]} pixels and {files[0].path} {width}x{height}; "
                    "give a size, to which all are scaled."
                )
        channels = 1 if all(mode in _GREY for _, mode in headers) else 3
        shape = (len(files), channels, height, width)
        if np.prod(shape, dtype=np.float64) > _MOST_BYTES:
            raise NasbenchSuiteError(
                f"{len(files)} images of {width}x{height} pixels do not fit in memory; give a smaller size."
            )
        inputs = np.empty(shape, dtype=np.uint8)
        for number, file in enumerate(files):
            inputs[number] = _pixels(file.path, channels, size)
    return inputs


def _complaint(path: Path) -> str:
    kinds = ", ".join(_FORMATS)
    return (
        f"{shorten(str(path), 300)} is damaged or no image of the kinds {kinds}; store it again or remove it."
    )


def _header(path: Path) -> tuple[tuple[int, int], str]:
    """Return width and height, and the mode, of an image that can be read."""
    with opened(content_of(path, _MOST_FILE_BYTES), _FORMATS, lambda: _complaint(path)) as image:
        if image.mode not in _MODES or image.width * image.height > _MOST_PIXELS:
            raise ValueError("another mode, or huge")
        return image.size, image.mode


def _pixels(path: Path, channels: int, size: int | None) -> NDArray[np.uint8]:
    """Return one image, `[channels, height, width]`."""
    from PIL import Image

    with opened(content_of(path, _MOST_FILE_BYTES), _FORMATS, lambda: _complaint(path)) as image:
        plain = _plain(image, channels)
        if size:
            plain = plain.resize((size, size), Image.Resampling.BILINEAR)
        pixels: NDArray[np.uint8] = np.asarray(plain)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _plain(image: "Image", channels: int) -> "Image":
    if channels == 1:
        return image.convert("L")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # as Pillow asks for
    return image.convert("RGB")
