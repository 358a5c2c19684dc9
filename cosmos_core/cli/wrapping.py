"""Where lines end on a terminal: between words. A path is never broken: who copies it from the screen has all of it."""

from __future__ import annotations

import re

_WORD = re.compile(r"([ \t]*)([^ \t]+)")
_KEPT = "\ufdd0"  # a space that is part of a name; Unicode has no such character, so no text means it


def whole(name: str) -> str:
    """A name or path whose spaces are no places to end a line at."""
    return name.replace(" ", _KEPT)


def spaced(text: str) -> str:
    """The same with its spaces, for the screen."""
    return text.replace(_KEPT, " ")


def lines_of(text: str, room: int) -> list[str]:
    """The lines of `text` with at most `room` characters, but for a single word that is longer."""
    return [line for paragraph in text.split("\n") for line in _filled(paragraph, room)]


def _filled(paragraph: str, room: int) -> list[str]:
    lines, line = [], ""
    for gap, word in _WORD.findall(paragraph):
        if line.strip() and len(line) + len(gap) + len(word) > room:
            lines.append(line)
            line = word
        else:
            line += gap + word
    return [*lines, line]
