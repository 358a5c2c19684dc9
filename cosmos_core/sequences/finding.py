"""Which files a folder or a pattern means: numbered pictures without a gap, all of one kind."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Many
from pathlib import Path, PurePosixPath
from typing import Literal, Self

from attrs import frozen

from cosmos_core.paths import expanded
from cosmos_core.values import Problem

_PICTURES = frozenset({".png", ".jpg", ".tif", ".bmp", ".webp", ".tga"})
_SCENE = frozenset({".exr", ".hdr", ".dpx", ".cin", ".pfm"})  # linear or logarithmic: no picture until it is graded
_VIDEOS = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".gif", ".m4v", ".mxf"})
_SAME = {".jpeg": ".jpg", ".tiff": ".tif"}
_NUMBER = re.compile(r"#+|%0?(\d*)d")
_SHOWN = 5  # names or numbers in a message


class BadSequence(Exception):  # noqa: N818  it becomes problems and goes no further
    """Pictures that cannot be used as a sequence, with all that is wrong; `field` is for the caller to fill in."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems

    @classmethod
    def of(cls, message: str, hint: str, code: str) -> Self:
        """One fault."""
        return cls(fault(message, hint, code))


class NoSequence(BadSequence):
    """There is nothing that could be a sequence, or more than one: something else may have been meant."""


def fault(message: str, hint: str, code: str, severity: Literal["error", "warning"] = "error") -> Problem:
    """One thing that is wrong with a sequence."""
    return Problem(field="", message=message, hint=hint, code=code, severity=severity)


@frozen(kw_only=True)
class Sequence:
    """Pictures in the order of their numbers, which have no gap."""

    folder: Path  # absolute
    pattern: str  # of the names: `d.####.png`
    first: int
    files: tuple[Path, ...]
    left_out: tuple[str, ...] = ()  # pictures beside them that do not belong to them

    @property
    def last(self) -> int:
        """The last number."""
        return self.first + len(self.files) - 1

    @property
    def path(self) -> str:
        """Folder and pattern: a REF that means these pictures."""
        return str(self.folder / self.pattern)

    @property
    def name(self) -> str:
        """A file name for the video: what the pictures are called, or else their folder."""
        words = _NUMBER.sub("", self.pattern.rpartition(".")[0]).strip(" ._-")
        return f"{words or self.folder.name or 'frames'}.mp4"


def is_pattern(ref: str) -> bool:
    """Whether a path stands for many pictures: `d.####.png`, `d.%04d.png`, `d.*.png`."""
    name = Path(ref).name
    return _kind(name) in _PICTURES | _SCENE and bool(_NUMBER.search(name) or "*" in name)


def holds_pictures(folder: Path) -> bool:
    """Whether there is any picture in a folder, as far as it can be seen."""
    try:
        return any(_kind(p.name) in _PICTURES | _SCENE and p.name[0] != "." for p in folder.iterdir())
    except OSError as error:
        return not isinstance(error, (FileNotFoundError, NotADirectoryError))


def find(ref: str) -> Sequence:
    """The pictures that a folder or a pattern means. Raises BadSequence with all that is wrong."""
    path = Path(os.path.abspath(expanded(ref)))  # noqa: PTH100  resolve() would rename links
    folder = path if path.is_dir() else path.parent
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    except OSError as error:
        raise NoSequence.of(f"{folder} cannot be read: {error.strerror}", "check the path", "unreadable") from None
    pictures = [name for name in names if _kind(name) in _PICTURES | _SCENE and (folder / name).is_file()]
    if folder == path:
        if not pictures:
            raise _no_pictures(ref, folder, names)
        return _the_one(ref, folder, list(_groups(pictures)))
    groups = list(_matching(path.name, pictures))
    if not groups:
        there = [_told(group) for group in _groups(pictures) if len(group.frames) > 1]
        hint = f"there: {some(there)}" if there else f"look into {folder}"
        raise NoSequence.of(f"no picture matches {ref}", hint, "no_such_file")
    return _the_one(ref, folder, groups)


@frozen(kw_only=True)
class _Frame:
    name: str
    digits: str  # "" where there is no number in the name

    @property
    def number(self) -> int:
        return int(self.digits or 0)


