"""Small files of every kind that people hand in: videos, pictures and arrays, sound and broken, made by PyAV alone."""

from __future__ import annotations

import io
import math
import os
import random
import struct
import zipfile
from fractions import Fraction
from functools import cache
from typing import Any

import av

os.environ.setdefault("SVT_LOG", "0")  # or its AV1 encoder tells of itself


def give_way() -> None:
    """To be called after AV1 was written: SVT-AV1 makes root's process a real-time one, whose children starve all else.

    Seen with SVT-AV1 in PyAV 18: afterwards the scheduling policy is FIFO, which threads and children inherit.
    """
    if hasattr(os, "sched_setscheduler"):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


_QUARTER_TURN = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)


@cache
def video(
    frames: int = 6,
    width: int = 64,
    height: int = 48,
    *,
    rate: Fraction | int = 24,
    codec: str = "mpeg4",
    pixels: str = "yuv420p",
    container: str = "mp4",
    left_out: tuple[int, ...] = (),
    fragmented: bool = False,
    sound: bool = False,
    noise: bool = False,
    moved: bool = False,
) -> bytes:
    """A video, each frame of one shade, or of `noise`; frames that are `left_out` leave a gap in time.

    An mp4's header is `moved` to its front, so that a file that is cut off still has it.
    """
    buffer = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov"} if fragmented else {"moov_size": "20000"} if moved else {}
    with av.open(buffer, "w", format=container, options=options) as out:
        quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        stream: Any = out.add_stream(codec, rate=rate, options={"g": "5"} if fragmented else quiet)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        audio: Any = out.add_stream("aac", rate=8000) if sound else None
        dice = random.Random(0)
        for index in range(frames):
            if index in left_out:
                continue
            frame = av.VideoFrame(width, height, pixels)
            for plane in frame.planes:
                size = plane.buffer_size
                plane.update(dice.randbytes(size) if noise else bytes([60 + index * 7 % 120]) * size)
            frame.pts, frame.time_base = index, 1 / Fraction(rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if audio is not None:
            still = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            still.planes[0].update(bytes(still.planes[0].buffer_size))
            still.sample_rate, still.pts = 8000, 0
            out.mux(audio.encode(still))
            out.mux(audio.encode(None))
    give_way()
    return buffer.getvalue()


@cache
def picture(pixels: str = "rgb24", codec: str = "png", width: int = 64, height: int = 48) -> bytes:
    """One picture; its kind of pixels is that of the encoder: gray, pal8, monob, gray16be, ya8, rgba, yuvj420p."""
    coder: Any = av.CodecContext.create(codec, "w")
    coder.width, coder.height, coder.pix_fmt, coder.time_base = width, height, pixels, Fraction(1, 1)
    frame = av.VideoFrame(width, height, pixels)
    for plane in frame.planes:
        plane.update(bytes([90]) * plane.buffer_size)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*coder.encode(frame), *coder.encode(None)))


def array(shape: tuple[int, ...] = (6, 4, 4), kind: str = "|u1", name: str = "arr_0") -> bytes:
    """An .npz file that holds one array of zeros."""
    size = int(kind[2:]) * (4 if kind[1] == "U" else 1) * math.prod(shape)
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
        archive.writestr(f"{name}.npy", head + bytes(size))
    return buffer.getvalue()


def turned(mp4: bytes) -> bytes:
    """The same video with a note that players turn it by a quarter, as phones write it."""
    at = mp4.index(b"tkhd") + 44
    return mp4[:at] + _QUARTER_TURN + mp4[at + 36 :]


def trimmed(mp4: bytes, hidden: int = 2) -> bytes:
    """The same frames, of which an edit list hides the first ones: as a cut without re-encoding leaves it."""
    buffer = io.BytesIO()
    with av.open(io.BytesIO(mp4)) as source, av.open(buffer, "w", format="mp4") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size and packet.pts is not None and packet.dts is not None:
                shift = int(hidden / (stream.average_rate * stream.time_base))
                packet.pts -= shift
                packet.dts -= shift
                packet.stream = copy
                out.mux(packet)
    return buffer.getvalue()


def damaged(mp4: bytes) -> bytes:
    """Zeros in the middle third of the pictures, the header whole."""
    start = mp4.index(b"mdat") + 4
    (size,) = struct.unpack(">I", mp4[start - 8 : start - 4])
    third = (size - 8) // 3
    return mp4[: start + third] + bytes(third) + mp4[start + 2 * third :]


def cut(data: bytes, share: float = 0.5) -> bytes:
    """The first part of a file."""
    return data[: int(len(data) * share)]
