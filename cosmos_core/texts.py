"""Text files as people's programs save them: UTF-8, with or without a byte order mark."""

from __future__ import annotations

import codecs

_WIDE = (  # UTF-32 first: its mark begins with that of UTF-16
    ("UTF-32", (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)),
    ("UTF-16", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)),
)
_LOOK = 1000  # bytes


class NotUtf8(ValueError):  # noqa: N818  it says what the text is
    """What a text is instead, to be put after the name of its file; `hint` is what to do."""

    hint = "save it as UTF-8"


def decoded(data: bytes) -> str:
    """The text in a file's bytes, less a byte order mark. Raises NotUtf8."""
    for name, marks in _WIDE:
        if data.startswith(marks):
            raise NotUtf8(f"is {name}, not UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NotUtf8(f"is not UTF-8 text: line {line} holds the byte 0x{data[error.start]:02x}") from None
    head = text[:_LOOK]
    if "\0" in head and 2 * max(head[::2].count("\0"), head[1::2].count("\0")) > len(head) // 2:
        raise NotUtf8("is UTF-16, not UTF-8")  # without its mark, every other byte of Western text is zero
    return text
