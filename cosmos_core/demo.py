"""A small clip to try things with: a moving pattern, made here, so that nothing has to be downloaded."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

from cosmos_core.private import make_folder

WIDTH, HEIGHT, FPS, SECONDS = 320, 180, 24, 2


def make_clip(path: Path, *, frames: int = FPS * SECONDS, width: int = WIDTH, height: int = HEIGHT) -> Path:
    """Write an H.264 mp4 of a street at night, about: a lit ball that rolls over a scrolling grid."""
    import av  # 100 ms

    make_folder(path.parent)
    partial = path.with_name(f".{path.name}.part")
    with av.open(str(partial), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "20"}
        for number in range(frames):
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane, rows in zip(frame.planes, _planes(number, frames, width, height), strict=True):
                padding = bytes(plane.line_size - plane.width)  # rows in memory may be longer than the picture
                plane.update(b"".join(row + padding for row in rows))
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return partial.replace(path)


def _planes(number: int, frames: int, width: int, height: int) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Rows of brightness and of the two colour differences, these at half the size."""
    time = number / frames
    cell = height // 6
    shift = int(time * cell * 4)
    dark = bytes(60 + (70 if (x + shift) // cell % 2 else 0) for x in range(width))
    light = bytes(60 + (0 if (x + shift) // cell % 2 else 70) for x in range(width))
    radius = height // 5
    centre_x = int(radius + time * (width - 2 * radius))
    centre_y = int(height * 0.6 - abs(math.sin(time * math.tau)) * height * 0.3)
    luma = []
    for y in range(height):
        row = bytearray(light if y // cell % 2 else dark)
        half = radius * radius - (y - centre_y) ** 2
        if half > 0:
            reach = int(math.sqrt(half))
            left, right = max(0, centre_x - reach), min(width, centre_x + reach)
            row[left:right] = bytes(min(235, 120 + 115 * (right - x) // (right - left)) for x in range(left, right))
        luma.append(bytes(row))
    columns, rows = (width + 1) // 2, (height + 1) // 2
    blue = [bytes([110 + 40 * y // rows]) * columns for y in range(rows)]
    red = [bytes(100 + 50 * x // columns for x in range(columns))] * rows
    return luma, blue, red
