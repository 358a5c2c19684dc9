"""What is wrong with a request beyond types and ranges: everything that crosses fields.

NVIDIA's parser takes much of this and fails later, or ignores it. What the user sets reaches the model, or is
refused here, or (where the toolkit is known to ignore it) is warned about.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from attrs import fields_dict

from cosmos_core import Problem, Request
from cosmos_transfer.transfer25.asked import Control, controls_of
from cosmos_transfer.transfer25.media_rules import about_inputs, about_lengths
from cosmos_transfer.transfer25.pair_rules import about_pairs
from cosmos_transfer.transfer25.parameters import CONTROLS, Parameters, Settings
from cosmos_transfer.transfer25.reader_rules import about_opencv
from cosmos_transfer.transfer25.sampling_rules import about_sampling

SAFE_GPUS = (1, 2, 4, 8)
"""Others may not divide 24 latent frames and the picture's height: `Split by width dimension is not ...`."""

SEG_WORDS = 128
TOKENS = 512
OLDEST = (1, 5)


def validate_inputs(request: Request[Parameters]) -> list[Problem]:
    """Every problem that can be seen with what is known so far."""
    problems = [*_about_the_prompt(request), *about_inputs(request), *_about_the_place(request)]
    if request.parameters is not None:
        controls = controls_of(request)
        problems += _about_texts(request.parameters)
        problems += _about_controls(request, controls)
        problems += _about_what_seg_looks_for(request, controls)
        problems += _about_masks(request, controls)
        problems += _about_style(request, controls)
        problems += _about_guided_generation(request)
        problems += about_sampling(request, controls)
        problems += _about_settings(request, controls)
        problems += about_lengths(request)
        problems += about_pairs(request)
        problems += about_opencv(request, controls)
    return problems


def _was_set(request: Request[Parameters], name: str) -> bool:
    default = fields_dict(Parameters)[name].default
    return name in request.given or getattr(request.parameters, name) != default


def _warning(field: str, message: str, hint: str, code: str) -> Problem:
    return Problem(field=field, message=message, hint=hint, code=code, severity="warning")


# -- texts ---------------------------------------------------------------------------------------------------


def _about_the_prompt(request: Request[Any]) -> Iterator[Problem]:
    if not request.text.strip():
        yield Problem(
            field="text",
            message="there is no prompt",
            hint="say what the result should look like",
            code="prompt_empty",
        )
    yield from _about_text("text", request.text)
    yield from _about_the_length("text", request.text)


def _tokens(text: str) -> int:
    """About how many tokens the text encoder's tokenizer makes of it; an estimate, since its vocabulary is not here."""
    plain = sum(character.isascii() for character in text)
    return round(plain / 4.5 + (len(text) - plain) / 1.5)


def _about_the_length(field: str, text: str) -> Iterator[Problem]:
    if _tokens(text) > TOKENS:
        yield _warning(
            field,
            f"it has about {_tokens(text)} tokens by our estimate, and the toolkit drops what is beyond {TOKENS}",
            "shorten it, or put what matters first",
            "prompt_cut",
        )


def _about_texts(parameters: Parameters) -> Iterator[Problem]:
    yield from _about_text("negative_prompt", parameters.negative_prompt)
    yield from _about_the_length("negative_prompt", parameters.negative_prompt)
    if not parameters.negative_prompt:
        # its embedding is then never computed: an AssertionError, or in a batch that of the sample before
        yield Problem(
            field="negative_prompt",
            message="it is empty, and the toolkit fails on that",
            hint="say what the result should not look like, or leave it out for NVIDIA's own words",
            code="negative_prompt_empty",
        )
    yield from _about_text("seg_prompt", parameters.seg_prompt)
    if parameters.seg_prompt is not None and not parameters.seg_prompt.strip():
        yield _empty_words("seg_prompt")
    for name in CONTROLS:
        words = getattr(parameters.mask_prompt, name)
        yield from _about_text(f"mask_prompt.{name}", words)
        if words is not None and not words.strip():
            yield _empty_words(f"mask_prompt.{name}")


