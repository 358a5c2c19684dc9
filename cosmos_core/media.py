"""Looking into media files: what kind, what size, how many frames, and whether they can be read at all."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from attrs import frozen

from cosmos_core.values import Media

_BY_SUFFIX = {
    ".npy": "tensor",
    ".pt": "tensor",
    ".safetensors": "tensor",
    ".json": "json",
    ".jsonl": "json",
    ".yaml": "text",
    ".yml": "text",
    ".txt": "text",
    ".md": "text",
    ".csv": "text",
    ".log": "text",
}
_STILL_CODECS = frozenset({"png", "mjpeg", "webp", "bmp", "tiff", "jpegls", "jpeg2000", "exr", "ppm", "pgm"})


@frozen(kw_only=True)
class Probe:
    """What a look into a file showed; `why` says what is wrong where the kind is "unknown"."""

    media: Media
    why: str = ""


def probe(path: Path) -> Probe:
    """Look into a file. Frames are counted packet by packet, since headers lie and cut files keep theirs.

    Never raises for what is inside the file; OSError if it cannot be opened.
    """
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _probe_npz(path)
    if suffix in _BY_SUFFIX:
        return Probe(media=Media(kind=_BY_SUFFIX[suffix]))
    with path.open("rb") as file:
        if not file.read(1):
            return _unknown("the file is empty")
    return _probe_with_av(path)


def warm_up() -> None:
    """Load what `probe` needs, for those who have to wait for something else anyway."""
    import av  # noqa: F401


def _unknown(why: str) -> Probe:
    return Probe(media=Media(kind="unknown"), why=why)


def _probe_npz(path: Path | BinaryIO) -> Probe:
    """The length of the first array in an .npz, from its header: a zip of .npy files (numpy.lib.format)."""
    try:
        with zipfile.ZipFile(path) as archive:
            first = archive.namelist()[0]
            with archive.open(first) as array:
                head = array.read(4096)
    except (zipfile.BadZipFile, zlib.error, EOFError, IndexError, RuntimeError) as error:  # locked: RuntimeError
        return _unknown(f"it is not an .npz archive: {error}")
    shape = re.search(rb"'shape': \((\d+),", head)
    return Probe(media=Media(kind="tensor", frames=int(shape[1]) if shape else None))


def probe_header(file: BinaryIO, name: str) -> Probe:
    """Look into a file that is far away: its header and its first picture, no more of it than they take.

    The number of frames is what the header promises. Raises what `file` raises.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".npz":
        return _probe_npz(file)
    if suffix in _BY_SUFFIX:
        return Probe(media=Media(kind=_BY_SUFFIX[suffix]))
    return _probe_with_av(file, count=False)


def _probe_with_av(file: Path | BinaryIO, *, count: bool = True) -> Probe:
    import av  # 100 ms, and a remembered file needs no second look

    try:
        with av.open(str(file) if isinstance(file, Path) else file, "r") as container:
            if not container.streams.video:
                return _unknown("there is no picture in it")
            stream = container.streams.video[0]
            promised = stream.frames
            counted = 0
            first = None
            for packet in container.demux(stream):
                if packet.size and not packet.is_corrupt:
                    counted += 1
                if first is None:
                    first = next(iter(packet.decode()), None)
                elif promised and not count:
                    counted = promised
                    break
            if first is None:
                return _unknown("no frame of it can be decoded")
            if promised and counted < promised:
                return _unknown(f"it is cut off: {counted} of its {promised} frames are there")
            rotation = int(first.rotation) % 360
            width, height = first.width, first.height
            if rotation in (90, 270):
                width, height = height, width
            codec = stream.codec_context.name
            still = counted == 1 and codec in _STILL_CODECS
            return Probe(
                media=Media(
                    kind="image" if still else "video",
                    width=width,
                    height=height,
                    frames=counted,
                    fps=None if still or not stream.average_rate else float(stream.average_rate),
                    pixel=first.format.name,
                    codec=codec,
                    rotation=-rotation % 360,  # ffmpeg counts counterclockwise
                )
            )
    except (av.error.FFmpegError, ValueError) as error:
        return _unknown(_words(error))


def _words(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    if "Invalid data" in text or "End of file" in text:
        return "it is not a media file, or it is cut off"
    return text
