"""Spec files of Transfer2.5: .json and .jsonl in, checked samples with all defaults out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from . import check
from .check import REQUIRED, Check, ValidationError

CONTROLS = ("edge", "depth", "vis", "seg")
NEGATIVE_PROMPT = (
    "The video captures a game playing, with bad crappy graphics and cartoonish frames. It represents a recording "
    "of old outdated games. The lighting looks very fake. The textures are very raw and basic. The geometries are "
    "very primitive. The images are very pixelated and of poor CG quality. There are many subtitles in the footage. "
    "Overall, the video is unrealistic at all."
)
_COUNT = check.above(check.whole, 0)
_PRESET = (check.one_of("very_low", "low", "medium", "high", "very_high"), "medium")
_CONTROL: dict[str, tuple[Check, Any]] = {
    "control_path": (check.optional(check.file), None),
    "control_weight": (check.at_least(check.at_most(check.number, 1), 0), 1.0),
    "mask_path": (check.optional(check.file), None),
    "mask_prompt": (check.optional(check.text), None),
}
_OWN: dict[str, dict[str, tuple[Check, Any]]] = {
    "edge": {"preset_edge_threshold": _PRESET},
    "depth": {},
    "vis": {"preset_blur_strength": _PRESET},
    "seg": {"control_prompt": (check.optional(check.text), None)},
}


def _control(key: str) -> tuple[Check, Any]:
    table = _CONTROL | _OWN[key]

    def control(value: Any, base: Path) -> dict[str, Any]:
        if not isinstance(value, dict):
            words = f"Input should be a valid dictionary or instance of {key.title()}Config"
            raise check.wrong(words, "model_type", value)
        return check.fields(value, base, table)

    return check.optional(control), None


# in the order in which the toolkit writes them
FIELDS: dict[str, tuple[Check, Any]] = {
    "name": (check.text, REQUIRED),
    "prompt_path": (check.optional(check.file), None),
    "prompt": (check.text, REQUIRED),
    "negative_prompt": (check.text, NEGATIVE_PROMPT),
    "seed": (check.whole, 2025),
    "guidance": (check.at_least(check.at_most(check.whole, 7), 0), 3),
    "video_path": (check.file, REQUIRED),
    "max_frames": (check.optional(_COUNT), None),
    "context_frame_index": (check.optional(_COUNT), None),
    "image_context_path": (check.optional(check.file), None),
    "num_conditional_frames": (check.one_of(0, 1, 2), 1),
    "resolution": (check.text, "720"),
    "sigma_max": (check.optional(check.text), None),
    "num_video_frames_per_chunk": (_COUNT, 93),
    "num_steps": (_COUNT, 35),
    "show_control_condition": (check.switch, False),
    "show_input": (check.switch, False),
    "keep_input_resolution": (check.switch, True),
    **{key: _control(key) for key in CONTROLS},
    "guided_generation_mask": (check.optional(check.file_or_folder), None),
    "guided_generation_step_threshold": (check.whole, 25),
    "guided_generation_foreground_labels": (check.optional(check.wholes), None),
}


class Sample:
    """One checked sample: the effective arguments, and short words for those often asked for."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.arguments = arguments
        self.name: str = arguments["name"]
        self.prompt: str = arguments["prompt"]
        self.video = Path(arguments["video_path"])
        self.controls: dict[str, dict[str, Any]] = {
            key: arguments[key] for key in CONTROLS if arguments[key] is not None
        }

    def json(self) -> str:
        """What the toolkit writes as {name}.json."""
        return json.dumps(self.arguments, ensure_ascii=False, separators=(",", ":"))


def check_sample(data: dict[str, Any], base: Path) -> Sample:
    """Check one sample as the toolkit does, relative paths against `base`; ValidationError if it does not pass."""
    if data.get("prompt") is None and data.get("prompt_path") is not None:
        # read before the fields are checked: a missing file ends in a bare FileNotFoundError, as there
        try:
            data = data | {"prompt": (base / data["prompt_path"]).read_text(encoding="utf-8").strip()}
        except ValueError as error:
            raise check.wrong(f"Value error, {error}", "value_error", data) from None
    extra = [
        ((key,), "Extra inputs are not permitted", "extra_forbidden", value)
        for key, value in data.items()
        if key not in FIELDS
    ]
    try:
        arguments = check.fields(data, base, FIELDS)
    except ValidationError as error:
        raise ValidationError(*error.errors, *extra) from None
    if extra:
        raise ValidationError(*extra)
    sample = Sample(arguments)
    if not sample.controls:
        words = "No controls provided, please provide at least one control key (edge, blur, depth, seg)"
        raise check.wrong(f"Value error, {words}", "value_error", data)
    if "vis" in sample.controls and arguments["image_context_path"] is not None:
        words = (
            "vis control and image_context_path are both used to transfer style. Using these modes together leads "
            "to conflicts. Please only provide one"
        )
        raise check.wrong(f"Value error, {words}", "value_error", data)
    return sample


def read_samples(files: list[Path], overrides: dict[str, Any]) -> list[Sample]:
    """All samples of all files in order, the overrides laid over each; SystemExit(1) after words on stderr.

    The first wrong sample ends it. What the toolkit does not catch is raised here too: ValueError for another
    suffix, JSONDecodeError, TypeError for a list, OSError for a file that cannot be read.
    """
    if not files:
        _refuse("Error: No inference parameter files")
    samples: list[Sample] = []
    for file in files:
        path = file.absolute()
        if path.suffix == ".json":
            rows = [json.loads(path.read_text(encoding="utf-8"))]
        elif path.suffix == ".jsonl":
            with path.open(encoding="utf-8") as lines:
                rows = [json.loads(line) for line in lines]
        else:
            raise ValueError(f"Unsupported file extension: {path.suffix}")
        for index, row in enumerate(rows):
            try:
                samples.append(check_sample(row | overrides, path.parent))
            except ValidationError as error:
                report = error.report("InferenceArguments")
                _refuse(f"Error validating parameters from '{path}' at line {index}\n{report}")
    if not samples:
        _refuse("Error: No inference samples")
    seen: set[str] = set()
    for sample in samples:
        if sample.name in seen:
            _refuse(f"Error: Inference samplename {sample.name} is not unique")
        seen.add(sample.name)
    return samples


def _refuse(words: str) -> NoReturn:
    print(words, file=sys.stderr)
    raise SystemExit(1)
