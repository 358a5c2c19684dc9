"""NVIDIA's own spec files read back: single-view .json and .jsonl of Cosmos-Transfer2.5."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cosmos_core import Draft
from cosmos_transfer.transfer25.foreign import MEANT, what_else
from cosmos_transfer.transfer25.parameters import CONTROLS, NAME

_PLAIN_KEYS = (
    "negative_prompt",
    "seed",
    "guidance",
    "max_frames",
    "context_frame_index",
    "num_conditional_frames",
    "resolution",
    "sigma_max",
    "num_video_frames_per_chunk",
    "num_steps",
    "show_control_condition",
    "show_input",
    "keep_input_resolution",
    "guided_generation_step_threshold",
    "guided_generation_foreground_labels",
)
_FILE_KEYS = {
    "video_path": "video",
    "image_context_path": "image_context",
    "guided_generation_mask": "guided_generation_mask",
}
_KEYS = ("name", "prompt", "prompt_path", *_FILE_KEYS, *_PLAIN_KEYS, *CONTROLS)
_NULLABLE = ("max_frames", "context_frame_index", "sigma_max", "guided_generation_foreground_labels")

_CONTROL_KEYS = ("control_path", "control_weight", "mask_path", "mask_prompt")
_OWN_KEY = {
    "edge": ("preset_edge_threshold", "edge_threshold"),
    "vis": ("preset_blur_strength", "blur_strength"),
    "seg": ("control_prompt", "seg_prompt"),
}

_VIEWS = ("front_wide", "cross_right", "rear_right", "rear", "rear_left", "cross_left", "front_tele")
_KINDS_APART = (
    (("head_color", "hand_left", "hand_right"), "an Agibot multiview spec"),
    (("camera_sequence",), "a plenoptic spec"),
)
_MOST = 16 << 20  # of a prompt
_OLD_KEYS = ("output_dir", "control_weight", "not_keep_input_resolution")


def read_spec(path: Path) -> tuple[Draft, ...] | None:
    """What is asked in the file, a draft each; None if it is no spec of Transfer2.5.

    Raises ValueError, with all that is wrong in it, for one that plainly is and cannot be taken: another kind
    than single view, the format before version 1.2, keys that the toolkit would refuse or silently drop. So for
    one of NVIDIA's other toolkits, with what to do as a note. OSError if it cannot be read.
    """
    if path.suffix.lower() not in (".json", ".jsonl", ".yaml", ".yml"):
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return None
    if path.suffix.lower() in (".yaml", ".yml"):
        specs: list[tuple[str, Any]] = [(path.name, dict.fromkeys(re.findall(r"(?m)^(\w+)\s*:", text)))]
        if "video_path" in specs[0][1]:
            raise _refusal(f"{path.name} is YAML, which the toolkit does not read", "write it as .json or .jsonl")
    else:
        try:
            specs = list(_objects(path, text))
        except (json.JSONDecodeError, RecursionError):
            return None  # no toolkit's; what is the matter with it, the core says
    apart = any(isinstance(spec, dict) and _kind_apart(spec) for _, spec in specs)
    if not apart and (other := what_else([spec for _, spec in specs])):
        raise _refusal(f"{path.name} is {other[0]}, not one of Cosmos-Transfer2.5", other[1])
    if not any(_is_ours(spec) for _, spec in specs):
        return None
    wrong: list[str] = []
    drafts = [_draft(path, where, spec, wrong) for where, spec in specs]
    wrong += _same_names([(where, draft.name) for (where, _), draft in zip(specs, drafts, strict=True)])
    if wrong:
        raise ValueError("\n".join(wrong))
    return tuple(drafts)


def _objects(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    """Each JSON value of the file, and where it stands. Raises ValueError or RecursionError for what is no JSON."""
    lines = [(f"{path.name}, line {number}", line) for number, line in enumerate(text.split("\n"), 1)]
    if path.suffix.lower() == ".json":
        lines = [(path.name, text)]
    elif not lines[-1][1].strip():
        lines.pop()
    for where, line in lines:
        yield where, json.loads(line)


def _is_ours(spec: Any) -> bool:
    if isinstance(spec, list):
        return any(_is_ours(item) for item in spec)
    if not isinstance(spec, dict):
        return False
    if "video_path" in spec or _kind_apart(spec) is not None:
        return True
    return any(isinstance(spec.get(name), dict) for name in (*CONTROLS, "blur"))


def _kind_apart(spec: Mapping[str, Any]) -> str | None:
    """What else of Transfer2.5's the spec is; views without controls are Predict2.5's."""
    views = [spec[view] for view in _VIEWS if isinstance(spec.get(view), dict)]
    if any("control_path" in view for view in views):
        return "a multiview spec (examples/multiview.py)"
    return next((words for keys, words in _KINDS_APART if any(key in spec for key in keys)), None)


def _draft(path: Path, where: str, spec: Any, wrong: list[str]) -> Draft:
    if not isinstance(spec, dict):
        wrong.append(f"{where}: a spec is one object; write several as .jsonl, one object a line")
        return Draft()
    if other := _kind_apart(spec):
        wrong.append(f"{where} is {other}; of Cosmos-Transfer2.5 only single-view specs (`video_path`) are supported")
        return Draft()
    if old := [key for key in _OLD_KEYS if key in spec]:
        wrong.append(
            f"{where} is in the format before version 1.2 ({', '.join(old)} at the top): give it a `name`, "
            "move control_weight into each control, drop output_dir, and write paths relative to the file"
        )
        return Draft()
    wrong += _unknown(where, "", spec, _KEYS)
    inputs = [(slot, spec[key]) for key, slot in _FILE_KEYS.items() if spec.get(key) is not None]
    parameters = {key: _as_declared(spec[key]) for key in _PLAIN_KEYS if key in spec and not _says_nothing(spec, key)}
    weights: dict[str, Any] = {}
    mask_prompts: dict[str, Any] = {}
    for control in CONTROLS:
        told = spec.get(control)
        if told is None:
            continue
        if not isinstance(told, dict):
            wrong.append(f'{where}: {control} is an object such as {{}} or {{"control_weight": 1.0}}')
            continue
        own, ours = _OWN_KEY.get(control, ("", ""))
        wrong += _unknown(where, f"{control}.", told, (*_CONTROL_KEYS, *([own] if own else [])))
        weights[control] = told.get("control_weight", 1.0)
        if weights[control] is None:
            wrong.append(f"{where}: {control}.control_weight is null; give a number from 0 to 1, or leave it out")
        inputs += [
            (slot, told[key])
            for slot, key in ((control, "control_path"), (f"mask.{control}", "mask_path"))
            if told.get(key) is not None
        ]
        if told.get("mask_prompt") is not None:
            mask_prompts[control] = told["mask_prompt"]
        if own and told.get(own) is not None:
            parameters[ours] = told[own]
    wrong += [
        f"{where}: the path for {slot} is {name!r}, not a text" for slot, name in inputs if not isinstance(name, str)
    ]
    if weights:
        parameters["weights"] = weights
    if mask_prompts:
        parameters["mask_prompt"] = mask_prompts
    return Draft(
        text=_prompt(path, where, spec, wrong),
        name=str(spec.get("name") or ""),
        toolkit=NAME,
        inputs=tuple(inputs),
        parameters=parameters,
    )


def _says_nothing(spec: Mapping[str, Any], key: str) -> bool:
    """Null where the toolkit takes it for its default, and the guiding of a mask that is not there."""
    if spec[key] is None:
        return key in _NULLABLE
    return key == "guided_generation_step_threshold" and spec[key] == 25 and not spec.get("guided_generation_mask")


def _as_declared(value: Any) -> Any:
    """NVIDIA's reader takes 3.0 where it wants an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _unknown(where: str, stem: str, spec: Mapping[str, Any], known: Iterable[str]) -> Iterator[str]:
    """Within a control the toolkit drops unknown keys without a word; at the top it refuses them."""
    names = list(known)
    yield from (f"{where}: unknown key {stem}{key}{_meant(stem, key, names)}" for key in spec if key not in names)


