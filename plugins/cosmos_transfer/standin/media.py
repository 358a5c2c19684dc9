"""What is written: with PyAV real video, without it copies that say in themselves that they are simulated."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from .picture import MARK, Picture, Watermark
from .reader import load_av

LABEL = f"{MARK}: no model made this; it was derived from the input"
_ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"preset": "veryfast", "crf": "23"}),
    ("libopenh264", {}),
    ("mpeg4", {"qscale": "4"}),
)
Change = Callable[[Picture], Picture]


def pictures(path: Path, width: int, height: int, limit: int) -> Iterator[Picture]:
    """`limit` pictures of a video or image, scaled to even width x height; black ones where it has fewer."""
    black = Picture(width, height, bytes([16]) * (width * height), *(bytes([128]) * (width * height // 4),) * 2)
    shown = 0
    with load_av().open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            if shown == limit:
                return
            small = frame.reformat(width=width, height=height, format="yuv420p")
            yield Picture(width, height, *(_tight(plane) for plane in small.planes))
            shown += 1
    yield from [black] * (limit - shown)


def _tight(plane: Any) -> bytes:
    raw, stride, width = bytes(plane), plane.line_size, plane.width
    if stride == width:
        return raw[: width * plane.height]
    return b"".join(raw[at : at + width] for at in range(0, stride * plane.height, stride))


def _frame(picture: Picture, pixels: str) -> Any:
    frame = load_av().VideoFrame(picture.width, picture.height, pixels)
    for plane, tight in zip(frame.planes, picture.planes, strict=True):
        stride, width = plane.line_size, plane.width
        if stride != width:
            pad = bytes(stride - width)
            tight = b"".join(tight[at : at + width] + pad for at in range(0, width * plane.height, width))
        plane.update(tight.ljust(plane.buffer_size, b"\0"))
    return frame


def write_video(path: Path, content: Iterable[Picture], fps: int) -> int:
    """Write marked pictures as mp4, under the final name only once complete; returns how many there were."""
    av = load_av()
    part = path.with_name(f".{path.name}.part")
    written = 0
    with av.open(str(part), "w", format="mp4") as container:
        container.metadata.update(title=f"{MARK} Cosmos-Transfer2.5 output", comment=LABEL)
        stream: Any = None
        mark: Watermark | None = None
        for picture in content:
            if mark is None:
                mark = Watermark(picture.width, picture.height)
                stream = _stream(av, container, picture, fps)
            frame = _frame(mark.on(picture), "yuv420p")
            frame.pts = written
            written += 1
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))
    part.replace(path)
    return written


def _stream(av: Any, container: Any, picture: Picture, fps: int) -> Any:
    name, options = next((name, options) for name, options in _ENCODERS if name in av.codecs_available)
    stream = container.add_stream(name, rate=fps, options=options)
    stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
    return stream


def write_still(path: Path, picture: Picture) -> None:
    """Write one marked picture as JPEG, with a comment that says it is simulated."""
    av = load_av()
    marked = Watermark(picture.width, picture.height).on(picture)
    coder = av.CodecContext.create("mjpeg", "w")
    coder.width, coder.height, coder.pix_fmt = marked.width, marked.height, "yuvj420p"
    coder.framerate = 1
    frame = _frame(marked, "yuvj420p")
    frame.pts = 0
    data = b"".join(bytes(packet) for packet in (*coder.encode(frame), *coder.encode(None)))
    _replace(path, _with_comment(data))


def _with_comment(jpeg: bytes) -> bytes:
    text = LABEL.encode()
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + jpeg[2:]


def copy(source: Path, path: Path) -> None:
    """Without PyAV: the source under another name, with a label in its container.

    A JPEG gets a comment, anything else a `free` box at its end, which players of mp4 pass over.
    """
    data = source.read_bytes()
    if data[:2] == b"\xff\xd8":
        _replace(path, _with_comment(data))
        return
    text = LABEL.encode()
    _replace(path, data + struct.pack(">I", len(text) + 8) + b"free" + text)


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)
