"""Spec files of NVIDIA's other toolkits: which they are, by the keys of their own examples, and what to do.

Keys and examples: the READMEs and `assets/` of cosmos-transfer1, cosmos-predict2, cosmos-predict2.5,
cosmos-reason2 and cosmos-framework.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from cosmos_transfer.transfer25.parameters import CONTROLS

_ONLY_TRANSFER1 = ("keypoint", "upscale", "hdmap", "lidar")
_TRANSFER1_CONTROLS = (*CONTROLS, *_ONLY_TRANSFER1)
_NOT_IN_25 = (*_ONLY_TRANSFER1, "regional_prompts")
_SAME_NAME = ("guidance", "num_steps", "seed")
_ELSEWHERE = "transfer does not run it; `cosmos models` lists the models that are installed"

_MARKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("a Cosmos 3 spec", ("model_mode", "control_guidance", "num_first_chunk_conditional_frames", "vision_path")),
    ("a Cosmos-Predict2.5 spec", ("inference_type", "input_path", "num_output_frames", "input_root")),
    ("a Cosmos-Predict2 batch file", ("input_video", "output_video")),
    ("a Cosmos-Reason prompt file", ("user_prompt", "system_prompt")),
)
"""What only that toolkit's files have, the surest first."""


def what_else(specs: list[Any]) -> tuple[str, str] | None:
    """What the content of a file is that Transfer2.5 does not read, and what to do; None if nobody knows."""
    first = specs[0] if specs else None
    if isinstance(first, list):
        first = first[0] if first else None
    if not isinstance(first, Mapping) or "video_path" in first:
        return None
    for words, keys in _MARKS:
        if found := [key for key in keys if key in first]:
            return f"{words} ({', '.join(found[:2])})", _ELSEWHERE
    if "visual_input" in first:
        hint = "each line has settings of its own in Transfer2.5: name, prompt, video_path and the controls"
        return "a Cosmos-Transfer1 batch file (visual_input)", hint
    if marks := _marks_of_transfer1(first):
        return f"a Cosmos-Transfer1 spec ({', '.join(marks[:2])})", _as_transfer25(first)
    return None


def _marks_of_transfer1(spec: Mapping[str, Any]) -> list[str]:
    told = [spec[name] for name in _TRANSFER1_CONTROLS if isinstance(spec.get(name), Mapping)]
    if any("control_path" in control for control in told):
        return []
    marks = [key for key in ("input_video_path", *_NOT_IN_25) if key in spec]
    return marks + [key for key in ("input_control", "input_control_prompt") if any(key in control for control in told)]


def _as_transfer25(spec: Mapping[str, Any]) -> str:
    """The command that asks Transfer2.5 for the same, as far as it can be asked for it."""
    if lacking := [key for key in _NOT_IN_25 if key in spec]:
        return f"Transfer2.5 has no {' and no '.join(lacking)}: run it with Transfer1, or leave that out"
    controls = {name: control for name in CONTROLS if isinstance(control := spec.get(name), Mapping)}
    if any(str(control.get("control_weight")).endswith(".pt") for control in controls.values()):
        return "a .pt file of weights is Transfer1's alone: in Transfer2.5 a mask says where a control applies"
    words = ["cosmos", "run", "--model", "transfer", '"..."', *_video(spec)]
    for name, control in controls.items():
        words += _control(name, control)
    words += [word for key in _SAME_NAME if key in spec for word in (f"--{key.replace('_', '-')}", _word(spec[key]))]
    return f"the same of Transfer2.5, with the prompt in the quotes: `{' '.join(words)}`"


def _video(spec: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(video := spec.get("input_video_path"), str) and video:
        yield from ("--video", shlex.quote(video))
    else:
        yield from ("--video", "FILE")


def _control(name: str, control: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(file := control.get("input_control"), str):
        yield from (f"--{name}", shlex.quote(file))
    weight = control.get("control_weight", 0.5)  # Transfer1's default; it scales what is above 1 down itself
    yield from (f"--weights.{name}", _word(min(weight, 1.0) if isinstance(weight, (int, float)) else weight))
    if name == "seg" and isinstance(words := control.get("input_control_prompt"), str):
        yield from ("--seg-prompt", shlex.quote(words))


def _word(value: Any) -> str:
    return shlex.quote(value if isinstance(value, str) else json.dumps(value))


MEANT = {
    "blur": "vis",
    "text": "prompt",
    "video": "video_path",
    "input_video_path": "video_path",
    "input_path": "video_path",
    "steps": "num_steps",
    "cfg": "guidance",
    "guidance_scale": "guidance",
    "num_frames": "max_frames",
    "weight": "control_weight",
    "input_control": "control_path",
    "input_control_prompt": "control_prompt",
    "mask": "mask_path",
    "control_mask": "mask_path",
    "canny_threshold": "preset_edge_threshold",
    "edge_threshold": "preset_edge_threshold",
    "blur_strength": "preset_blur_strength",
    "seg_prompt": "control_prompt",
}
"""Other words for a key, from Transfer1, NVIDIA's documents and our own options."""
