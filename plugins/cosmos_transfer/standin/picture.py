"""Pictures as three planes of bytes, and what is done to them without any library: tints, outlines, the mark."""

from __future__ import annotations

MARK = "SIMULATED"
_WHITE, _BLACK = 235, 16
# 5 columns by 7 rows, one text row per string
_GLYPHS = {
    "S": (" ####", "#    ", "#    ", " ### ", "    #", "    #", "#### "),
    "I": ("#####", "  #  ", "  #  ", "  #  ", "  #  ", "  #  ", "#####"),
    "M": ("#   #", "## ##", "# # #", "# # #", "#   #", "#   #", "#   #"),
    "U": ("#   #", "#   #", "#   #", "#   #", "#   #", "#   #", " ### "),
    "L": ("#    ", "#    ", "#    ", "#    ", "#    ", "#    ", "#####"),
    "A": (" ### ", "#   #", "#   #", "#####", "#   #", "#   #", "#   #"),
    "T": ("#####", "  #  ", "  #  ", "  #  ", "  #  ", "  #  ", "  #  "),
    "E": ("#####", "#    ", "#    ", "#### ", "#    ", "#    ", "#####"),
    "D": ("#### ", "#   #", "#   #", "#   #", "#   #", "#   #", "#### "),
}
_KEEP = bytes(range(256))
_BANDS = bytes(value >> 4 for value in range(256))
_ANY = bytes([_BLACK]) + bytes([_WHITE]) * 255
_NEGATIVE = bytes(255 - value for value in range(256))
_HALVES = bytes(_WHITE if value >= 128 else _BLACK for value in range(256))
_STEPS = bytes((value & 0xC0) + 32 for value in range(256))
_FINE_STEPS = bytes((value & 0xF0) + 8 for value in range(256))


class Picture:
    """One picture in yuv420p: a plane of width x height bytes, two of half the width and height."""

    def __init__(self, width: int, height: int, y: bytes, u: bytes, v: bytes) -> None:
        self.width = width
        self.height = height
        self.planes = (y, u, v)

    def mapped(self, y: bytes, u: bytes, v: bytes) -> Picture:
        """Every byte of each plane through a table of 256."""
        planes = (plane.translate(table) for plane, table in zip(self.planes, (y, u, v), strict=True))
        return Picture(self.width, self.height, *planes)

    def grey(self, y: bytes) -> Picture:
        """The same size without colour, with another Y plane."""
        half = bytes([128]) * len(self.planes[1])
        return Picture(self.width, self.height, y, half, half)


def changed(picture: Picture, key: int) -> Picture:
    """Plainly not the input: fewer shades, and a tint that depends on the key (32 bits of seed and prompt)."""
    tables = []
    for shift in (key & 0xFF, key >> 8 & 0xFF):
        amount = 24 + shift % 40
        amount = amount if shift & 0x80 else -amount
        tables.append(bytes(max(16, min(240, value + amount)) for value in range(256)))
    return picture.mapped(_FINE_STEPS, *tables)


def derived(picture: Picture, control: str) -> Picture:
    """A cheap likeness of what the toolkit computes as a control: edge, depth, vis or seg."""
    y = picture.planes[0]
    if control == "edge":
        # neighbours in different bands of brightness: one exclusive or over the whole plane
        bands = int.from_bytes(y.translate(_BANDS), "big")
        return picture.grey((bands ^ bands >> 8).to_bytes(len(y), "big").translate(_ANY))
    if control == "depth":
        return picture.grey(y.translate(_NEGATIVE))
    if control == "seg":
        return picture.mapped(_STEPS, _STEPS, _STEPS)
    if control == "mask":
        return picture.grey(y.translate(_HALVES))
    return picture.mapped(_FINE_STEPS, _KEEP, _KEEP)


def beside(pictures: list[Picture]) -> Picture:
    """Pictures of one size, joined from left to right."""
    if len(pictures) == 1:
        return pictures[0]
    first = pictures[0]
    joined = []
    for index, plane in enumerate(first.planes):
        width = first.width if index == 0 else first.width // 2
        rows = range(0, len(plane), width)
        joined.append(b"".join(p.planes[index][row : row + width] for row in rows for p in pictures))
    return Picture(first.width * len(pictures), first.height, *joined)


class Watermark:
    """The word SIMULATED over four fifths of the width, white in a black box in the middle."""

    def __init__(self, width: int, height: int) -> None:
        columns = 6 * len(MARK) + 1
        scale = max(1, width * 4 // 5 // columns)
        self._width = min(width, columns * scale) & ~1
        texts = ["", *("".join(f" {_GLYPHS[letter][row]}" for letter in MARK) for row in range(7)), ""]
        rows = []
        for text in texts:
            dots = b"".join(bytes([_WHITE if dot == "#" else _BLACK]) * scale for dot in text.ljust(columns))
            rows += [dots[: self._width]] * scale
        self._rows = rows[: height & ~1]
        self._left = (width - self._width) // 2 & ~1
        self._top = (height - len(self._rows)) // 2 & ~1

    def on(self, picture: Picture) -> Picture:
        """The picture with the mark drawn into it."""
        y, u, v = (bytearray(plane) for plane in picture.planes)
        for index, row in enumerate(self._rows):
            at = (self._top + index) * picture.width + self._left
            y[at : at + self._width] = row
        grey = bytes([128]) * (self._width // 2)
        for index in range(len(self._rows) // 2):
            at = (self._top // 2 + index) * (picture.width // 2) + self._left // 2
            u[at : at + len(grey)] = grey
            v[at : at + len(grey)] = grey
        return Picture(picture.width, picture.height, bytes(y), bytes(u), bytes(v))
