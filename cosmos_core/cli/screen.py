"""Putting data on the screen: JSON, tables that fit, times as people say them, a little colour."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from cosmos_core.amounts import size as size
from cosmos_core.amounts import span as span
from cosmos_core.cli.neutral import Screen, neutral, neutral_json, painted, styling, unstyled
from cosmos_core.cli.wrapping import lines_of, spaced
from cosmos_core.cli.wrapping import whole as whole

if TYPE_CHECKING:
    from cosmos_core.store.records import InputRecord, Queue
    from cosmos_core.values import Media

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
STATUS_STYLES = {
    "completed": "green",
    "failed": "red",
    "lost": "red",
    "cancelled": "yellow",
    "paused": "yellow",
    "running": "cyan",
}
_LEAST_ROOM = 20
SIMULATED = "simulated: a stand-in played the model, no GPU was used"


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    import json  # 2 ms, which the overview does not need

    readable = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(document, indent=2, ensure_ascii=not readable, allow_nan=False)
    say(neutral_json(text) if sys.stdout.isatty() else text)


def say(text: str, to: TextIO | None = None) -> None:
    """A line for a reader, on stdout if nothing else is said."""
    put(text + "\n", sys.stdout if to is None else to)


def put(text: str, to: TextIO) -> None:
    """Text as it is; on a terminal without what would steer it."""
    to.write(neutral(text) if to.isatty() and not isinstance(to, Screen) else text)


def styled(text: str, style: str, to: TextIO) -> str:
    """`text` in colour where `to` is a terminal and NO_COLOR is not set."""
    if style not in _CODES or os.environ.get("NO_COLOR") or not to.isatty():
        return text
    return f"{styling(_CODES[style])}{text}{styling('0')}"


def width_of(to: TextIO) -> int | None:
    """Columns of the terminal; None where `to` is not one."""
    if not to.isatty():
        return None
    import shutil  # for terminals only

    return shutil.get_terminal_size((80, 24)).columns


def wrapped(text: str, *, before: str, to: TextIO, style: str = "") -> str:
    """`text` after `before`, further lines below it, ended where a terminal's line ends; with its line end."""
    width = width_of(to)
    if width is None:
        return before + styled(spaced(text), style, to) + "\n"
    indent = " " * len(unstyled(before).rpartition("\n")[2])
    room = width - len(indent)
    if room < _LEAST_ROOM:  # beside so much there is no place: below it
        before, indent, room = f"{before.rstrip()}\n  ", "  ", max(width - 2, 1)
    lines = (styled(spaced(line), style, to) for line in lines_of(text, room))
    return before + f"\n{indent}".join(lines) + "\n"