def _about_text(field: str, text: str | None) -> Iterator[Problem]:
    """Text that no file can carry: the toolkit writes the prompt to `<name>.txt` as UTF-8."""
    if text is None:
        return
    if "\0" in text:
        yield Problem(
            field=field,
            message="a NUL character is in the text",
            hint="take it out; it often comes from a file that is no text, or is UTF-16",
            code="text_unusable",
        )
    if any("\ud800" <= character <= "\udfff" for character in text):
        yield Problem(
            field=field,
            message="the text holds half of a character (a lone surrogate)",
            hint="give the text again as proper UTF-8",
            code="text_unusable",
        )


def _empty_words(field: str) -> Problem:
    return Problem(
        field=field,
        message="it is empty, so nothing would be found by it",
        hint="name the things to look for, separated by ` . `, or leave it out",
        code="words_empty",
    )


# -- controls ------------------------------------------------------------------------------------------------


def _about_controls(request: Request[Parameters], controls: tuple[Control, ...]) -> Iterator[Problem]:
    if not controls:
        yield Problem(
            field="weights",
            message="no control is used, and at least one has to hold the video",
            hint=f"set a weight, as in --set weights.edge=1, or give a control video (one of {', '.join(CONTROLS)})",
            code="no_control",
        )
    elif all(control.weight == 0 for control in controls):
        yield Problem(
            field="weights",
            message=f"every control used ({', '.join(control.name for control in controls)}) has weight 0, so nothing "
            "holds the video",
            hint=f"give one a weight above 0, as in --set weights.{controls[0].name}=1",
            code="weights_zero",
        )
        return
    for control in controls:
        if control.weight == 0:
            yield _warning(
                f"weights.{control.name}",
                f"with weight 0 the {control.name} control is loaded and then has no effect",
                "give it a weight above 0, or leave it out",
                "weight_zero",
            )
    used = {control.name: control for control in controls}
    yield from _about_preset(request, used, "edge", "edge_threshold")
    yield from _about_preset(request, used, "vis", "blur_strength")


def _about_preset(
    request: Request[Parameters], used: dict[str, Control], control: str, preset: str
) -> Iterator[Problem]:
    if not _was_set(request, preset):
        return
    if control not in used:
        yield _unused(preset, control)
    elif used[control].file is not None:
        yield _ignored_beside_a_file(preset, control)


def _unused(field: str, control: str) -> Problem:
    return Problem(
        field=field,
        message=f"it shapes the {control} control, which is not used here",
        hint=f"use that control, as in --set weights.{control}=1, or leave this out",
        code="control_unused",
    )


def _ignored_beside_a_file(field: str, control: str) -> Problem:
    return _warning(
        field,
        f"it has no effect: the {control} control is given as a video and is not computed",
        f"leave it out, or leave out the {control} video",
        "no_effect",
    )


def _about_what_seg_looks_for(request: Request[Parameters], controls: tuple[Control, ...]) -> Iterator[Problem]:
    seg = next((control for control in controls if control.name == "seg"), None)
    told = request.parameters.seg_prompt is not None
    if seg is None and told:
        yield _unused("seg_prompt", "seg")
    elif seg is not None and told and seg.file is not None:
        yield _ignored_beside_a_file("seg_prompt", "seg")
    elif seg is not None and not told and seg.file is None and len(request.text.split()) > SEG_WORDS:
        yield _warning(
            "seg_prompt",
            f"what seg looks for is taken from the first {SEG_WORDS} words of the prompt, which is longer",
            "name the things to look for, as in --set seg_prompt='car . road . tree'",
            "seg_prompt_cut",
        )


def _about_masks(request: Request[Parameters], controls: tuple[Control, ...]) -> Iterator[Problem]:
    used = {control.name: control for control in controls}
    for name in request.under("mask"):
        if name not in CONTROLS:
            near = difflib.get_close_matches(name, CONTROLS, n=1, cutoff=0.5)
            yield Problem(
                field=f"mask.{name}",
                message=f"there is no control {name!r} that a mask could be for",
                hint=f"did you mean mask.{near[0]}?" if near else f"the controls are {', '.join(CONTROLS)}",
                code="unknown_control",
            )
        elif name not in used:
            yield _unused(f"mask.{name}", name)
    for name in CONTROLS:
        if getattr(request.parameters.mask_prompt, name) is None:
            continue
        if name not in used:
            yield _unused(f"mask_prompt.{name}", name)
        elif used[name].mask is not None:
            yield _warning(
                f"mask_prompt.{name}",
                "it has no effect: the mask video for the same control wins",
                f"leave it out, or leave out mask.{name}",
                "no_effect",
            )
    masked = any(control.mask or control.mask_prompt is not None for control in controls)
    total = sum(control.weight for control in controls)
    if masked and total > 1:
        yield _warning(
            "weights",
            f"with a mask, weights that add up to more than 1 (here {total:g}) are scaled down to 1 where they meet",
            "choose weights that add up to 1 to know what each one does",
            "weights_normalised",
        )


