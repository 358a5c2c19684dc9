"""What has to fit between the video and the files that go along with it: shape and rate."""

from __future__ import annotations

from collections.abc import Iterator

from cosmos_core import Input, Media, Problem, Request
from cosmos_transfer.transfer25.parameters import CONTROLS, Parameters
from cosmos_transfer.transfer25.reader_rules import at_rate, called, command

_SHAPES = {"16:9": 16 / 9, "4:3": 4 / 3, "1:1": 1.0, "3:4": 3 / 4, "9:16": 9 / 16}
_SAME_RATIO = 0.03
"""The model's own 1280x704 and 960x704 are 2.3 % off 16:9 and 4:3, and controls of an earlier run have that size."""
SAME_RATE = 0.01


def about_pairs(request: Request[Parameters]) -> Iterator[Problem]:
    """Each file beside the video."""
    video = request.one("video")
    if video is None or video.media is None:
        return
    for item in companions(request):
        if item.media is not None and item.media.kind in ("video", "image"):
            yield from _about_the_shape(video, video.media, item, item.media)
            yield from _about_the_rates(video, video.media, item, item.media)
            yield from _about_the_frames(request, video, item)


def companions(request: Request[Parameters]) -> list[Input]:
    """The files that are read frame by frame along with the video."""
    slots = (*CONTROLS, *(f"mask.{name}" for name in CONTROLS), "guided_generation_mask")
    return [item for slot in slots for item in request.all(slot)]


def stored_size(media: Media) -> tuple[int, int] | None:
    """Width and height as the toolkit reads them, which turns nothing."""
    if not media.width or not media.height:
        return None
    return (media.height, media.width) if media.rotation in (90, 270) else (media.width, media.height)


def shape_of(size: tuple[int, int]) -> str:
    """The nearest of the model's five shapes, chosen as `detect_aspect_ratio` does in NVIDIA's `inference/utils.py`."""
    ratio = size[0] / size[1]
    return min(_SHAPES, key=lambda name: (_SHAPES[name] - ratio) ** 2)


def _about_the_shape(video: Input, seen: Media, item: Input, media: Media) -> Iterator[Problem]:
    whole, own = stored_size(seen), stored_size(media)
    if whole is None or own is None:
        return
    sizes = f"{called(item)} is {own[0]}x{own[1]} and {called(video)} is {whole[0]}x{whole[1]}"
    size = f"{whole[0]}x{whole[1]}"
    scaled = f"stretch it: {command(item, f'-vf scale={whole[0]}:{whole[1]},setsar=1', size)}"
    if shape_of(whole) != shape_of(own) and item.slot != "guided_generation_mask":
        yield Problem(
            field=item.slot,
            message=f"{sizes}: the toolkit makes them {shape_of(own)} and {shape_of(whole)}, each by its own size, and "
            "stops as the two do not fit",
            hint=f"render it in {size}" if item.first_frame is not None else f"make it anew in {size}, or {scaled}",
            code="other_shape",
        )
    elif abs(own[0] * whole[1] / (own[1] * whole[0]) - 1) > _SAME_RATIO:
        yield Problem(
            field=item.slot,
            message=f"{sizes}: both are stretched to {shape_of(whole)}, and what belongs together may not lie together",
            hint=f"render it in {size}"
            if item.first_frame is not None
            else f"make it anew in {size}; or, if it shows the same part, {scaled}",
            code="other_ratio",
            severity="warning",
        )


def _about_the_rates(video: Input, seen: Media, item: Input, media: Media) -> Iterator[Problem]:
    if not seen.fps or not media.fps or abs(media.fps / seen.fps - 1) <= SAME_RATE:
        return
    if seen.frames == 1 or media.frames == 1:
        return
    yield Problem(
        field=item.slot,
        message=f"{called(item)} has {media.fps:.5g} frames a second and {called(video)} {seen.fps:.5g}: "
        "they are paired by position, so they run apart",
        hint=f"give it the same rate: {at_rate(item, seen.fps)}",
        code="other_rate",
        severity="warning",
    )


def _about_the_frames(request: Request[Parameters], video: Input, item: Input) -> Iterator[Problem]:
    """Of two image sequences: the toolkit pairs frames by position, whatever their numbers, and reads no more than the
    video has.
    """
    if video.first_frame is None or item.first_frame is None or not video.media or not item.media:
        return
    ranges = f"video has the frames {numbers(video)} and {item.slot} {numbers(item)}"
    late, slot = video.first_frame - item.first_frame, item.slot
    over = (item.media.frames or 0) - (video.media.frames or 0)
    if late:
        frames = f"{abs(late)} frame{'s' * (abs(late) > 1)}"
        yield Problem(
            field=slot,
            message=f"{ranges}: they are paired by position, so {slot} is {frames} {'late' if late > 0 else 'early'}",
            hint=f"put the frames of {slot if late > 0 else 'video'} from "
            f"{max(video.first_frame, item.first_frame)} on into a folder of their own, and give that",
            code="other_frames",
            severity="warning",
        )
    elif over > 0 and request.parameters.max_frames is None:
        yield Problem(
            field=slot,
            message=f"{ranges}: the last {over} of {slot} {'are' if over > 1 else 'is'} not used",
            hint="nothing to do, if video is to end there",
            code="other_frames",
            severity="warning",
        )


def numbers(item: Input) -> str:
    """Which frames an image sequence has: `1001-1090`; empty for anything else."""
    if item.first_frame is None or item.media is None or item.media.frames is None:
        return ""
    return f"{item.first_frame}-{item.first_frame + item.media.frames - 1}"
