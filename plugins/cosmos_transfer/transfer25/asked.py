"""What a request means: which controls it uses and how many frames come of it."""

from __future__ import annotations

from attrs import frozen

from cosmos_core import Input, Request
from cosmos_transfer.transfer25.parameters import CONTROLS, MAX_FRAMES_READ, Parameters


@frozen(kw_only=True)
class Control:
    """One control that the request uses."""

    name: str
    weight: float
    file: Input | None  # None: the toolkit computes it from the video
    mask: Input | None
    mask_prompt: str | None


def controls_of(request: Request[Parameters]) -> tuple[Control, ...]:
    """The controls used: those with a weight (0 included) or a control video, which then weighs 1.

    A preset, a mask or words for an absent control do not bring it in: one more control switches NVIDIA's
    toolkit to another model, and nobody should get that by a side door.
    """
    masks = request.under("mask")
    used = []
    for name in CONTROLS:
        weight = getattr(request.parameters.weights, name)
        file = request.one(name)
        if weight is None and file is None:
            continue
        used.append(
            Control(
                name=name,
                weight=1.0 if weight is None else weight,
                file=file,
                mask=masks.get(name),
                mask_prompt=getattr(request.parameters.mask_prompt, name),
            )
        )
    return tuple(used)


def frames_read(request: Request[Parameters]) -> int | None:
    """How many frames of the video the toolkit reads; None while that is not known."""
    video = request.one("video")
    if video is None or video.media is None:
        return None
    limit = request.parameters.max_frames
    there = 1 if video.media.kind == "image" else video.media.frames
    if there is None:
        return 1 if limit == 1 else None
    return min(there, limit or MAX_FRAMES_READ)


def makes_picture(request: Request[Parameters]) -> bool:
    """Whether a single picture (.jpg) comes of it; everything else ends as .mp4."""
    return 1 in (
        request.parameters.num_video_frames_per_chunk,
        request.parameters.max_frames,
        frames_read(request),
    )


def chunks_of(request: Request[Parameters]) -> int | None:
    """How many chunks are sampled one after another; None while the frames are not known."""
    frames = frames_read(request)
    if frames is None:
        return None
    size = request.parameters.num_video_frames_per_chunk
    if frames <= size or size == 1:
        return 1
    step = max(size - request.parameters.num_conditional_frames, 1)
    return 1 + -(-(frames - size) // step)