def _meant(stem: str, key: str, known: list[str]) -> str:
    """What an unknown key was most likely to be: another word, another level, a slip."""
    meant = MEANT.get(key, key)
    if meant in known:
        return f"; did you mean {stem}{meant}?"
    if meant in _CONTROL_KEYS:
        return f"; {meant} belongs into a control: edge.{meant}"
    if homes := [name for name, (own, _) in _OWN_KEY.items() if own == meant]:
        return f"; did you mean {homes[0]}.{meant}?"
    if meant in _KEYS:
        return f"; {meant} belongs to the top of the spec"
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {stem}{near[0]}?" if near else ""


def _same_names(named: list[tuple[str, str]]) -> Iterator[str]:
    """The toolkit refuses a file with a name twice: both samples would write the same files."""
    first: dict[str, str] = {}
    for where, name in named:
        if name and name in first:
            yield f"{where}: the name {name!r} is taken by {first[name].rpartition(', ')[2]}; each needs its own"
        first.setdefault(name, where)


def _refusal(words: str, remedy: str) -> ValueError:
    error = ValueError(words)
    error.add_note(remedy)
    return error


def _prompt(path: Path, where: str, spec: Mapping[str, Any], wrong: list[str]) -> str:
    """The prompt, or the text of its file beside the spec; the toolkit strips that one."""
    prompt, file = spec.get("prompt"), spec.get("prompt_path")
    if isinstance(prompt, str):
        return prompt
    if prompt is not None or not isinstance(file, (str, type(None))):
        wrong.append(f"{where}: prompt and prompt_path are texts")
        return ""
    if file is None:
        wrong.append(f"{where}: there is neither prompt nor prompt_path")
        return ""
    if "\0" in file:
        wrong.append(f"{where}: there is a NUL character in prompt_path")
        return ""
    try:
        prompt_file = path.parent / file
        if prompt_file.exists() and (not prompt_file.is_file() or prompt_file.stat().st_size > _MOST):
            wrong.append(f"{where}: the prompt file {file} is no plain file of at most {_MOST >> 20} MiB")
            return ""
        return prompt_file.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError:
        wrong.append(f"{where}: the prompt file {file} is not UTF-8 text; save it as UTF-8")
    except OSError as error:
        wrong.append(
            f"{where}: the prompt file {file} cannot be read ({error.strerror}); paths are relative to the "
            "spec's folder"
        )
    return ""
