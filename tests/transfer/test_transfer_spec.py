"""What is written for the toolkit: the spec, where inputs go, what is fetched, what may share a job."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from transfer_requests import PICTURE, VIDEO, asked, given_input, prompts, valid_requests

from cosmos_core import Bundle, Input, Job, Media, Request, Site
from cosmos_core.models import checks
from cosmos_core.parameters import read
from cosmos_transfer.transfer25 import convert_inputs, read_spec
from cosmos_transfer.transfer25.asked import controls_of
from cosmos_transfer.transfer25.parameters import (
    NEGATIVE_PROMPT,
    MaskPrompts,
    Parameters,
    Settings,
    Weights,
)


def bundle_of(*requests: Request[Parameters]) -> Bundle:
    return convert_inputs(Job.of(*requests))


def spec_of(request: Request[Parameters]) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(bundle_of(request).files[0].content)
    return spec


def as_sent(request: Request[Parameters]) -> Parameters:
    """The settings that stand in the spec: weights filled in, flags of the command line left out."""
    return evolve(
        request.parameters,
        weights=Weights(**{control.name: control.weight for control in controls_of(request)}),
        distilled=False,
        disable_guardrails=False,
        offload_guardrail_models=False,
    )


# -- properties ----------------------------------------------------------------------------------------------


@given(request=valid_requests())
def test_any_valid_request_makes_a_bundle_that_keeps_the_contract(request: Request[Parameters]) -> None:
    job = Job.of(request)
    bundle = convert_inputs(job)
    assert checks.wrong_bundle(bundle, job) == ""
    assert convert_inputs(job) == bundle
    placed = [place.to for place in bundle.places]
    assert len({PurePosixPath(path).stem for path in placed}) == len(placed) == len(request.inputs)
    assert all(path == path.lower() for path in placed)


@given(request=valid_requests())
def test_the_written_spec_reads_back_to_the_same_settings(request: Request[Parameters]) -> None:
    bundle = bundle_of(request)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / bundle.files[0].path
        path.write_bytes(bundle.files[0].content)
        drafts = read_spec(path)
    assert drafts is not None
    [draft] = drafts
    assert (draft.text, draft.name, draft.toolkit) == (request.text, request.id, request.toolkit)
    assert dict(draft.inputs) == {place.input.slot: place.to for place in bundle.places}
    reading = read(Parameters, draft.parameters)
    assert reading.problems == ()
    assert reading.instance == as_sent(request)


@given(text=prompts, more=prompts)
def test_any_text_survives_unchanged(text: str, more: str) -> None:
    spec = spec_of(asked(text=text, negative_prompt=more, mask_prompt=MaskPrompts(edge=more)))
    assert (spec["prompt"], spec["negative_prompt"], spec["edge"]["mask_prompt"]) == (text, more, more)


@pytest.mark.parametrize(
    "text",
    [
        'say "hi", it\'s',
        "a\nb\r\nc",
        "$(rm -rf /) `id`; |&",
        "%s {0} \\n \\",
        "🎬 café",
        "\u2028\u2029\x85",
        "\x1b[31m",
    ],
)
def test_texts_that_break_things_elsewhere_survive_in_a_batch(text: str) -> None:
    content = bundle_of(asked(id="a", text=text), asked(id="b")).files[0].content
    lines = content.decode("ascii").splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["a", "b"]
    assert json.loads(lines[0])["prompt"] == text


@given(st.lists(valid_requests(), min_size=2, max_size=3, unique_by=lambda request: request.id))
def test_a_batch_holds_what_each_request_alone_would(requests: list[Request[Parameters]]) -> None:
    job = Job.of(*requests)
    bundle = convert_inputs(job)
    assert checks.wrong_bundle(bundle, job) == ""
    [file] = bundle.files
    assert file.path == "batch.jsonl"
    assert [json.loads(line) for line in file.content.splitlines()] == [spec_of(request) for request in requests]


# -- examples ------------------------------------------------------------------------------------------------


def test_the_spec_says_every_setting_aloud() -> None:
    request = asked(given_input("edge", "Outline.MP4"), given_input("mask.edge"), weights=Weights(depth=0.25))
    assert spec_of(request) == {
        "name": "rs_1",
        "prompt": "a street at night",
        "negative_prompt": NEGATIVE_PROMPT,
        "video_path": "inputs/rs_1-video.mp4",
        "seed": 2025,
        "guidance": 3,
        "num_conditional_frames": 1,
        "resolution": "720",
        "num_video_frames_per_chunk": 93,
        "num_steps": 35,
        "show_control_condition": False,
        "show_input": False,
        "keep_input_resolution": True,
        "guided_generation_step_threshold": 25,
        "edge": {
            "control_path": "inputs/rs_1-edge.mp4",
            "control_weight": 1.0,
            "mask_path": "inputs/rs_1-mask-edge.mp4",
            "preset_edge_threshold": "medium",
        },
        "depth": {"control_weight": 0.25},
    }


def test_what_was_chosen_reaches_the_spec() -> None:
    request = asked(
        Input(slot="image_context", name="sunset.JPG", media=PICTURE),
        given_input("guided_generation_mask", "m.npz", Media(kind="tensor")),
        weights=Weights(seg=0.5),
        seg_prompt="car",
        mask_prompt=MaskPrompts(seg="sky"),
        sigma_max=80.0,
        max_frames=10,
        guided_generation_foreground_labels=(1, 2),
    )
    spec = spec_of(request)
    assert spec["image_context_path"] == "inputs/rs_1-image_context.jpg"
    assert spec["guided_generation_mask"] == "inputs/rs_1-guided_generation_mask.npz"
    assert spec["guided_generation_foreground_labels"] == [1, 2]
    assert spec["seg"] == {"control_weight": 0.5, "control_prompt": "car", "mask_prompt": "sky"}
    assert (spec["sigma_max"], spec["max_frames"]) == ("80", 10)
    assert spec_of(asked(weights=Weights(vis=0.0), blur_strength="high"))["vis"] == {
        "control_weight": 0.0,
        "preset_blur_strength": "high",
    }
    assert spec_of(asked(sigma_max=0.1))["sigma_max"] == "0.1"


def test_a_video_and_what_goes_with_it_are_fetched() -> None:
    request = asked(
        given_input("guided_generation_mask"),
        given_input("mask.depth"),
        weights=Weights(edge=1.0, depth=1.0),
        mask_prompt=MaskPrompts(edge="car"),
    )
    fetched = {fetch.name: (fetch.pattern, fetch.role, fetch.required) for fetch in bundle_of(request).fetch}
    assert fetched == {
        "video": ("rs_1.mp4", "result", True),
        "control.edge": ("rs_1_control_edge.mp4", "control", False),
        "control.depth": ("rs_1_control_depth.mp4", "control", False),
        "mask.edge": ("rs_1_mask_edge.*", "control", False),
        "mask.guided_generation": ("rs_1_mask_guided_generation.*", "control", False),
        "prompt": ("rs_1.txt", "data", False),
        "arguments": ("rs_1.json", "data", False),
        "config": ("config.yaml", "data", False),
        "console": ("console.log", "log", False),
        "debug": ("debug.log", "log", False),
    }


@pytest.mark.parametrize(
    "request_",
    [
        asked(given_input("video", "a.png", PICTURE), num_video_frames_per_chunk=1),
        asked(num_video_frames_per_chunk=1, max_frames=1),
        asked(given_input("video", media=None), num_video_frames_per_chunk=1),
        asked(given_input("video", media=evolve(VIDEO, frames=1)), num_video_frames_per_chunk=1),
    ],
)
def test_a_single_frame_comes_as_a_picture(request_: Request[Parameters]) -> None:
    required = [(fetch.pattern, fetch.name) for fetch in bundle_of(request_).fetch if fetch.required]
    assert required == [("rs_1.jpg", "image")]


def test_only_equal_controls_and_flags_share_a_job() -> None:
    requests = (
        asked(),
        asked(weights=Weights(depth=1.0)),
        asked(weights=Weights(edge=1.0, depth=1.0)),
        asked(distilled=True, num_steps=4),
        asked(disable_guardrails=True),
        asked(offload_guardrail_models=True),
    )
    keys = [bundle_of(request).batch_key for request in requests]
    assert len(set(keys)) == len(keys)
    assert bundle_of(asked(given_input("edge"), weights=Weights(), seed=3)).batch_key == keys[0]


def test_a_checkpoint_of_the_site_has_to_be_there() -> None:
    settings = Settings(checkpoint_path=PurePosixPath("/data/model.pt"))
    request = evolve(asked(), site=Site(target="t", toolkit="cosmos-transfer2.5", settings=settings))
    [(path, remedy)] = bundle_of(request).needs
    assert path == "/data/model.pt"
    assert "checkpoint_path" in remedy
    assert bundle_of(asked()).needs == ()