def one_line(text: str) -> str:
    """Text without line breaks, tabs and other characters that would move the cursor."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


# -- times -----------------------------------------------------------------------------------------------------


def when(moment: datetime | None, now: datetime | None = None) -> str:
    """A moment in local time as people say it: `3 min ago`, `14:05`, `Nov 20 14:05`, `2025-11-20`."""
    if moment is None:
        return ""
    now = now or datetime.now(UTC)
    seconds = (now - moment).total_seconds()
    if 0 <= seconds < 60:
        return f"{int(seconds)} s ago"
    if 0 <= seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    local, today = moment.astimezone(), now.astimezone()
    if local.date() == today.date():
        return f"{local:%H:%M}"
    if local.year == today.year:
        return f"{local:%b} {local.day:2} {local:%H:%M}"
    return f"{local:%Y-%m-%d}"


def exactly(moment: datetime | None) -> str:
    """A moment in local time, to the second, with how long ago it was while that is telling."""
    if moment is None:
        return ""
    told = when(moment)
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}" + (f"  ({told})" if told.endswith("ago") else "")


def place_of(queue: Queue) -> str:
    """A place in the line for GPUs."""
    return "next for a GPU" if queue.ahead == 0 else f"number {queue.position} in the line for GPUs"


# -- tables ----------------------------------------------------------------------------------------------------

Row = Mapping[str, str]


def print_table(
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    flexible: str | None = None,
    styles: Mapping[str, Mapping[str, str]] | None = None,
    spare: Sequence[str] = (),
    keep: bool = False,
) -> Mapping[str, str]:
    """A table on stdout. On a terminal it fits: `flexible` is cut, nothing wraps; elsewhere all is there.

    `styles` colours cells: column -> text of the cell -> style. Where there is too little room, those of the columns
    `spare` that say the same in all of several rows are left out. Answers them with what they say. With `keep` no
    column is left out: then lines may be longer than the terminal's.
    """
    cells = [[one_line(row.get(column, "")) for column in columns] for row in rows]
    if not sys.stdout.isatty():
        _print_plain([[column.upper() for column in columns], *cells])
        return {}
    from rich.cells import cell_len  # for terminals only
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=painted(sys.stdout), highlight=False, markup=False, emoji=False)
    lengths = {c: max(len(c), *(cell_len(line[n]) for line in cells), 0) for n, c in enumerate(columns)}
    same: dict[str, str] = {}
    if sum(lengths.values()) + _GAP * (len(lengths) - 1) > console.width and len(cells) > 1:
        values = {column: {line[n] for line in cells} for n, column in enumerate(columns) if column in spare}
        same = {column: there.pop() for column, there in values.items() if len(there) == 1}
    lengths = {column: length for column, length in lengths.items() if column not in same}
    widths = _fitting(lengths, flexible, console.width)
    if keep and len(widths) < len(lengths):
        _print_plain([[column.upper() for column in columns], *cells])
        return {}
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for column, width in widths.items():
        table.add_column(column.upper(), width=width, no_wrap=True)
    for line in cells:
        told = (
            Text(cell, style=(styles or {}).get(column, {}).get(cell, ""), overflow="ellipsis", no_wrap=True)
            for column, cell in zip(columns, line, strict=True)
            if column in widths
        )
        table.add_row(*told)
    console.print(table)
    return same


_GAP, _NARROWEST = 2, 10


def _fitting(lengths: dict[str, int], flexible: str | None, room: int) -> dict[str, int]:
    """Widths of the columns that fit: `flexible` is narrowed first, then columns from the right are left out."""
    widths = dict(lengths)
    least = min(lengths[flexible], _NARROWEST) if flexible else 0

    def others() -> int:
        return sum(width + _GAP for column, width in widths.items() if column != flexible)

    for column in list(widths)[:0:-1]:
        if others() + least <= room:
            break
        if column != flexible:
            del widths[column]
    if flexible:
        widths[flexible] = max(least, min(lengths[flexible], room - others()))
    return widths


def _print_plain(lines: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        say("  ".join(cells).rstrip())


def print_facts(facts: Sequence[tuple[str, str]], *, indent: str = "") -> None:
    """Names and values below each other, those without a value left out."""
    width = max((len(name) for name, value in facts if value), default=0)
    for name, value in facts:
        if value:
            before = indent + styled(name.ljust(width), "dim", sys.stdout) + "  "
            put(wrapped(value, before=before, to=sys.stdout), sys.stdout)


def media_facts(media: Media | None, count: int | None) -> str:
    """What a file holds and how large it is, in brackets, as a fact; nothing where nothing is known."""
    words = []
    if media is not None and media.width and media.height:
        words.append(f"{media.width}x{media.height}")
    if media is not None and media.frames and media.frames > 1:
        words.append(f"{media.frames} frames")
    if media is not None and media.fps:
        words.append(f"{media.fps:g} fps")
    if count is not None:
        words.append(size(count))
    return f"  {whole('(' + ', '.join(words) + ')')}" if words else ""


def sequence_facts(item: InputRecord) -> str:
    """The image sequence that an input's video is made from: `depth: /shots/d.####.png, 1-240 ...`."""
    frames, media = item.frames, item.media
    if frames is None:
        raise AssertionError("asked of inputs that are made from one")
    size_of = f", {media.width}x{media.height}" if media and media.width else ""
    rate = f"{media.fps:.5g}" if media and media.fps else frames.rate
    how = "lossless" if frames.lossless else "high quality"
    what = f"{frames.pattern}, {frames.first}-{frames.last}{size_of}"
    return f"{item.slot}: {what}, at {rate} frames a second, H.264 ({how})"
