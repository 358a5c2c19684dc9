"""Looking into media files: what kind, what size, how many frames come out, and whether they can be read at all."""

from __future__ import annotations

import ast
import re
import shlex
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from attrs import frozen

from cosmos_core.cut import is_cut
from cosmos_core.values import Media

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

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
_STILL_CODECS = frozenset(
    {"png", "apng", "mjpeg", "webp", "bmp", "tiff", "jpegls", "jpeg2000", "exr", "ppm", "pgm", "targa"}
)
_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1"})
_TRANSFERS = {16: "PQ", 18: "HLG"}  # ITU-T H.273, table 3

DECODED = 5000
"""So many frames are decoded to see whether they can be; those after them are only counted."""

_BOXES_FAR_AWAY = 64  # each may be a question over the network


@frozen(kw_only=True)
class Probe:
    """What a look into a file showed; where the kind is "unknown", `why` says what is wrong and `hint` what helps."""

    media: Media
    why: str = ""
    hint: str = "give a file that plays: mp4, png, jpg"


def probe(path: Path) -> Probe:
    """Look into a file. Frames are decoded and counted: headers lie, cut files keep theirs, packets may not decode.

    Never raises for what is inside the file; OSError if it cannot be opened.
    """
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _probe_npz(path)
    if suffix in _BY_SUFFIX:
        return Probe(media=Media(kind=_BY_SUFFIX[suffix]))
    with path.open("rb") as file:
        head = file.read(12)
        if not head:
            return _unknown("the file is empty")
        if head[4:8] == b"ftyp" and head[8:12] in _HEIF:
            hint = f"save it as PNG or JPEG: heif-convert {shlex.quote(path.name)} {_named(path.name, '', '.png')}"
            return _unknown("it is a HEIC picture, in tiles", hint)
        cut = is_cut(file)
    return _probe_with_av(path, path.name, cut=cut)


def outdated(media: Media) -> bool:
    """Whether it was seen by a version that looked at less, so that the file is worth another look."""
    if media.kind == "tensor":
        return media.frames is not None and media.array is None
    return media.kind in ("video", "image") and media.sound is None


def warm_up() -> None:
    """Load what `probe` needs, for those who have to wait for something else anyway."""
    import av  # noqa: F401


def _unknown(why: str, hint: str = "") -> Probe:
    return (
        Probe(media=Media(kind="unknown"), why=why, hint=hint) if hint else Probe(media=Media(kind="unknown"), why=why)
    )


def _named(name: str, mark: str, suffix: str = "") -> str:
    """What to call a copy of a file, quoted for a shell."""
    path = PurePosixPath(name)
    return shlex.quote(f"{path.stem}{mark}{suffix or path.suffix}")


def _probe_npz(path: Path | BinaryIO) -> Probe:
    """The array in an .npz, from its header: a zip of .npy files (numpy.lib.format). `arr_0` before others."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            first = "arr_0.npy" if "arr_0.npy" in names else names[0]
            with archive.open(first) as array:
                head = array.read(4096)
    except (zipfile.BadZipFile, zlib.error, EOFError, IndexError, RuntimeError) as error:  # locked: RuntimeError
        return _unknown(f"it is not an .npz archive: {error}")
    shape, dtype = _array(head)
    return Probe(
        media=Media(
            kind="tensor",
            frames=shape[0] if shape else None,
            array=first.removesuffix(".npy"),
            shape=shape,
            dtype=dtype,
        )
    )


def _array(head: bytes) -> tuple[tuple[int, ...] | None, str | None]:
    """Shape and element type of an array from the first bytes of an .npy file."""
    found = re.search(rb"\{.*?\}", head, re.DOTALL)
    try:
        told = ast.literal_eval(found[0].decode("latin-1")) if found else {}
        shape = tuple(int(length) for length in told["shape"])
    except (ValueError, SyntaxError, KeyError, TypeError):
        return None, None
    dtype = told.get("descr")
    return shape, dtype if isinstance(dtype, str) else None


def probe_header(file: BinaryIO, name: str) -> Probe:
    """Look into a file that is far away: its header and its first picture, no more of it than they take.

    The number of frames is what the header promises. Raises what `file` raises.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".npz":
        return _probe_npz(file)
    if suffix in _BY_SUFFIX:
        return Probe(media=Media(kind=_BY_SUFFIX[suffix]))
    cut = is_cut(file, _BOXES_FAR_AWAY)
    file.seek(0)
    return _probe_with_av(file, PurePosixPath(name).name, cut=cut, decoded=1)


