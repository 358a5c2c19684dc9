"""Whether a media file ends before it should, told by the lengths that its container states.

Decoders hide it: a cut JPEG gets a gray rest, a cut AVI, WebM or fragmented mp4 is simply shorter.
Formats: ISO/IEC 14496-12 (boxes), RFC 9559 (Matroska), Microsoft's RIFF, ITU-T T.81 (JPEG), PNG.
"""

from __future__ import annotations

import os
import re
from typing import BinaryIO

_BOX = re.compile(rb"[a-zA-Z0-9 \xa9_-]{4}")
_FIRST_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_OF_A_PICTURE = 256 << 20


def is_cut(file: BinaryIO, most_boxes: int = 200_000) -> bool:
    """Whether bytes are missing at the end. False where that cannot be told, or for no format of these.

    Of an mp4, only so many boxes are looked at.
    """
    file.seek(0)
    head = file.read(4096)
    size = file.seek(0, os.SEEK_END)
    if head[4:8] in _FIRST_BOXES:
        return _boxes(file, size, most_boxes)
    if head.startswith(_EBML):
        return _matroska(head, size)
    if head.startswith(b"RIFF"):
        length = int.from_bytes(head[4:8], "little")
        return 0 < length < 0xFFFFFFFF and 8 + length > size  # 0 or all ones: its writer never came back to it
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg(file)
    if head.startswith(_PNG):
        file.seek(max(size - (64 << 10), 0))  # some editors put their own things behind the end
        return b"IEND" not in file.read()
    return False


def _boxes(file: BinaryIO, size: int, most: int) -> bool:
    at = 0
    for _ in range(most):
        if at == size:
            return False
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return any(head)  # a few zeros behind the last box hurt nobody
        length = int.from_bytes(head[:4], "big")
        if not _BOX.fullmatch(head[4:8]) or length == 0:  # 0: up to the end, wherever that is
            return False
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:
            return False
        at += length
        if at > size:
            return True
    return False


def _matroska(head: bytes, size: int) -> bool:
    """Header element, then the segment, which states its length unless it was streamed."""
    length, width = _vint(head, 4)
    at = 4 + width + length
    if head[at : at + 4] != _SEGMENT:
        return False
    length, width = _vint(head, at + 4)
    unknown = (1 << 7 * width) - 1
    return width > 0 and length != unknown and at + 4 + width + length > size


def _vint(data: bytes, at: int) -> tuple[int, int]:
    """An EBML number and how many bytes it takes; (0, 0) where there is none."""
    if at >= len(data) or data[at] == 0:
        return 0, 0
    width = 9 - data[at].bit_length()
    return int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1), width


def _jpeg(file: BinaryIO) -> bool:
    """No end marker after the first scan began; one in a thumbnail within the header does not count."""
    file.seek(0)
    data = file.read(_MOST_OF_A_PICTURE)
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xFF:  # filling
            at += 1
            continue
        scan = data[at + 1] == 0xDA
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if scan:
            return len(data) < _MOST_OF_A_PICTURE and data.find(b"\xff\xd9", at) < 0
    return True