# -- style, guidance, chunks ---------------------------------------------------------------------------------


def _about_style(request: Request[Parameters], controls: tuple[Control, ...]) -> Iterator[Problem]:
    image = request.one("image_context")
    index = request.parameters.context_frame_index
    video = request.one("video")
    frames = video.media.frames if video is not None and video.media is not None else None
    if image is not None and any(control.name == "vis" for control in controls):
        yield Problem(
            field="image_context",
            message="the vis control and a style picture both decide the colours, and the toolkit refuses the two",
            hint="leave out image_context, or the vis control",
            code="style_conflict",
        )
    if image is not None and index is not None:
        yield _warning(
            "image_context",
            "it has no effect: context_frame_index takes the style from the video itself",
            "leave out one of the two",
            "no_effect",
        )
    if index is not None and frames is not None and index >= frames:
        yield Problem(
            field="context_frame_index",
            message=f"there is no frame {index}: the video has {frames}, counted from 0",
            hint=f"choose one from 1 to {frames - 1}" if frames > 1 else "leave it out",
            code="frame_out_of_range",
        )


def _about_guided_generation(request: Request[Parameters]) -> Iterator[Problem]:
    mask = request.one("guided_generation_mask")
    if mask is None:
        for name in ("guided_generation_step_threshold", "guided_generation_foreground_labels"):
            if _was_set(request, name):
                yield Problem(
                    field=name,
                    message="there is no mask that it could apply to",
                    hint="give one with --input guided_generation_mask=FILE, or leave this out",
                    code="no_guided_mask",
                )
        return
    labels = request.parameters.guided_generation_foreground_labels
    if labels is not None and not mask.name.lower().endswith(".npz"):
        yield Problem(
            field="guided_generation_foreground_labels",
            message="labels choose among those of an .npz mask, and this mask is a video (white is foreground)",
            hint="leave the labels out, or give the mask as .npz",
            code="labels_need_npz",
        )
    if labels == ():
        yield Problem(
            field="guided_generation_foreground_labels",
            message="the list of labels is empty, so nothing would be foreground",
            hint="name at least one label, or leave it out",
            code="labels_empty",
        )


# -- the place ---------------------------------------------------------------------------------------------


def _about_settings(request: Request[Parameters], controls: tuple[Control, ...]) -> Iterator[Problem]:
    if request.parameters.sigma_max is not None:
        yield _warning(
            "sigma_max",
            "it has no effect: the toolkit takes it, and its sampler ignores it",
            "leave it out",
            "no_effect",
        )
    settings: Settings | None = request.site.settings if request.site else None
    if settings is not None and settings.checkpoint_path is not None and len(controls) > 1:
        yield Problem(
            field="weights",
            message=f"the target has a checkpoint of its own ({settings.checkpoint_path}), which holds one "
            f"control, and {len(controls)} are used",
            hint="use one control, or a target without checkpoint_path",
            code="checkpoint_one_control",
        )


def _about_the_place(request: Request[Any]) -> Iterator[Problem]:
    if request.gpus is not None and request.gpus not in SAFE_GPUS:
        yield Problem(
            field="gpus",
            message=f"the toolkit cannot split its work over {request.gpus} GPUs",
            hint=f"choose one of {', '.join(map(str, SAFE_GPUS))}",
            code="gpu_count",
        )
    if request.site is None:
        return
    version = _numbers(request.site.version)
    if version and version < OLDEST:
        yield _warning(
            "target",
            f"version {request.site.version} of the toolkit is there, and this was made for 1.5",
            "update the repository on the target; older versions refuse settings that they do not know",
            "toolkit_old",
        )


def _numbers(version: str | None) -> tuple[int, ...]:
    parts = (version or "").split(".")[:2]
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()