def _probe_with_av(file: Path | BinaryIO, name: str, *, cut: bool, decoded: int = DECODED) -> Probe:
    import av  # 100 ms, and a remembered file needs no second look

    try:
        with av.open(str(file) if isinstance(file, Path) else file, "r") as container:
            if not container.streams.video:
                return _unknown("there is no picture in it")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            stream.codec_context.options = {"skip_loop_filter": "all"}  # nobody looks at the pictures
            seen = _look(container, stream, decoded)
            if cut:
                rest = f": {seen.frames} frames of it are there" if seen.frames > 1 else ""
                return _unknown(f"it is cut off{rest}", "copy or download it again")
            if seen.fault:
                copy = f"ffmpeg -i {shlex.quote(name)} {_named(name, '-mended')}"
                return _unknown(seen.fault, f"make a clean copy of what can be read of it: {copy}")
            if seen.first is None:
                return _unknown("no frame of it can be decoded")
            return Probe(media=_media(container, stream, seen.first, seen.frames))
    except (av.error.FFmpegError, ValueError) as error:
        return _unknown("it is cut off", "copy or download it again") if cut else _unknown(_words(error))


@frozen(kw_only=True)
class _Seen:
    """What came out of a decoder: frames, the first of them, and where it broke, in words."""

    frames: int
    first: VideoFrame | None
    fault: str = ""


def _look(container: InputContainer, stream: VideoStream, most: int) -> _Seen:
    """Decode up to `most` frames and count the rest; stop after the first where the header says how many there are."""
    import av

    first: VideoFrame | None = None
    decoded = packets = 0
    for packet in container.demux(stream):
        packets += bool(packet.size) and not packet.is_corrupt and not packet.is_discard
        if decoded >= most:
            if most == 1 and stream.frames:
                return _Seen(frames=stream.frames, first=first)
            continue
        try:
            for frame in packet.decode():
                decoded += 1
                first = first or frame
                if (frame.width, frame.height) != (first.width, first.height):
                    size = f"from {first.width}x{first.height} to {frame.width}x{frame.height}"
                    return _Seen(frames=decoded, first=first, fault=f"its size changes {size} at frame {decoded}")
        except av.error.InvalidDataError:
            return _Seen(frames=decoded, first=first, fault=f"it is damaged near frame {decoded + 1}")
    return _Seen(frames=packets if decoded >= most else decoded, first=first)


def _media(container: InputContainer, stream: VideoStream, first: VideoFrame, frames: int) -> Media:
    codec = stream.codec_context.codec.canonical_name
    still = frames == 1 and codec in _STILL_CODECS
    rotation = int(first.rotation) % 360
    width, height = first.width, first.height
    if rotation in (90, 270):
        width, height = height, width
    aspect = stream.sample_aspect_ratio
    return Media(
        kind="image" if still else "video",
        width=width,
        height=height,
        frames=frames,
        fps=None if still else _rate(stream.average_rate),
        pixel=first.format.name,
        codec=codec,
        rotation=-rotation % 360,  # ffmpeg counts counterclockwise
        nominal_fps=None if still else _rate(stream.guessed_rate),
        promised=None if still else stream.frames or None,
        sound=bool(container.streams.audio),
        hdr=_TRANSFERS.get(int(first.color_trc)),
        interlaced=bool(first.interlaced_frame),
        pixel_aspect=float(aspect) if aspect else 1.0,
    )


def _rate(rate: Any) -> float | None:
    return float(rate) if rate else None


def _words(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    if "Invalid data" in text or "End of file" in text:
        return "it is not a media file, or it is cut off"
    return text
