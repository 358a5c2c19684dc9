"""Pictures as Pillow opens them: the kind of pixels, the size, and whether the file is whole; no library needed.

What Pillow makes of a file was seen with Pillow 11.3.0, which the toolkit locks.
"""

from __future__ import annotations

import struct
import zlib

_PNG = b"\x89PNG\r\n\x1a\n"
# by colour type and bit depth; 16 bits are cut to 8 but for grey alone, grey with alpha of 16 bits becomes RGBA
_PNG_MODES = {(0, 1): "1", (0, 16): "I;16", (4, 8): "LA"}
_PNG_TYPES = {0: "L", 2: "RGB", 3: "P", 4: "RGBA", 6: "RGBA"}
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_NO_SIZE = {0xD8, 0x01, *range(0xD0, 0xD8)}  # markers that nothing follows
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class Still:
    """A picture's format (as in Pillow's class names), its mode, width and height in pixels."""

    def __init__(self, format: str, mode: str, width: int, height: int) -> None:  # noqa: A002  Pillow's word
        self.format = format
        self.mode = mode
        self.width = width
        self.height = height


def look(data: bytes) -> Still | None:
    """Read a PNG or a JPEG from its bytes, None for any other; OSError with Pillow's words where it is not whole."""
    try:
        if data.startswith(_PNG):
            return _png(data)
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
    except (struct.error, IndexError):
        raise OSError("Unable to load image: Truncated File Read") from None
    return None


def _png(data: bytes) -> Still:
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    packed, at = b"", 8
    while at + 8 <= len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        if name == b"IDAT":
            packed += data[at + 8 : at + 8 + size]
        at += size + 12
    try:
        pixels = len(zlib.decompressobj().decompress(packed))
    except zlib.error:
        raise OSError("Unable to load image: broken data stream when reading image file") from None
    row = 1 + (width * depth * _PNG_CHANNELS[kind] + 7) // 8
    # the end of the file may be missing, pixels may not; how many an interlaced picture has is not counted here
    if pixels < (1 if interlaced else row * height):
        raise OSError("Unable to load image: image file is truncated")
    return Still("Png", _PNG_MODES.get((kind, depth), _PNG_TYPES[kind]), width, height)


def _jpeg(data: bytes) -> Still:
    still, at = None, 2
    while still is None or data[at + 1] != 0xDA:
        marker = data[at + 1]
        if data[at] != 0xFF or marker in _NO_SIZE:
            at += 1 if data[at] != 0xFF else 2
            continue
        (size,) = struct.unpack(">H", data[at + 2 : at + 4])
        if marker in _FRAMES:
            height, width, channels = struct.unpack(">HHB", data[at + 5 : at + 10])
            still = Still("Jpeg", _JPEG_MODES.get(channels, "RGB"), width, height)
        at += 2 + size
    if b"\xff\xd9" not in data[at:]:
        # Pillow says how many bytes it has left, which depends on its buffer
        raise OSError("Unable to load image: image file is truncated")
    return still