@frozen(kw_only=True)
class _Group:
    """Pictures whose names differ in one number only, in its order."""

    before: str  # the number
    after: str  # the number, up to the suffix
    frames: tuple[_Frame, ...]

    @property
    def pattern(self) -> str:
        widths = {len(frame.digits) for frame in self.frames}
        marks = "#" * (widths.pop() if len(widths) == 1 else 1)
        return f"{self.before}{marks}{self.after}{Path(self.frames[0].name).suffix}"


def _kind(name: str) -> str:
    suffix = Path(name).suffix.lower()
    return _SAME.get(suffix, suffix)


def _groups(names: Iterable[str]) -> Iterator[_Group]:
    """Pictures sorted by what their names have in common. The last number that differs is the frame's."""
    alike: dict[tuple[str, ...], list[list[str]]] = {}
    for name in names:
        parts = [*re.split(r"(\d+)", Path(name).stem), name]
        alike.setdefault(tuple(parts[:-1:2]), []).append(parts)
    for many in alike.values():
        places = range(len(many[0]) - 3, 0, -2)  # of the numbers, from the last
        at = next((i for i in places if len({int(parts[i]) for parts in many}) > 1), places[0] if places else None)
        apart: dict[tuple[str, str], list[_Frame]] = {}
        for *parts, name in many:
            around = ("".join(parts), "") if at is None else ("".join(parts[:at]), "".join(parts[at + 1 :]))
            apart.setdefault(around, []).append(_Frame(name=name, digits="" if at is None else parts[at]))
        for (before, after), frames in apart.items():
            yield from _by_kind(before, after, frames)


def _by_kind(before: str, after: str, frames: Many[_Frame]) -> Iterator[_Group]:
    """A picture of another kind within the numbers is a fault; the same numbers again are another sequence."""
    kinds: dict[str, list[_Frame]] = {}
    for frame in frames:
        kinds.setdefault(_kind(frame.name), []).append(frame)
    numbers = [{frame.number for frame in some} for some in kinds.values()]
    together = sum(map(len, numbers)) == len(set().union(*numbers))
    for some in [frames] if together else kinds.values():
        in_order = sorted(some, key=lambda frame: (frame.number, frame.name))
        yield _Group(before=before, after=after, frames=tuple(in_order))


def _matching(pattern: str, names: Iterable[str]) -> Iterator[_Group]:
    """The pictures that a pattern names; `####` and `%04d` say where the number is and how long."""
    marks = list(_NUMBER.finditer(pattern))
    if not marks:
        yield from _groups(name for name in names if re.fullmatch(_glob(pattern), name))
        return
    width = len(marks[-1][0]) if marks[-1][0].startswith("#") else int(marks[-1][1] or 1)
    digits = r"\d+" if width == 1 else rf"\d{{{width}}}|[1-9]\d{{{width},}}"
    before, after = _glob(pattern[: marks[-1].start()]), _glob(pattern[marks[-1].end() :])
    apart: dict[tuple[str, str], list[_Frame]] = {}
    for name in names:
        if match := re.fullmatch(f"({before})({digits})({after})", name):
            apart.setdefault((match[1], match[3]), []).append(_Frame(name=name, digits=match[2]))
    for (left, right), frames in apart.items():
        yield from _by_kind(left, right.rpartition(".")[0], frames)


def _glob(text: str) -> str:
    return re.escape(text).replace(r"\*", ".*")


def _the_one(ref: str, folder: Path, groups: Many[_Group]) -> Sequence:
    """The one sequence among groups, whole. Raises BadSequence."""
    several = [group for group in groups if len(group.frames) > 1]
    if not several:
        names = [frame.name for group in groups for frame in group.frames]
        if len(names) == 1:
            message, hint = f"{ref} holds one picture, which is no sequence", f"give the picture: {folder / names[0]}"
        else:
            message, hint = f"the pictures in {ref} are not numbered: {some(names)}", "call them d.0001.png and so on"
        raise NoSequence.of(message, hint, "not_a_sequence")
    if len(several) > 1:
        message = f"{ref} holds {len(several)} sequences: {some([_told(group) for group in several])}"
        hint = f"name one of them: {folder / several[0].pattern}"
        raise NoSequence.of(message, hint, "several_sequences")
    [group] = several
    if faults := list(_faults(group)):
        raise BadSequence(*faults)
    return Sequence(
        folder=folder,
        pattern=group.pattern,
        first=group.frames[0].number,
        files=tuple(folder / frame.name for frame in group.frames),
        left_out=tuple(frame.name for other in groups if other is not group for frame in other.frames),
    )


