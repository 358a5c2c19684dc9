"""Media as the toolkit reads them: videos by imageio and PyAV, pictures by Pillow, arrays by NumPy.

What happens to a file was seen with the toolkit's own reading functions and the versions that it locks: imageio
2.37.0, PyAV 16.0.1, Pillow 11.3.0, NumPy 2.2.6, OpenCV 4.11.0, einops 0.8.1. Where something was read in its code
and not run, a comment says so.
"""

from __future__ import annotations

import ast
import importlib
import struct
import zipfile
from pathlib import Path
from typing import Any

from . import still

STILLS = (".png", ".jpg", ".jpeg")
_PICTURES = ("png", "jpg", "jpeg", "bmp", "gif")
_VIDEOS = ("mp4", "avi", "mov", "webm", "flv", "wmv")
_NO_RATE = 30.0  # what the toolkit takes where the reader cannot tell a rate


class EinopsError(RuntimeError):
    """Shown as that of einops."""

    __module__ = "einops"


class InvalidDataError(ValueError):
    """Shown as PyAV's."""

    __module__ = "av.error"


class UFuncTypeError(TypeError):
    """Shown as NumPy's."""

    __module__ = "numpy._core._exceptions"


class Clip:
    """What the toolkit holds of a file after reading: `frames` in all, of which `decoded` are pictures of the file.

    `fps` is the nominal rate, which the toolkit goes by; `channels` is 3, or 2 for grey with alpha. Without PyAV a
    video stays unknown (`known` is False): neither its frames nor its size are looked at.
    """

    def __init__(
        self,
        frames: int,
        width: int,
        height: int,
        *,
        fps: float = 1.0,
        average: float | None = None,
        decoded: int | None = None,
        codec: str = "",
        channels: int = 3,
        known: bool = True,
    ) -> None:
        self.frames = frames
        self.decoded = frames if decoded is None else decoded
        self.width = width
        self.height = height
        self.fps = fps
        self.average = average or fps  # frames by time, which differs where the rate varies
        self.codec = codec
        self.channels = channels
        self.known = known


def load_av() -> Any:
    """PyAV, or None where it is not installed; imported when first asked for."""
    try:
        return importlib.import_module("av")
    except ImportError:
        return None


def is_still(path: Path) -> bool:
    """Whether the toolkit takes the file for a picture: by the end of its name, in lower case only."""
    return str(path).endswith(STILLS)


def read(path: Path) -> Clip:
    """Read a video or a picture whole; raises what the toolkit's readers raise."""
    # the loader is chosen by the name in lower case, what is done with the result by the name as it is
    kind = str(path).split(".")[-1].lower()
    if kind in _PICTURES:
        return _picture(path)
    if kind not in _VIDEOS:
        raise TypeError(f"Unsupported format: {kind}")
    return _video(path)


def _picture(path: Path) -> Clip:
    found = still.look(path.read_bytes()) or _other_picture(path)
    if not is_still(path):
        # .PNG, .gif: unpacked as if a video had been read [read]
        raise TypeError(f"cannot unpack non-iterable {found.format}ImageFile object")
    if found.mode in ("1", "L", "P", "I;16"):
        # two dimensions: the fourth of the columns is taken for alpha, three columns are left
        raise EinopsError(
            ' Error while processing rearrange-reduction pattern "t h w c -> t c h w".\n'
            f" Input tensor shape: (1, {found.height}, 3). Additional info: {{}}.\n"
            " Wrong shape: expected 4 dims. Received 3-dim tensor."
        )
    return Clip(1, found.width, found.height, channels=2 if found.mode == "LA" else 3)


