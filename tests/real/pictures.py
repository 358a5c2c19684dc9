"""Small pictures to make sequences of."""

from __future__ import annotations

from pathlib import Path

import av

_CODECS = {".png": "png", ".jpg": "mjpeg", ".tif": "tiff", ".exr": "exr", ".webp": "libwebp"}


def rgb(number: int, width: int, height: int) -> bytes:
    """A pattern in colours that differs from number to number, and from pixel to pixel."""
    return bytes(
        (x * 7 + number * c * 13 + y * c) % 256 for y in range(height) for x in range(width) for c in (1, 2, 3)
    )


def write_picture(path: Path, number: int = 1, *, size: tuple[int, int] = (32, 16), pixel: str = "rgb24") -> Path:
    """A picture whose kind is its suffix's."""
    width, height = size
    frame = av.VideoFrame(width, height, "rgb24")
    plane, row = frame.planes[0], width * 3
    pattern = rgb(number, width, height)
    padding = bytes(plane.line_size - row)
    plane.update(b"".join(pattern[y * row : (y + 1) * row] + padding for y in range(height)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream(_CODECS[path.suffix], rate=1)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel
        container.mux(stream.encode(frame.reformat(format=pixel)))
        container.mux(stream.encode(None))
    return path


def write_sequence(folder: Path, *numbers: int, name: str = "d.%04d.png", size: tuple[int, int] = (32, 16)) -> Path:
    """Pictures of those numbers, or of 1, 2, 3 and 4."""
    for number in numbers or (1, 2, 3, 4):
        write_picture(folder / (name % number), number, size=size)
    return folder


def pixels_of(path: Path) -> list[bytes]:
    """Every frame of a file as rows of RGB, read as the toolkit's reader does."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plane = frame.reformat(format="rgb24").planes[0]
            data, row = bytes(plane), frame.width * 3
            found.append(b"".join(data[y * plane.line_size :][:row] for y in range(frame.height)))
    return found
