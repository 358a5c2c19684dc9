"""Our checks and the stand-in, written apart from one format document, have to agree.

Whatever passes our checks the stand-in runs to the end, and what it refuses we refuse first; its failures come
out of its log in our words.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from played import QUICK, START, Played, wrong_with
from real_processes import HANG_S
from small_media import picture, video
from transfer_requests import asked, given_input, prompts, valid_requests

from cosmos_core import Input, Media, Request
from cosmos_core.media import probe
from cosmos_core.parameters import read
from cosmos_transfer.standin import transfer25 as stand_in
from cosmos_transfer.transfer25 import follow_progress, read_spec
from cosmos_transfer.transfer25.log import lines_of
from cosmos_transfer.transfer25.parameters import NAME, Parameters


@pytest.fixture
def street() -> Request[Parameters]:
    return asked(given_input("video", media=Media(kind="video", width=64, height=48, frames=6, fps=24.0)))


# -- what we take, it takes ------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(request=valid_requests())
def test_what_passes_our_checks_the_stand_in_runs_to_the_end(request: Request[Parameters]) -> None:
    request = evolve(request, gpus=None)
    assert wrong_with(request) == []
    with tempfile.TemporaryDirectory() as folder:
        played = Played(Path(folder), request)
        played.play_here()
        assert played.exit_code == 0, played.log
        [outputs] = played.outputs()
        assert outputs.failure is None
        assert played.fractions() == {request.id: 1.0}
        assert played.left_behind() == []
        for fetch in played.bundle.fetch:
            if fetch.role == "result":
                media = probe(played.folder / "outputs" / fetch.pattern).media
                assert (media.kind, media.frames) == (fetch.name, outputs.values["frames"])
        effective = json.loads((played.folder / "outputs" / f"{request.id}.json").read_text())
        sent = json.loads(played.bundle.files[0].content)
        assert {key: effective[key] for key in sent if key not in ("edge", "vis", "depth", "seg")} == {
            key: f"{folder}/{value}" if str(value).startswith(f"inputs/{request.id}-") else value
            for key, value in sent.items()
            if key not in ("edge", "vis", "depth", "seg")
        }


@settings(max_examples=3, deadline=None)
@given(text=prompts, requests=st.lists(valid_requests(), min_size=2, max_size=2, unique_by=lambda r: r.id))
def test_a_batch_of_equal_keys_runs_to_the_end(text: str, requests: list[Request[Parameters]]) -> None:
    first = evolve(requests[0], gpus=None)
    second = evolve(first, id=requests[1].id, text=text)
    with tempfile.TemporaryDirectory() as folder:
        played = Played(Path(folder), first, second)
        played.play_here()
        assert played.exit_code == 0, played.log
        assert [outputs.failure for outputs in played.outputs()] == [None, None]
        assert played.fractions() == {first.id: 1.0, second.id: 1.0}


# -- what it refuses, we refuse first --------------------------------------------------------------------------

GOOD: dict[str, Any] = {"name": "a", "prompt": "a street", "video_path": "in.mp4", "edge": {}}
WRONG: dict[str, dict[str, Any]] = {
    "no control": {"edge": None},
    "weight above 1": {"edge": {"control_weight": 1.5}},
    "weight below 0": {"edge": {"control_weight": -0.1}},
    "weight in words": {"edge": {"control_weight": "much"}},
    "weight that is null": {"edge": {"control_weight": None}},
    "unknown preset": {"edge": {"preset_edge_threshold": "huge"}},
    "unknown key": {"num_step": 3},
    "no steps": {"num_steps": 0},
    "half a step": {"num_steps": 3.5},
    "guidance of 8": {"guidance": 8},
    "guidance of 3.5": {"guidance": 3.5},
    "no frames": {"max_frames": 0},
    "first frame as style": {"context_frame_index": 0},
    "three frames of overlap": {"num_conditional_frames": 3},
    "no chunk": {"num_video_frames_per_chunk": 0},
    "unknown resolution": {"resolution": "999"},
    "no negative prompt at all": {"negative_prompt": None},
    "style twice": {"edge": None, "vis": {}, "image_context_path": "s.png"},
    "seed in words": {"seed": "lucky"},
    "switch in words": {"show_input": "perhaps"},
    "no prompt": {"prompt": None},
    "no prompt file": {"prompt": None, "prompt_path": "gone.txt"},
    "control that is no object": {"edge": 3},
    "short control": {"video_path": "long.mp4", "edge": {"control_path": "in.mp4"}},
    "short mask": {"video_path": "long.mp4", "edge": {"mask_path": "in.mp4"}},
    "short guided mask": {"video_path": "long.mp4", "guided_generation_mask": "in.mp4"},
    "labels in words": {"guided_generation_mask": "in.mp4", "guided_generation_foreground_labels": ["car"]},
    "mkv": {"video_path": "in.mkv"},
}


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    for name in ("in.mp4", "in.mkv"):
        (tmp_path / name).write_bytes(video(6))
    (tmp_path / "long.mp4").write_bytes(video(94))
    (tmp_path / "s.png").write_bytes(picture())
    return tmp_path


def runs(spec: Path) -> bool:
    said = io.StringIO()
    argv = ["python", "examples/inference.py", "-i", str(spec), "-o", str(spec.parent / "outputs")]
    with mock.patch.dict(os.environ, QUICK), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        return stand_in.main(argv) == 0


def passes(spec: Path) -> bool:
    """Whether the spec gets through our reading, the declared types and ranges, and our checks."""
    try:
        drafts = read_spec(spec)
    except ValueError:
        return False
    assert drafts is not None
    [draft] = drafts
    reading = read(Parameters, draft.parameters)
    if reading.problems:
        return False
    files = tuple(Input(slot=slot, name=name, media=probe(spec.parent / name).media) for slot, name in draft.inputs)
    request = Request(
        id="rs_1", model="transfer", toolkit=NAME, text=draft.text, inputs=files, parameters=reading.instance
    )
    return wrong_with(request) == []


def test_a_good_spec_is_taken_by_both(specs: Path) -> None:
    (specs / "spec.json").write_text(json.dumps(GOOD))
    assert (runs(specs / "spec.json"), passes(specs / "spec.json")) == (True, True)


@pytest.mark.parametrize("name", WRONG)
def test_what_the_stand_in_refuses_we_refuse_first(specs: Path, name: str) -> None:
    (specs / "spec.json").write_text(json.dumps({**GOOD, **WRONG[name]}))
    assert (runs(specs / "spec.json"), passes(specs / "spec.json")) == (False, False)


# -- its failures in our words ---------------------------------------------------------------------------------

FAILURES = {
    "blocked_prompt": "prompt_blocked",
    "blocked_negative_prompt": "prompt_blocked",
    "blocked_video": "video_blocked",
    "out_of_memory": "out_of_memory",
    "crash": "killed",
    "no_uvx": "uvx_missing",
    "gated_model": "gated_model",
    "missing_checkpoint": "checkpoint_missing",
    "no_cuda_extra": "environment",
}


@pytest.mark.parametrize("order", FAILURES)
def test_each_failure_is_told_by_its_cause(tmp_path: Path, street: Request[Parameters], order: str) -> None:
    played = Played(tmp_path, street)
    played.play(STANDIN_FAIL=order)
    [outputs] = played.outputs()
    assert outputs.failure is not None
    assert outputs.failure.code == FAILURES[order]


@pytest.mark.parametrize("order", ["out_of_memory", "crash", "gated_model"])
def test_on_two_gpus_too(tmp_path: Path, street: Request[Parameters], order: str) -> None:
    played = Played(tmp_path, evolve(street, gpus=2))
    played.play(STANDIN_FAIL=order)
    [outputs] = played.outputs()
    assert outputs.failure is not None
    assert outputs.failure.code == FAILURES[order]


def test_two_gpus_come_to_an_end_with_chunks_counted(tmp_path: Path) -> None:
    long = given_input("video", media=Media(kind="video", width=64, height=48, frames=94, fps=24.0))
    played = Played(tmp_path, evolve(asked(long), gpus=2))
    played.play()
    assert played.exit_code == 0, played.log
    assert [outputs.failure for outputs in played.outputs()] == [None]
    assert played.fractions() == {"rs_1": 1.0}


def test_of_a_batch_only_the_blocked_request_fails(tmp_path: Path, street: Request[Parameters]) -> None:
    played = Played(tmp_path, evolve(street, id="a"), evolve(street, id="b"), evolve(street, id="c"))
    played.play(STANDIN_FAIL="blocked_prompt:b")
    codes = [outputs.failure and outputs.failure.code for outputs in played.outputs()]
    assert codes == [None, "prompt_blocked", None]


def doomed_at(process: subprocess.Popen[bytes], played: Played) -> Iterator[str]:
    assert process.stdout is not None
    reader = follow_progress(played.job)
    for line in process.stdout:
        played.log += line.decode()
        for part in lines_of(line.decode()):
            progress = reader(part)
            if progress is not None and progress.doomed is not None:
                yield progress.doomed.code
                return


def test_a_blocked_prompt_on_two_gpus_is_seen_before_it_hangs(tmp_path: Path, street: Request[Parameters]) -> None:
    played = Played(tmp_path, evolve(street, gpus=2))
    process = subprocess.Popen(
        [sys.executable, "-c", START, *played.argv],
        env={**os.environ, **played.env(STANDIN_FAIL="blocked_prompt")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert list(doomed_at(process, played)) == ["prompt_blocked"]
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=HANG_S)
    played.log += rest.decode()
    played.exit_code = process.returncode
    [outputs] = played.outputs()
    assert outputs.failure is not None
    assert outputs.failure.code == "prompt_blocked"