def _other_picture(path: Path) -> still.Still:
    """Pillow goes by the content: WebP, AVIF, BMP and TIFF under a .png work as well."""
    av = load_av()
    if av is None:
        raise OSError(f"stand-in: {path.name} is neither PNG nor JPEG; without PyAV other pictures cannot be read")
    try:
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            name = container.streams.video[0].codec_context.name
    except (av.FFmpegError, StopIteration, IndexError):
        words = f"cannot identify image file <_io.BytesIO object at {id(path):#x}>"
        raise OSError(f"Unable to load image: {words}") from None
    mode = "RGB" if len(frame.format.components) > 2 else "L"
    # Pillow keeps the palette of a GIF, where PyAV has colours
    return still.Still(name.title(), "P" if name == "gif" else mode, frame.width, frame.height)


def _video(path: Path) -> Clip:
    av = load_av()
    if av is None:
        return Clip(0, 0, 0, known=False)
    try:
        container = av.open(str(path))
    except av.FFmpegError:
        raise OSError("`pyav` can not handle the given uri.") from None
    with container:
        if not container.streams.video:
            raise OSError("An unknown error occurred while initializing plugin `pyav`.")
        stream = container.streams.video[0]
        # the toolkit decodes frames side by side; newer PyAV then loses the error of a file that was cut
        stream.thread_type = "SLICE"
        context = stream.codec_context
        header, size = stream.frames, (context.height, context.width, 3)
        decoded = 0
        try:
            for frame in container.decode(video=0):
                if decoded == 0 and not header:
                    size = (frame.height, frame.width, 3)
                _fits(decoded, header, (frame.height, frame.width, 3), size)
                decoded += 1
        except av.FFmpegError as error:
            raise InvalidDataError(str(error)) from None
        if not (header or decoded):
            raise ValueError("need at least one array to stack")
        rate = stream.guessed_rate
        fps = float(rate) if rate else _NO_RATE
        # an array of the header's length is filled: what an edit list hides is missing at its end
        frames, average = header or decoded, float(stream.average_rate or fps)
        return Clip(frames, size[1], size[0], fps=fps, average=average, decoded=decoded, codec=_codec(context))


def _codec(context: Any) -> str:
    name = str(context.name)
    return "av1" if "av1" in name or name == "libdav1d" else name


def _fits(index: int, header: int, size: tuple[int, ...], first: tuple[int, ...]) -> None:
    if header and index >= header:
        raise IndexError(f"index {index} is out of bounds for axis 0 with size {header}")
    if size != first:
        if not header:
            raise ValueError("all input arrays must have the same shape")
        raise ValueError(f"could not broadcast input array from shape {size} into shape {first}".replace(" ", ""))


def read_labels(path: Path, labels: list[int] | None) -> tuple[int, bool]:
    """How many frames a mask in an .npz file has, and whether it is one of switches (true and false).

    Raises what NumPy and the toolkit raise. Switches pass: they become a mask of 1/255.
    """
    kind, shape = _array(path)
    if labels is not None and not labels:
        raise AssertionError("foreground_labels must be provided and not empty")
    if kind == "O":
        raise ValueError("Object arrays cannot be loaded when allow_pickle=False")
    if kind not in "biuf":
        raise UFuncTypeError("ufunc 'greater' did not contain a loop with signature matching types")
    if len(shape) != 3:
        raise ValueError("axes don't match array")
    return shape[0], kind == "b"


def _array(path: Path) -> tuple[str, tuple[int, ...]]:
    data = path.read_bytes()[:6]
    if not data:
        raise EOFError("No data left in file")
    if not data.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY")):
        raise ValueError(
            "This file contains pickled (object) data. If you trust the file you can load it unsafely using the "
            "`allow_pickle=` keyword argument or `pickle.load()`."
        )
    missing = ValueError(f"Unknown video mask format: {path} npz file does not contain 'arr_0'")
    if data == b"\x93NUMPY":
        raise missing
    with zipfile.ZipFile(path) as archive:
        try:
            array = archive.open("arr_0.npy")
        except KeyError:
            raise missing from None
        with array:
            major = array.read(8)[6]
            long = major > 1
            (size,) = struct.unpack("<I" if long else "<H", array.read(4 if long else 2))
            header = ast.literal_eval(array.read(size).decode("latin-1"))
    return str(header["descr"])[1], tuple(header["shape"])