def _faults(group: _Group) -> Iterator[Problem]:
    yield from _about_kinds(group)
    numbers = [frame.number for frame in group.frames]
    for one, next_one in itertools.pairwise(group.frames):
        if one.number == next_one.number:
            message = f"frame {one.number} is there twice: {one.name} and {next_one.name}"
            yield fault(message, "remove one of them", "frame_twice")
    steps = [(before, after) for before, after in itertools.pairwise(numbers) if after - before > 1]
    widths = {after - before for before, after in itertools.pairwise(numbers)}
    if len(steps) > 1 and len(widths) == 1:
        step = widths.pop()
        message = f"{group.pattern} has one frame in {step}: {', '.join(map(str, numbers[:3]))} ... {numbers[-1]}"
        hint = f"render the others, or number these one after the other and give a rate {step} times lower"
        yield fault(message, hint, "frames_missing")
    elif steps:
        gaps = some([f"{a + 1}-{b - 1}" if b - a > 2 else str(a + 1) for a, b in steps])
        message = f"{group.pattern} goes from {numbers[0]} to {numbers[-1]}, and frames are missing: {gaps}"
        yield fault(message, "render them, or give the part that is whole in a folder of its own", "frames_missing")


def _about_kinds(group: _Group) -> Iterator[Problem]:
    kinds: dict[str, list[str]] = {}
    for frame in group.frames:
        kinds.setdefault(_kind(frame.name), []).append(frame.name)
    if len(kinds) > 1:
        most, *others = sorted(kinds, key=lambda kind: -len(kinds[kind]))
        odd = some([name for kind in others for name in kinds[kind]])
        message = f"{group.pattern} mixes kinds of pictures: {len(kinds[most])} are {most}, and not {odd}"
        yield fault(message, f"make all of them {most}", "mixed_kinds")
    if _SCENE & set(kinds):
        message = (
            f"{group.pattern} holds the light of a scene or film's values, and not pictures as a screen shows them"
        )
        yield fault(message, _graded(group), "not_a_picture")


def _graded(group: _Group) -> str:
    """How to make pictures of it; the option is one of ffmpeg's EXR decoder (`ffmpeg -h decoder=exr`)."""
    if _kind(group.frames[0].name) != ".exr":
        return "write it as 8-bit PNG with a view transform (sRGB)"
    first, name = printf_of(group.frames[0].name, group.frames[-1].name)
    png = PurePosixPath(name).with_suffix(".png")
    return (
        f"colours: `mkdir png && ffmpeg -apply_trc iec61966_2_1 -start_number {first} -i {name} -pix_fmt rgb24 "
        f"-start_number {first} png/{png}`; depth: render it as 8-bit PNG, scaled so that near is white"
    )


def _told(group: _Group) -> str:
    return f"{group.pattern} ({group.frames[0].number}-{group.frames[-1].number})"


def printf_of(first: str, last: str) -> tuple[int, str]:
    """The first number of a sequence and its names as ffmpeg takes them (`d.%04d.png`), from the first and last one."""
    parts, others = (re.split(r"(\d+)", name) for name in (first, last))
    told = [part.replace("%", "%%") for part in parts]
    places = range(len(parts) - 2, 0, -2)  # of the numbers, from the last
    if not places or len(others) != len(parts):
        return 0, "".join(told)
    at = next((i for i in places if parts[i] != others[i]), places[0])
    padded = parts[at][0] == "0" or len(parts[at]) == len(others[at])
    told[at] = f"%0{len(parts[at])}d" if padded else "%d"
    return int(parts[at]), "".join(told)


def some(names: Many[str]) -> str:
    """The first few of many names, and how many more."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _no_pictures(ref: str, folder: Path, names: Many[str]) -> NoSequence:
    folders = [name for name in names if (folder / name).is_dir()]
    videos = [name for name in names if _kind(name) in _VIDEOS]
    if not names:
        return NoSequence.of(f"{ref} is an empty folder", "name a file, or a folder with frames", "no_frames")
    if videos:
        hint = f"name the file in it: {folder / videos[0]}"
    elif folders:
        hint = f"name one of the folders in it: {some(folders)}"
    else:
        hint = f"pictures are {', '.join(sorted(_PICTURES))}"
    return NoSequence.of(f"there are no pictures in the folder {ref}, but {some(names)}", hint, "no_frames")
