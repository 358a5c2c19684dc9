"""The spec as `InferenceArguments` reads it: an object for one request, JSON lines for several."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from cosmos_core import Bundle, Fetch, FileToWrite, Input, Job, Place, Request
from cosmos_transfer.transfer25.asked import Control, controls_of, makes_picture
from cosmos_transfer.transfer25.parameters import Parameters, Settings

_AS_THEY_ARE = (
    "negative_prompt",
    "seed",
    "guidance",
    "max_frames",
    "context_frame_index",
    "num_conditional_frames",
    "resolution",
    "num_video_frames_per_chunk",
    "num_steps",
    "show_control_condition",
    "show_input",
    "keep_input_resolution",
    "guided_generation_step_threshold",
)


def convert_inputs(job: Job[Parameters]) -> Bundle:
    """One `spec.json`, or `batch.jsonl` for several requests; input files under `inputs/` beside it."""
    specs = [_spec(request) for request in job.requests]
    if len(specs) == 1:
        file = FileToWrite(path="spec.json", content=_json(specs[0], indent=2))
    else:
        file = FileToWrite(path="batch.jsonl", content=b"".join(_json(spec) for spec in specs))
    return Bundle(
        files=(file,),
        places=tuple(
            Place(input=item, to=_place(request, item)) for request in job.requests for item in request.inputs
        ),
        fetch=(*(fetch for request in job.requests for fetch in _fetches(request)), *_LOGS),
        needs=_needs(job),
        batch_key=_batch_key(job.requests[0]),
    )


def _json(spec: dict[str, Any], indent: int | None = None) -> bytes:
    # All ASCII, so that no locale of an image can misread it and no separator within a text can end a line.
    return json.dumps(spec, indent=indent, allow_nan=False).encode("ascii") + b"\n"


def _place(request: Request[Parameters], item: Input) -> str:
    """Relative to the job's folder, which is the spec's, against which the toolkit resolves paths.

    The stem is unique over all jobs of a host: masks made from words go to `/tmp/<stem of the video>_...`.
    The suffix is in lower case, since the toolkit refuses `.MP4`. Ids hold no hyphen, so no two stems meet.
    """
    suffix = PurePosixPath(item.name).suffix.lower()
    return f"inputs/{request.id}-{item.slot.replace('.', '-')}{suffix}"


def _spec(request: Request[Parameters]) -> dict[str, Any]:
    """Every effective setting, defaults included; what is None stays out, which is the toolkit's own null."""
    parameters = request.parameters
    settings: dict[str, Any] = {name: getattr(parameters, name) for name in _AS_THEY_ARE}
    if parameters.sigma_max is not None:
        settings["sigma_max"] = _text_of(parameters.sigma_max)
    for slot, key in (("video", "video_path"), ("image_context", "image_context_path")):
        if item := request.one(slot):
            settings[key] = _place(request, item)
    if mask := request.one("guided_generation_mask"):
        settings["guided_generation_mask"] = _place(request, mask)
        settings["guided_generation_foreground_labels"] = parameters.guided_generation_foreground_labels
    for control in controls_of(request):
        settings[control.name] = _control(request, control)
    spec = {"name": request.id, "prompt": request.text, **settings}
    return {key: value for key, value in spec.items() if value is not None}


def _text_of(number: float) -> str:
    """`sigma_max` is a string in the JSON; a number there is refused."""
    return str(int(number)) if number == int(number) else repr(number)


def _control(request: Request[Parameters], control: Control) -> dict[str, Any]:
    parameters = request.parameters
    told: dict[str, Any] = {
        "control_path": control.file and _place(request, control.file),
        "control_weight": control.weight,
        "mask_path": control.mask and _place(request, control.mask),
        "mask_prompt": control.mask_prompt,
    }
    match control.name:
        case "edge":
            told["preset_edge_threshold"] = parameters.edge_threshold
        case "vis":
            told["preset_blur_strength"] = parameters.blur_strength
        case "seg":
            told["control_prompt"] = parameters.seg_prompt
    return {key: value for key, value in told.items() if value is not None}


def _fetches(request: Request[Parameters]) -> tuple[Fetch, ...]:
    """The files one request leaves behind; with a single frame all pictures are .jpg instead of .mp4."""
    picture = makes_picture(request)
    suffix = "jpg" if picture else "mp4"
    stem = request.id
    controls = controls_of(request)
    found = [
        Fetch(
            pattern=f"{stem}.{suffix}",
            role="result",
            name="image" if picture else "video",
            request=stem,
            required=True,
        )
    ]
    found += [
        Fetch(
            pattern=f"{stem}_control_{control.name}.{suffix}",
            role="control",
            name=f"control.{control.name}",
            request=stem,
        )
        for control in controls
    ]
    masks = [control.name for control in controls if control.mask_prompt is not None]
    masks += ["guided_generation"] if request.one("guided_generation_mask") else []
    # a mask keeps its own length: one frame is a .jpg, more are an .mp4, whatever the result is
    found += [
        Fetch(pattern=f"{stem}_mask_{mask}.*", role="control", name=f"mask.{mask}", request=stem) for mask in masks
    ]
    return (
        *found,
        Fetch(pattern=f"{stem}.txt", role="data", name="prompt", request=stem),
        Fetch(pattern=f"{stem}.json", role="data", name="arguments", request=stem),
    )


_LOGS = (
    Fetch(pattern="config.yaml", role="data", name="config"),
    Fetch(pattern="console.log", role="log", name="console"),
    Fetch(pattern="debug.log", role="log", name="debug"),
)


def _needs(job: Job[Parameters]) -> tuple[tuple[str, str], ...]:
    settings: Settings = job.site.settings or Settings()
    if settings.checkpoint_path is None:
        return ()
    return (
        (
            str(settings.checkpoint_path),
            "put the checkpoint there, or change checkpoint_path in the target's settings for this toolkit",
        ),
    )


def _batch_key(request: Request[Parameters]) -> str:
    """Requests may share a job when they use the very same controls and the same flags.

    In a mixed batch the toolkit zeroes weights of controls that a sample does use.
    """
    parameters = request.parameters
    flags = ("distilled", "disable_guardrails", "offload_guardrail_models")
    return "+".join(
        [
            *(control.name for control in controls_of(request)),
            *(flag for flag in flags if getattr(parameters, flag)),
        ]
    )
