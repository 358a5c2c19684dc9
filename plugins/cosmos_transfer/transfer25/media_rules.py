"""What is wrong with the input files: names, kinds, lengths, rates.

`Input.media` is None while nobody has looked into the file, and then only its name is judged. Unknown slots,
and files that are unreadable or not of a kind that their slot takes, are the core's to refuse.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from cosmos_core import Input, Media, Problem, Request
from cosmos_transfer.transfer25.asked import controls_of, frames_read
from cosmos_transfer.transfer25.conversions import conversion
from cosmos_transfer.transfer25.pair_rules import SAME_RATE, companions, numbers
from cosmos_transfer.transfer25.parameters import (
    IMAGE_SUFFIXES,
    INPUTS,
    MAX_FRAMES_READ,
    VIDEO_SUFFIXES,
    Parameters,
)
from cosmos_transfer.transfer25.reader_rules import about_readers, at_rate, called, command, read_by_opencv

_SUFFIXES = {"video": VIDEO_SUFFIXES, "image": IMAGE_SUFFIXES}
_ANY_SUFFIX = (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES, ".npz")


def about_inputs(request: Request[Any]) -> Iterator[Problem]:
    """What each file's name and content tell by themselves."""
    declared = {slot.name for slot in INPUTS}
    for item in request.inputs:
        if item.slot in declared or item.slot.startswith("mask."):
            yield from _about_the_suffix(item)
        yield from about_readers(item)
        if item.media is not None and item.media.rotation and not _turned_for_words(request, item):
            yield _turned(item, item.media.rotation)
    video = request.one("video")
    if video is not None and video.media is not None:
        yield from _about_the_rate(video, video.media)
        if video.media.kind == "video" and video.media.sound:
            yield _silent(video)


def _turned_for_words(request: Request[Any], item: Input) -> bool:
    """Whether that is an error, which is told by itself."""
    return item.slot == "video" and request.parameters is not None and bool(read_by_opencv(controls_of(request)))


def _taken(slot: str) -> dict[str, tuple[str, ...]]:
    """The kinds of file that a slot takes, and the suffixes by which the toolkit knows each."""
    if slot == "guided_generation_mask":
        return {"video": (".mp4",), "tensor": (".npz",)}
    return dict(_SUFFIXES)


def _about_the_suffix(item: Input) -> Iterator[Problem]:
    takes = _taken(item.slot)
    if item.media is None:
        fitting = tuple(suffix for suffixes in takes.values() for suffix in suffixes)
    elif item.media.kind in takes:
        fitting = takes[item.media.kind]
    else:
        return
    suffix = PurePosixPath(item.name).suffix.lower()  # its link is made in lower case
    if suffix in fitting:
        return
    if not suffix:
        described = "has no suffix"
    elif item.media is not None and suffix in _ANY_SUFFIX:
        described = f"is called {suffix} and holds {item.media.kind}"
    else:
        described = f"is a {suffix} file"
    yield Problem(
        field=item.slot,
        message=f"{item.name} {described}; the toolkit goes by the suffix, and here by {', '.join(fitting)}",
        hint=conversion(item),
        code="suffix",
    )


def _about_the_rate(video: Input, media: Media) -> Iterator[Problem]:
    """The result has the nominal rate (imageio's `fps` is PyAV's `guessed_rate`), cut to a whole number."""
    rate = media.nominal_fps or media.fps
    if rate is None or media.kind != "video":
        return
    if int(rate) < 1:
        yield Problem(
            field="video",
            message=f"{called(video)} has {rate:g} frames a second; the toolkit cuts that to 0 and cannot write",
            hint="give the video a rate of at least 1: "
            + (f"`ffmpeg -r 24 -i {shlex.quote(video.name)} OUT`" if video.first_frame is None else "--input-fps 24"),
            code="fps_below_one",
        )
    elif media.fps and media.frames != 1 and abs(media.fps / rate - 1) > SAME_RATE:
        faster = int(rate) / media.fps
        yield Problem(
            field="video",
            message=f"{video.name} has a variable frame rate, {media.fps:.4g} a second on average; the result will "
            f"have {int(rate)}: it plays unevenly, {faster:.3g} times as fast",
            hint=f"make the rate constant: {command(video, f'-fps_mode cfr -r {round(rate)}', f'{round(rate)}fps')}",
            code="variable_rate",
            severity="warning",
        )
    elif rate != int(rate):
        yield Problem(
            field="video",
            message=f"{called(video)} has {rate:.5g} frames a second, and the result will have {int(rate)}: it plays a "
            "little slower",
            hint=f"give it a whole number: {at_rate(video, round(rate))}",
            code="fps_cut",
            severity="warning",
        )


def _silent(video: Input) -> Problem:
    name = shlex.quote(video.name)
    return Problem(
        field="video",
        message=f"{video.name} has sound, and the result has none",
        hint=f"put it back afterwards: `ffmpeg -i RESULT.mp4 -i {name} -map 0:v -map 1:a -c copy -shortest OUT.mp4`",
        code="sound_lost",
        severity="warning",
    )


def _turned(item: Input, rotation: int) -> Problem:
    return Problem(
        field=item.slot,
        message=f"{item.name} is stored turned by {rotation} degrees, and the toolkit reads it as stored",
        hint=f"write the rotation into the pictures first: {command(item, '', 'upright')}",
        code="rotation",
        severity="warning",
    )


def about_lengths(request: Request[Parameters]) -> Iterator[Problem]:
    """Whatever goes along with the video has to last as long as the part of it that is read."""
    video = request.one("video")
    if video is None or video.media is None:
        return
    there = video.media.frames
    if there is not None and there > MAX_FRAMES_READ and request.parameters.max_frames is None:
        yield Problem(
            field="video",
            message=f"{called(video)} has {there} frames, and the toolkit stops reading after {MAX_FRAMES_READ}",
            hint=f"say how many are wanted: --set max_frames={MAX_FRAMES_READ}",
            code="too_long",
        )
    wanted = frames_read(request)
    if wanted is None:
        return
    for item in companions(request):
        if wanted > MAX_FRAMES_READ and item.slot != "guided_generation_mask":
            yield Problem(
                field="max_frames",
                message=f"{wanted} frames are read from {called(video)}, and of {called(item)} {MAX_FRAMES_READ} "
                "only: the toolkit stops where they end",
                hint=f"--set max_frames={MAX_FRAMES_READ}",
                code="too_long",
            )
            continue
        if item.media is None or item.media.frames is None or item.media.frames >= wanted:
            continue
        if item.media.kind not in _taken(item.slot):
            continue  # said already
        yield Problem(
            field=item.slot,
            message=f"{_counted(item, item.media.frames)}, and {wanted} are read from {_numbered(video)}",
            hint=f"give one that is as long, or read less of the video: --set max_frames={item.media.frames}",
            code="too_short",
        )


def _counted(item: Input, count: int) -> str:
    return f"{_numbered(item)} has {count} frame{'s' * (count != 1)}"


def _numbered(item: Input) -> str:
    return f"{called(item)} ({numbers(item)})" if numbers(item) else called(item)
