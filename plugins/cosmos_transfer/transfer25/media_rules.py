"""What is wrong with the input files: names, kinds, lengths, rates.

`Input.media` is None while nobody has looked into the file, and then only its name is judged. Unknown slots,
and files that are unreadable or not of a kind that their slot takes, are the core's to refuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from cosmos_core import Input, Problem, Request
from cosmos_transfer.transfer25.asked import frames_read
from cosmos_transfer.transfer25.conversions import conversion
from cosmos_transfer.transfer25.parameters import (
    CONTROLS,
    IMAGE_SUFFIXES,
    INPUTS,
    MAX_FRAMES_READ,
    VIDEO_SUFFIXES,
    Parameters,
)

_SUFFIXES = {"video": VIDEO_SUFFIXES, "image": IMAGE_SUFFIXES}
_ANY_SUFFIX = (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES, ".npz")


def about_inputs(request: Request[Any]) -> Iterator[Problem]:
    """What each file's name and content tell by themselves."""
    declared = {slot.name for slot in INPUTS}
    for item in request.inputs:
        if item.slot in declared or item.slot.startswith("mask."):
            yield from _about_the_suffix(item)
        if item.media is not None and item.media.rotation:
            yield _turned(item, item.media.rotation)
    video = request.one("video")
    if video is not None and video.media is not None and video.media.fps is not None:
        yield from _about_the_rate(video, video.media.fps)


def _taken(slot: str) -> dict[str, tuple[str, ...]]:
    """The kinds of file that a slot takes, and the suffixes by which the toolkit knows each."""
    if slot == "guided_generation_mask":
        return {"video": (".mp4",), "tensor": (".npz",)}
    kinds = ("video", "image") if slot in ("video", "image_context") else ("video",)
    return {kind: _SUFFIXES[kind] for kind in kinds}


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


def _about_the_rate(video: Input, fps: float) -> Iterator[Problem]:
    if int(fps) < 1:
        yield Problem(
            field="video",
            message=f"{video.name} has {fps:g} frames a second; the toolkit cuts that to 0 and cannot write",
            hint="give the video a rate of at least 1: ffmpeg -r 24 -i IN OUT",
            code="fps_below_one",
        )
    elif fps != int(fps):
        yield Problem(
            field="video",
            message=f"{video.name} has {fps:.5g} frames a second, and the result will have "
            f"{int(fps)}: it plays a little slower",
            hint="set the rate of the result back afterwards, or convert the video to a whole number first",
            code="fps_cut",
            severity="warning",
        )


def _turned(item: Input, rotation: int) -> Problem:
    return Problem(
        field=item.slot,
        message=f"{item.name} is stored turned by {rotation} degrees, and the toolkit reads it as stored",
        hint="write the rotation into the pictures first: ffmpeg -i IN OUT",
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
            message=f"{video.name} has {there} frames, and the toolkit stops reading after {MAX_FRAMES_READ}",
            hint=f"say how many are wanted: --set max_frames={MAX_FRAMES_READ}",
            code="too_long",
        )
    wanted = frames_read(request)
    if wanted is None:
        return
    for item in _companions(request):
        if item.media is None or item.media.frames is None or item.media.frames >= wanted:
            continue
        if item.media.kind not in _taken(item.slot):
            continue  # said already
        yield Problem(
            field=item.slot,
            message=f"{item.name} has {item.media.frames} frames, and {wanted} are read from {video.name}",
            hint=f"give one that is as long, or read less of the video: --set max_frames={item.media.frames}",
            code="too_short",
        )


def _companions(request: Request[Parameters]) -> list[Input]:
    slots = (*CONTROLS, *(f"mask.{name}" for name in CONTROLS), "guided_generation_mask")
    return [item for slot in slots for item in request.all(slot)]
