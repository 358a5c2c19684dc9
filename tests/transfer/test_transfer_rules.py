"""What is refused and what is warned about, one example for each rule beside one that is in order."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from transfer_requests import PICTURE, VIDEO, asked, given_input, valid_requests

from cosmos_core import Input, Media, Problem, Request, Site
from cosmos_core.models.declaration import wrong_info
from cosmos_transfer.plugin import transfer
from cosmos_transfer.transfer25 import validate_inputs
from cosmos_transfer.transfer25.parameters import INPUTS, MaskPrompts, Parameters, Settings, Weights


def video(**facts: Any) -> Media:
    return evolve(VIDEO, **facts)


def found(request: Request[Parameters]) -> list[tuple[str, str, str]]:
    return [(problem.field, problem.code, problem.severity) for problem in validate_inputs(request)]


def test_a_slot_takes_the_kinds_that_are_declared() -> None:
    for slot in INPUTS:
        name = slot.name.replace("*", "edge")
        for kind in ("video", "image", "tensor"):
            request = asked(Input(slot=name, name="a.txt", media=Media(kind=kind)))
            assert (kind in slot.kinds) == ((name, "suffix", "error") in found(request))


def errors(problems: list[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.severity == "error"]


def test_the_declaration_keeps_the_contract() -> None:
    assert wrong_info(transfer.describe()) == ""


def test_a_video_and_one_weight_are_enough() -> None:
    assert found(asked()) == []


@given(request=valid_requests())
def test_whatever_is_in_order_is_not_refused(request: Request[Parameters]) -> None:
    assert errors(validate_inputs(request)) == []


NO_WEIGHT = Weights()
DEPTH = Weights(depth=1.0)
CKPT = Settings(checkpoint_path="/data/model.pt")  # type: ignore[arg-type]

REFUSED = {
    "no prompt": (asked(text=" \n"), ("text", "prompt_empty")),
    "NUL in the prompt": (asked(text="a\0b"), ("text", "text_unusable")),
    "half a character": (asked(text="a\ud83d"), ("text", "text_unusable")),
    "no negative prompt": (asked(negative_prompt=""), ("negative_prompt", "negative_prompt_empty")),
    "NUL in other words": (asked(negative_prompt="a\0b"), ("negative_prompt", "text_unusable")),
    "NUL in mask words": (asked(mask_prompt=MaskPrompts(edge="a\0")), ("mask_prompt.edge", "text_unusable")),
    "empty mask words": (asked(mask_prompt=MaskPrompts(edge=" ")), ("mask_prompt.edge", "words_empty")),
    "empty seg words": (asked(weights=Weights(seg=1.0), seg_prompt=""), ("seg_prompt", "words_empty")),
    "no control": (asked(weights=NO_WEIGHT), ("weights", "no_control")),
    "threshold without edge": (
        asked(weights=DEPTH, edge_threshold="low"),
        ("edge_threshold", "control_unused"),
    ),
    "threshold as it is by itself, without edge": (
        asked(weights=DEPTH, edge_threshold="medium"),
        ("edge_threshold", "control_unused"),
    ),
    "blur without vis": (asked(blur_strength="low"), ("blur_strength", "control_unused")),
    "seg words without seg": (asked(seg_prompt="car"), ("seg_prompt", "control_unused")),
    "mask without its control": (asked(given_input("mask.seg")), ("mask.seg", "control_unused")),
    "mask words without their control": (
        asked(mask_prompt=MaskPrompts(seg="car")),
        ("mask_prompt.seg", "control_unused"),
    ),
    "mask for no control": (asked(given_input("mask.egde")), ("mask.egde", "unknown_control")),
    "style twice": (
        asked(Input(slot="image_context", name="s.png", media=PICTURE), weights=Weights(vis=1.0)),
        ("image_context", "style_conflict"),
    ),
    "frame past the end": (asked(context_frame_index=93), ("context_frame_index", "frame_out_of_range")),
    "guiding without a mask": (
        asked(guided_generation_step_threshold=10),
        ("guided_generation_step_threshold", "no_guided_mask"),
    ),
    "labels without a mask": (
        asked(guided_generation_foreground_labels=(1,)),
        ("guided_generation_foreground_labels", "no_guided_mask"),
    ),
    "labels of a video mask": (
        asked(given_input("guided_generation_mask"), guided_generation_foreground_labels=(1,)),
        ("guided_generation_foreground_labels", "labels_need_npz"),
    ),
    "no labels": (
        asked(
            given_input("guided_generation_mask", "m.npz", Media(kind="tensor")),
            guided_generation_foreground_labels=(),
        ),
        ("guided_generation_foreground_labels", "labels_empty"),
    ),
    "chunk of 92": (asked(num_video_frames_per_chunk=92), ("num_video_frames_per_chunk", "chunk_size")),
    "chunk of 29": (asked(num_video_frames_per_chunk=29), ("num_video_frames_per_chunk", "chunk_size")),
    "picture on two GPUs": (
        evolve(asked(given_input("video", "a.png", PICTURE), num_video_frames_per_chunk=1), gpus=2),
        ("gpus", "picture_gpus"),
    ),
    "picture of a video": (
        asked(num_video_frames_per_chunk=1),
        ("num_video_frames_per_chunk", "picture_or_video"),
    ),
    "chunk for a picture": (asked(given_input("video", "a.png", PICTURE)), ("video", "picture_or_video")),
    "chunk said for a picture": (
        asked(given_input("video", "a.png", PICTURE), num_video_frames_per_chunk=93),
        ("num_video_frames_per_chunk", "picture_or_video"),
    ),
    "one frame left for the last chunk": (
        asked(given_input("video", media=video(frames=187)), num_conditional_frames=0),
        ("num_conditional_frames", "one_frame_left"),
    ),
    "distilled depth": (
        asked(weights=DEPTH, distilled=True, num_steps=4),
        ("distilled", "distilled_edge_only"),
    ),
    "distilled in 35 steps": (asked(distilled=True), ("num_steps", "distilled_steps")),
    "three GPUs": (evolve(asked(), gpus=3), ("gpus", "gpu_count")),
    "own checkpoint for two controls": (
        evolve(
            asked(weights=Weights(edge=0.5, depth=0.5)), site=Site(target="t", toolkit="x", settings=CKPT)
        ),
        ("weights", "checkpoint_one_control"),
    ),
    "picture called mp4": (
        asked(given_input("video", "a.mp4", PICTURE), num_video_frames_per_chunk=1),
        ("video", "suffix"),
    ),
    "mkv": (asked(given_input("video", "a.mkv")), ("video", "suffix")),
    "mkv not looked into": (asked(given_input("video", "a.MKV", None)), ("video", "suffix")),
    "no suffix": (asked(given_input("edge", "edge")), ("edge", "suffix")),
    "guided mask as mov": (
        asked(given_input("guided_generation_mask", "m.mov")),
        ("guided_generation_mask", "suffix"),
    ),
    "less than a frame a second": (
        asked(given_input("video", media=video(fps=0.5))),
        ("video", "fps_below_one"),
    ),
    "5001 frames": (asked(given_input("video", media=video(frames=5001))), ("video", "too_long")),
    "short control": (asked(given_input("edge", media=video(frames=92))), ("edge", "too_short")),
    "short mask": (asked(given_input("mask.edge", media=video(frames=92))), ("mask.edge", "too_short")),
    "short labels": (
        asked(given_input("guided_generation_mask", "m.npz", Media(kind="tensor", frames=92))),
        ("guided_generation_mask", "too_short"),
    ),
    "short guided mask": (
        asked(given_input("guided_generation_mask", media=video(frames=92))),
        ("guided_generation_mask", "too_short"),
    ),
}  # fmt: skip

WARNED = {
    "weight 0": (asked(weights=Weights(edge=0.0, depth=1.0)), ("weights.edge", "weight_zero")),
    "threshold beside an edge video": (
        asked(given_input("edge"), edge_threshold="low"),
        ("edge_threshold", "no_effect"),
    ),
    "seg words beside a seg video": (
        asked(given_input("seg"), weights=NO_WEIGHT, seg_prompt="car"),
        ("seg_prompt", "no_effect"),
    ),
    "long prompt for seg": (
        asked(weights=Weights(seg=1.0), text="word " * 129),
        ("seg_prompt", "seg_prompt_cut"),
    ),
    "mask words beside a mask": (
        asked(given_input("mask.edge"), mask_prompt=MaskPrompts(edge="car")),
        ("mask_prompt.edge", "no_effect"),
    ),
    "weights above 1 with a mask": (
        asked(given_input("mask.edge"), weights=Weights(edge=0.8, depth=0.8)),
        ("weights", "weights_normalised"),
    ),
    "style picture and style frame": (
        asked(Input(slot="image_context", name="s.png", media=PICTURE), context_frame_index=2),
        ("image_context", "no_effect"),
    ),
    "sigma_max": (asked(sigma_max=80.0), ("sigma_max", "no_effect")),
    "distilled with a negative prompt": (
        asked(distilled=True, num_steps=4, negative_prompt="blurry"),
        ("negative_prompt", "distilled_ignores"),
    ),
    "distilled with guidance": (
        asked(distilled=True, num_steps=4, guidance=5),
        ("guidance", "distilled_ignores"),
    ),
    "distilled with a guided mask": (
        asked(given_input("guided_generation_mask"), distilled=True, num_steps=4),
        ("guided_generation_mask", "distilled_ignores"),
    ),
    "distilled at length": (
        asked(given_input("video", media=video(frames=94)), distilled=True, num_steps=4),
        ("distilled", "distilled_frames"),
    ),
    "29.97": (asked(given_input("video", media=video(fps=30000 / 1001))), ("video", "fps_cut")),
    "turned": (asked(given_input("video", media=video(rotation=90))), ("video", "rotation")),
    "turned control": (asked(given_input("edge", media=video(rotation=180))), ("edge", "rotation")),
    "old toolkit": (
        evolve(asked(), site=Site(target="t", toolkit="x", version="1.4.2")),
        ("target", "toolkit_old"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name: str) -> None:
    request, (field, code) = REFUSED[name]
    assert found(request) == [(field, code, "error")]


@pytest.mark.parametrize("name", WARNED)
def test_warns(name: str) -> None:
    request, (field, code) = WARNED[name]
    assert found(request) == [(field, code, "warning")]


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(asked(given_input("video", "A.MP4")), id="upper case: the link is made in lower case"),
        pytest.param(asked(given_input("edge"), weights=NO_WEIGHT), id="a control video is a control"),
        pytest.param(asked(given_input("edge", media=video(frames=99))), id="longer control is cut"),
        pytest.param(
            asked(given_input("edge", media=video(frames=10)), max_frames=10), id="control as long as is read"
        ),
        pytest.param(asked(given_input("video", media=video(frames=9000)), max_frames=6000), id="length said aloud"),
        pytest.param(
            asked(given_input("video", "a.jpg", PICTURE), num_video_frames_per_chunk=1),
            id="picture to picture",
        ),
        pytest.param(asked(max_frames=1, num_video_frames_per_chunk=1), id="picture of a video's first frame"),
        pytest.param(
            asked(given_input("video", media=None), given_input("edge", media=video(frames=1))),
            id="nobody looked into the video yet",
        ),
        pytest.param(asked(weights=Weights(edge=1.0, depth=1.0)), id="weights above 1 without a mask"),
        pytest.param(
            evolve(asked(), site=Site(target="t", toolkit="x", version="1.5.0", settings=CKPT)),
            id="own checkpoint for one control",
        ),
        pytest.param(
            asked(
                given_input("video", "a.jpg", PICTURE),
                given_input("edge", "e.png", PICTURE),
                given_input("mask.edge", "m.png", PICTURE),
                num_video_frames_per_chunk=1,
            ),
            id="pictures that go with a picture",
        ),
        pytest.param(asked(context_frame_index=20, max_frames=20), id="style from a frame that is not read"),
        pytest.param(
            asked(given_input("video", media=video(frames=187)), num_conditional_frames=1), id="chunks that overlap"
        ),
        pytest.param(
            asked(given_input("video", media=video(frames=188)), num_conditional_frames=0), id="two frames left"
        ),
        pytest.param(asked(edge_threshold="low"), id="threshold of a computed edge"),
        pytest.param(asked(seed=2**80), id="any seed without sigma_max"),
        pytest.param(asked(distilled=True, num_steps=4, guidance=3), id="distilled with the default said aloud"),
    ],
)
def test_is_in_order(request_: Request[Parameters]) -> None:
    assert found(request_) == []


def test_all_problems_come_at_once() -> None:
    request = evolve(asked(given_input("depth", media=video(frames=5)), text="", num_video_frames_per_chunk=4), gpus=5)
    assert {code for _, code, _ in found(request)} == {"prompt_empty", "gpu_count", "chunk_size", "too_short"}


def test_a_short_control_is_told_with_both_lengths() -> None:
    [problem] = validate_inputs(asked(given_input("edge", "outline.mp4", video(frames=40))))
    assert "outline.mp4 has 40 frames, and 93 are read" in problem.message
    assert "max_frames=40" in problem.hint


def test_a_misspelt_mask_is_told_with_the_nearest_control() -> None:
    [problem] = validate_inputs(asked(given_input("mask.egde")))
    assert "mask.edge" in problem.hint


def test_what_sigma_max_brings_to_an_end() -> None:
    codes = found(asked(sigma_max=80.0, distilled=True, num_steps=4))
    assert ("sigma_max", "distilled_sigma", "error") in codes
    codes = found(asked(sigma_max=80.0, seed=2**64))
    assert ("seed", "seed_too_large", "error") in codes


def test_before_the_parameters_are_read_only_the_rest_is_judged() -> None:
    request: Request[Parameters] = Request(
        id="rs_1",
        model="transfer",
        toolkit="cosmos-transfer2.5",
        inputs=(given_input("video", "a.mkv", None),),
    )
    assert {code for _, code, _ in found(request)} == {"prompt_empty", "suffix"}
