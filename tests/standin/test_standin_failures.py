"""Runs that fail once they have begun: by their media, by their GPUs, or because a failure was ordered."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Any

import av
import pytest
from playing import SCRIPT, Make, Player, decode, environment, make_clip
from small_media import damaged, picture, video

PAIR = [{"name": "a"}, {"name": "b"}]


@pytest.mark.parametrize(
    ("change", "last"),
    [
        ({"video_path": "IN.MP4"}, "ValueError: Invalid video extension: .MP4"),
        ({"video_path": "in.gif"}, "ValueError: Invalid video extension: .gif"),
        ({"video_path": "in.mkv"}, "TypeError: Unsupported format: mkv"),
        ({"resolution": "999"}, "KeyError: '999'"),
        (
            {"video_path": "long.mp4", "edge": {"control_path": "in.mp4"}},
            "ValueError: No input frames; cannot pad. Verify that video frame counts match.",
        ),
        ({"video_path": "text.mp4"}, "OSError: `pyav` can not handle the given uri."),
        ({"video_path": "damaged.mp4"}, "av.error.InvalidDataError: [Errno "),
        ({"video_path": "grey.png"}, " Wrong shape: expected 4 dims. Received 3-dim tensor."),
        ({"name": "no/such/folder"}, "FileNotFoundError: [Errno 2] No such file or directory: "),
    ],
)
def test_media_that_the_toolkit_cannot_use_stops_the_batch(
    player: Player, sample: Make, change: dict[str, Any], last: str
) -> None:
    for name in ("IN.MP4", "in.gif", "in.mkv"):
        (player.folder / name).write_bytes((player.folder / "in.mp4").read_bytes())
    make_clip(player.folder / "long.mp4", frames=94)
    (player.folder / "damaged.mp4").write_bytes(damaged(video(codec="libx264", noise=True)))
    (player.folder / "grey.png").write_bytes(picture("gray"))
    (player.folder / "text.mp4").write_text("not a video")
    played = player.play([sample(**change), sample(name="b")])
    assert played.code == 1
    assert "Traceback (most recent call last):" in played.err
    assert played.err.splitlines()[-1].startswith(last)
    assert not {name for name in played.files() if name.endswith(".mp4") or name.startswith("b")}


def test_another_shape_of_control_or_mask_stops_the_network(player: Player, sample: Make) -> None:
    make_clip(player.folder / "tall.mp4", width=64, height=96)
    played = player.play(sample(edge={"control_path": "tall.mp4"}))
    assert played.code == 1
    assert " 0/4 " in played.err
    assert " 4/4 " not in played.err
    assert "RuntimeError: The size of tensor a (" in played.err.splitlines()[-1]
    played = player.play(sample(edge={"mask_path": "tall.mp4"}))
    assert played.code == 1
    assert " 4/4 " in played.err
    assert "RuntimeError: The size of tensor a (" in played.err.splitlines()[-1]
    assert played.files() == {"a.json"}


def test_av1_holds_the_gpu_where_opencv_has_to_read_it(player: Player, sample: Make) -> None:
    (player.folder / "av1.mp4").write_bytes(video(codec="libsvtav1"))
    assert player.play(sample(video_path="av1.mp4")).code == 0
    played = player.play(sample(video_path="av1.mp4", edge=..., seg={}), STANDIN_HANG_SECONDS="0")
    assert played.code == 1
    assert "Your platform doesn't suppport hardware accelerated AV1 decoding." in played.err
    assert "HangError: the original hangs here for ever" in played.err.splitlines()[-1]


def test_without_pyav_it_says_that_videos_are_not_looked_into(player: Player, sample: Make) -> None:
    (player.folder / "grey.png").write_bytes(picture("gray"))
    played = player.play(sample(edge={"control_path": "spec.json"}), av=False)
    assert played.err.splitlines()[-1] == "TypeError: Unsupported format: json"
    played = player.play(sample(), av=False)
    assert played.code == 0
    assert "Without PyAV here no video is looked into" in played.out
    played = player.play(sample(video_path="grey.png"), av=False)
    assert played.err.splitlines()[-1] == " Wrong shape: expected 4 dims. Received 3-dim tensor."


def test_a_blocked_prompt_is_skipped_with_exit_code_0(player: Player, sample: Make) -> None:
    played = player.play([sample(prompt="bad\nthing"), sample(name="b")], STANDIN_FAIL="blocked_prompt:a")
    assert played.code == 0
    where = "|CRITICAL|cosmos_transfer2/inference.py:217:_generate_sample]"
    assert f"{where} Guardrail blocked generation. Prompt: bad\nthing" in played.out
    assert "GUARDRAIL BLOCKED: QWEN3GUARD: Prompt blocked by Qwen3Guard. Safety: Unsafe" in played.text("debug.log")
    assert "GUARDRAIL BLOCKED" not in played.out
    assert played.files() == {"a.json", "b.json", "b.mp4", "b.txt", "b_control_edge.mp4"}


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("blocked_prompt", "Exception: Guardrail blocked generation. Prompt: a robot"),
        ("blocked_negative_prompt", "Exception: Guardrail blocked generation. Negative prompt: The video"),
        ("blocked_video", "Exception: Guardrail blocked video2world generation."),
    ],
)
def test_blocks_end_the_run_where_it_may_not_keep_going(player: Player, sample: Make, failure: str, words: str) -> None:
    played = player.play([sample(), sample(name="b")], "--no-keep-going", av=False, STANDIN_FAIL=failure)
    assert played.code == 1
    assert played.err.splitlines()[-1].startswith(words)
    assert not {name for name in played.files() if name.startswith("b") or name == "a.mp4"}


def test_a_blocked_negative_prompt(player: Player, sample: Make) -> None:
    played = player.play(sample(), av=False, STANDIN_FAIL="blocked_negative_prompt")
    assert played.code == 0
    assert "Guardrail blocked generation. Negative prompt: The video captures" in played.out
    assert played.files() == {"a.json"}


def test_a_blocked_video_leaves_the_controls_and_no_word_on_the_console(player: Player, sample: Make) -> None:
    played = player.play(sample(), av=False, STANDIN_FAIL="blocked_video")
    assert played.code == 0
    assert "locked" not in played.out + played.err
    assert "GUARDRAIL BLOCKED: VIDEOCONTENTSAFETYFILTER: " in played.text("debug.log")
    assert played.files() == {"a.json", "a_control_edge.mp4"}


@pytest.mark.parametrize("failure", ["blocked_prompt", "blocked_negative_prompt", "blocked_video"])
def test_without_guardrails_nothing_is_blocked(player: Player, sample: Make, failure: str) -> None:
    played = player.play(sample(), "--disable-guardrails", av=False, STANDIN_FAIL=failure)
    assert played.code == 0
    assert "a.mp4" in played.files()
    assert "guardrail" not in played.out


@pytest.mark.parametrize(
    ("failure", "words", "last"),
    [
        ("no_cuda_extra", "", "RuntimeError: CUDA extra not installed. Please run 'uv sync --extra=<cuda_name>'"),
        ("no_uvx", "", "FileNotFoundError: [Errno 2] No such file or directory: 'uvx'"),
        ("gated_model", "GatedRepoError: 403 Client Error.", "subprocess.CalledProcessError: Command '['uvx', 'hf>="),
        ("missing_checkpoint", "LocalEntryNotFoundError: ", "subprocess.CalledProcessError: Command '['uvx', 'hf>="),
        ("out_of_memory", "", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate"),
    ],
)
def test_ordered_failures_end_in_their_traceback(
    player: Player, sample: Make, failure: str, words: str, last: str
) -> None:
    played = player.play(sample(), av=False, STANDIN_FAIL=failure)
    assert played.code == 1
    assert words in played.err
    assert played.err.splitlines()[-1].startswith(last)
    if failure in ("gated_model", "missing_checkpoint"):
        assert played.err.endswith("returned non-zero exit status 1.\n")
        assert "Generating 1 samples" not in played.out


def test_out_of_memory_in_the_second_sample_keeps_the_first(player: Player, sample: Make) -> None:
    played = player.play([sample(), sample(name="b")], av=False, STANDIN_FAIL="out_of_memory:b")
    assert played.code == 1
    assert played.files() == {"a.json", "a.mp4", "a.txt", "a_control_edge.mp4", "b.json"}


def test_a_cut_output_looks_like_success_and_cannot_be_read(player: Player, sample: Make) -> None:
    played = player.play(sample(), STANDIN_FAIL="cut_output")
    assert played.code == 0
    assert "Generated video saved to outputs/a.mp4" in played.out
    with pytest.raises(av.error.InvalidDataError):
        decode(played.folder / "outputs" / "a.mp4")


def test_a_crash_is_a_sigkill_in_the_midst(player: Player, sample: Make) -> None:
    played = player.play(sample(), av=False, STANDIN_FAIL="crash")
    assert played.code == -signal.SIGKILL
    assert "0/4" in played.err
    assert played.files() == {"a.json"}


def test_a_hang_ends_by_sigterm(player: Player, sample: Make) -> None:
    player.write(sample())
    command = player.command("python", SCRIPT, "-i", "spec.json", "-o", "outputs", av=False)
    with subprocess.Popen(
        command, cwd=player.folder, env=environment({"STANDIN_FAIL": "hang"}), stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert b"0/4" in os.read(process.stderr.fileno(), 200)
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM


def test_the_pause_between_steps_can_be_set(player: Player, sample: Make) -> None:
    started = time.monotonic()
    assert player.play(sample(num_steps=8), av=False, STANDIN_STEP_SECONDS="0.1").code == 0
    assert time.monotonic() - started > 0.8
