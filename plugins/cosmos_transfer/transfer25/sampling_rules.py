"""What is wrong with how a request is to be sampled: in which chunks, on how many GPUs, by which model.

All of it passes NVIDIA's parser, and fails or is ignored once the model is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import fields_dict

from cosmos_core import Problem, Request
from cosmos_transfer.transfer25.asked import Control, chunks_of, frames_read
from cosmos_transfer.transfer25.parameters import Parameters

CHUNK = 93
"""The only length of a chunk that the single-view models take, but for 1: their state has 24 latent frames."""

DISTILLED_FRAMES = 93
DISTILLED_STEPS = 4
_SEEDS = 2**64
"""Beyond it torch's generator refuses a seed, and only `sigma_max` hands it one as it is."""


def about_sampling(request: Request[Parameters], controls: tuple[Control, ...]) -> Iterator[Problem]:
    """Every problem with chunks, GPUs, the seed and the distilled model."""
    yield from _about_chunks(request)
    yield from _about_one_frame_left(request)
    yield from _about_a_picture_on_several_gpus(request)
    yield from _about_the_seed(request)
    if request.parameters.distilled:
        yield from _about_the_distilled_model(request, controls)
        yield from _about_what_distilled_ignores(request)


def _about_chunks(request: Request[Parameters]) -> Iterator[Problem]:
    size = request.parameters.num_video_frames_per_chunk
    frames = frames_read(request)
    if size not in (1, CHUNK):
        yield Problem(
            field="num_video_frames_per_chunk",
            message=f"the model makes {CHUNK} frames at a time, or 1 for a picture; with {size} the toolkit stops once "
            "it has loaded the model",
            hint=f"leave it out for a video ({CHUNK}), or set 1 for a picture",
            code="chunk_size",
        )
    elif size == 1 and frames is not None and frames > 1:
        yield Problem(
            field="num_video_frames_per_chunk",
            message=f"with 1 frame per chunk a single picture is made, and {frames} frames are read",
            hint=f"set max_frames=1 for a picture, or num_video_frames_per_chunk={CHUNK} for the video",
            code="picture_or_video",
        )
    elif size > 1 and frames == 1:
        yield _one_frame(request, size)


def _one_frame(request: Request[Parameters], size: int) -> Problem:
    video = request.one("video")
    if video and video.media and video.media.kind == "image" and "num_video_frames_per_chunk" not in request.given:
        return Problem(
            field="video",
            message=f"{video.name} is a single picture",
            hint="for a picture add --set num_video_frames_per_chunk=1; else give a video, or a folder of pictures",
            code="picture_or_video",
        )
    return Problem(
        field="num_video_frames_per_chunk",
        message=f"one frame is read for a chunk of {size}: that takes as long as {size} frames, and before "
        "release 1.5.2 the toolkit hangs",
        hint="set num_video_frames_per_chunk=1 for a picture",
        code="picture_or_video",
    )


def _about_one_frame_left(request: Request[Parameters]) -> Iterator[Problem]:
    """A short chunk is filled up by mirroring what there is but its last frame: of one frame, nothing.

    Up to v1.5.1 `_pad_input_frames` in NVIDIA's `inference_pipeline.py` then never ends. Which release a target has
    cannot be told: all from 1.5.0 to 1.5.4 call themselves 1.5.0.
    """
    size = request.parameters.num_video_frames_per_chunk
    overlap = request.parameters.num_conditional_frames
    frames = frames_read(request)
    if frames is not None and size == CHUNK < frames and overlap == 0 and frames % size == 1:
        yield Problem(
            field="num_conditional_frames",
            message=f"{frames} frames in chunks of {size} without overlap leave one frame for the last, and before "
            "release 1.5.2 the toolkit hangs on it",
            hint=f"set num_conditional_frames=1, or max_frames={frames - 1}",
            code="one_frame_left",
        )
    if frames is not None and frames == overlap > 1:
        yield _warning(
            "num_conditional_frames",
            f"the video has {frames} frames, and each chunk takes {overlap} from the one before: release 1.5.1 and "
            "older make no chunk at all of it, and stop",
            "set num_conditional_frames=1",
            "overlap_is_all",
        )


def _about_a_picture_on_several_gpus(request: Request[Parameters]) -> Iterator[Problem]:
    if request.gpus is not None and request.gpus > 1 and request.parameters.num_video_frames_per_chunk == 1:
        yield Problem(
            field="gpus",
            message=f"a picture is made on one GPU: the toolkit cannot split a single frame over {request.gpus}",
            hint="--gpus 1",
            code="picture_gpus",
        )


def _about_the_seed(request: Request[Parameters]) -> Iterator[Problem]:
    seed = request.parameters.seed
    if request.parameters.sigma_max is not None and seed >= _SEEDS:
        yield Problem(
            field="seed",
            message=f"with sigma_max the toolkit takes seeds below 2^64 only, and {seed} is beyond",
            hint="choose a smaller seed, or leave out sigma_max, which has no effect",
            code="seed_too_large",
        )


def _about_the_distilled_model(request: Request[Parameters], controls: tuple[Control, ...]) -> Iterator[Problem]:
    parameters = request.parameters
    others = [control.name for control in controls if control.name != "edge"]
    if others:
        yield Problem(
            field="distilled",
            message=f"the distilled model knows the edge control only, and {', '.join(others)} is used too",
            hint="use edge alone, or leave out distilled",
            code="distilled_edge_only",
        )
    if parameters.num_steps != DISTILLED_STEPS:
        yield Problem(
            field="num_steps",
            message=f"the distilled model is made for {DISTILLED_STEPS} steps, not {parameters.num_steps}",
            hint=f"--set num_steps={DISTILLED_STEPS}",
            code="distilled_steps",
        )
    if parameters.sigma_max is not None:
        yield Problem(
            field="sigma_max",
            message="the distilled model cannot start from noise of its own, and the toolkit stops",
            hint="leave it out",
            code="distilled_sigma",
        )
    frames = frames_read(request)
    if frames is not None and frames > DISTILLED_FRAMES:
        yield _warning(
            "distilled",
            f"the distilled model is made for {DISTILLED_FRAMES} frames, and {frames} are read in "
            f"{chunks_of(request)} chunks",
            f"--set max_frames={DISTILLED_FRAMES}",
            "distilled_frames",
        )


def _about_what_distilled_ignores(request: Request[Parameters]) -> Iterator[Problem]:
    names = [
        name
        for name in ("guidance", "negative_prompt")
        if getattr(request.parameters, name) != fields_dict(Parameters)[name].default
    ]
    if request.one("guided_generation_mask") is not None:
        names.append("guided_generation_mask")
    for name in names:
        yield _warning(
            name,
            "it has no effect: the distilled model ignores it",
            "leave it out, or leave out distilled",
            "distilled_ignores",
        )


def _warning(field: str, message: str, hint: str, code: str) -> Problem:
    return Problem(field=field, message=message, hint=hint, code=code, severity="warning")
