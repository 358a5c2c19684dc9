"""What can be asked of Cosmos-Transfer2.5: inputs, parameters and the settings of an installation.

Names are NVIDIA's JSON keys where it has one. Defaults and ranges are those of `InferenceArguments` at 1.5;
ranges that its parser leaves open and that fail later are marked.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from attrs import frozen

from cosmos_core import InputSlot, parameter

NAME = "cosmos-transfer2.5"

CONTROLS = ("edge", "vis", "depth", "seg")
"""The order in which NVIDIA's multicontrol model keeps its four branches."""

PRESETS = ("very_low", "low", "medium", "high", "very_high")

RESOLUTIONS = ("256", "480", "480p", "512", "720", "720p", "720robocasa", "1024", "1080")
"""Not checked by NVIDIA's parser; any other is a KeyError once the model is loaded."""

MAX_FRAMES_READ = 5000
"""So many frames are read from a video when `max_frames` does not say."""

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".webm")
"""What the toolkit's reader opens. It lists .mkv too, and then fails on it."""

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")

NEGATIVE_PROMPT = (
    "The video captures a game playing, with bad crappy graphics and cartoonish frames. It represents a "
    "recording of old outdated games. The lighting looks very fake. The textures are very raw and basic. The "
    "geometries are "
    "very primitive. The images are very pixelated and of poor CG quality. There are many subtitles in the "
    "footage. Overall, the video is unrealistic at all."
)
"""NVIDIA's default."""


@frozen(kw_only=True)
class Weights:
    """How strongly each control holds. A control is used when it has a weight here or a control video."""

    edge: float | None = parameter(None, help="How closely outlines are kept; 1 if you only give a video.", ge=0, le=1)
    vis: float | None = parameter(
        None, help="How closely blurred colours and light are kept; 1 if you only give a video.", ge=0, le=1
    )
    depth: float | None = parameter(
        None, help="How closely distances are kept; 1 if you only give a video.", ge=0, le=1
    )
    seg: float | None = parameter(
        None, help="How closely object regions are kept; 1 if you only give a video.", ge=0, le=1
    )


@frozen(kw_only=True)
class MaskPrompts:
    """Words for what a control applies to, found by SAM2; a mask video for the same control wins."""

    edge: str | None = parameter(None, help="Things that the edge control applies to: `robot arm . cloth`.")
    vis: str | None = parameter(None, help="Things that the vis control applies to.")
    depth: str | None = parameter(None, help="Things that the depth control applies to.")
    seg: str | None = parameter(None, help="Things that the seg control applies to.")


@frozen(kw_only=True)
class Parameters:
    """The single-view settings: NVIDIA's JSON keys, and those of its flags that change what comes out."""

    weights: Weights = parameter(Weights(), help="Controls, and how closely each is followed.")
    num_steps: int = parameter(35, ge=1, help="Sampling steps; the distilled model needs 4.", unit="steps")
    guidance: int = parameter(3, ge=0, le=7, help="How closely the prompt is followed.")
    seed: int = parameter(2025, ge=0, help="Seed of the random numbers; `random` draws one.")
    negative_prompt: str = parameter(NEGATIVE_PROMPT, help="What the result should not look like.")
    resolution: str = parameter(
        "720", choices=RESOLUTIONS, help="Resolution the model works at; 720 is 1280x704 for 16:9."
    )
    sigma_max: float | None = parameter(
        None, ge=0, le=200, help="Starting noise. Taken and then ignored by version 1.5: it has no effect."
    )
    num_video_frames_per_chunk: int = parameter(
        93, ge=1, unit="frames", help="Frames made at a time: 93, or 1 for a picture."
    )
    num_conditional_frames: int = parameter(
        1, choices=(0, 1, 2), unit="frames", help="Frames that each chunk takes from the one before."
    )
    max_frames: int | None = parameter(None, ge=1, unit="frames", help="Read only so many frames; 1 for a picture.")
    context_frame_index: int | None = parameter(
        None, ge=1, unit="frame", help="Take the style from this frame of the video."
    )
    keep_input_resolution: bool = parameter(True, help="Resize the result to the size of the input video.")
    show_control_condition: bool = parameter(False, help="Put the control videos beside the result.")
    show_input: bool = parameter(False, help="Put the input video beside the result.")
    edge_threshold: str = parameter(
        "medium", choices=PRESETS, help="How strong an outline must be to count, where edge is computed."
    )
    blur_strength: str = parameter("medium", choices=PRESETS, help="How strongly vis blurs, where it is computed.")
    seg_prompt: str | None = parameter(
        None, help="Things that seg looks for, where it is computed; else the first 128 words of the prompt."
    )
    mask_prompt: MaskPrompts = parameter(MaskPrompts(), help="What each control applies to, in words.")
    guided_generation_step_threshold: int = parameter(
        25, ge=0, unit="steps", help="Keep the masked foreground up to this step."
    )
    guided_generation_foreground_labels: tuple[int, ...] | None = parameter(
        None, help="Labels of an .npz mask that are foreground."
    )
    distilled: bool = parameter(False, help="The fast distilled model: edge only, num_steps 4, up to 93 frames.")
    disable_guardrails: bool = parameter(False, help="Run without NVIDIA's safety checks.")
    offload_guardrail_models: bool = parameter(False, help="Keep the safety models off the GPU while idle.")


@frozen(kw_only=True)
class Settings:
    """What belongs to an installation rather than to a request."""

    checkpoint_path: PurePosixPath | None = parameter(
        None, help="A post-trained checkpoint on the host, instead of NVIDIA's; for runs with one control."
    )
    experiment: str | None = parameter(None, help="The experiment that checkpoint was trained with.")


_SEEN = ("video", "image")  # a picture goes with a picture

INPUTS = (
    InputSlot(
        name="video",
        kinds=("video", "image"),
        required=True,
        help="The video (or picture) to restyle.",
    ),
    InputSlot(
        name="edge",
        kinds=("video", "image"),
        lossless=True,
        help="Outlines of the video; computed if you only give a weight.",
    ),
    InputSlot(name="vis", kinds=_SEEN, help="The video, blurred; computed if you only give a weight."),
    InputSlot(
        name="depth",
        kinds=("video", "image"),
        lossless=True,
        help="Depth of the video; computed if you only give a weight.",
    ),
    InputSlot(
        name="seg",
        kinds=("video", "image"),
        lossless=True,
        help="Object regions, each in a colour; computed if you only give a weight.",
    ),
    InputSlot(
        name="mask.*",
        kinds=("video", "image"),
        lossless=True,
        help="A black and white video: this control applies where it is white.",
    ),
    InputSlot(name="image_context", kinds=("image", "video"), help="A picture whose style the result takes."),
    InputSlot(
        name="guided_generation_mask",
        kinds=("video", "tensor"),
        lossless=True,
        help="What stays as it is: a video (white = foreground) or an .npz of labels.",
    ),
)
