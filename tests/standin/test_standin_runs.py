"""Runs that go through: what is written, what is printed, and that the result is plainly simulated."""

from __future__ import annotations

import json
import re
import struct
import sys
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from playing import SCRIPT, Make, Player, decode, make_clip, make_image
from small_media import trimmed, video

from cosmos_transfer.standin.work import told

LINE = re.compile(r"\[\d\d-\d\d \d\d:\d\d:\d\d\|(INFO|WARNING|SUCCESS|CRITICAL|DEBUG)\|[^|:]+:\d+:\w+\] .+")
BAR = re.compile(r"Generating samples:\s+(\d+)%\|.*?\|\s*(\d+)/(\d+)")


def shade(path: Path) -> tuple[int, int]:
    """Darkest and brightest Y within the middle rows of a still or a video's first frame."""
    frame = decode(path)[0].reformat(format="yuv420p")
    plane = frame.planes[0]
    rows = bytes(plane)
    middle = rows[plane.line_size * (frame.height // 2) :][: plane.line_size]
    return min(middle[: frame.width]), max(middle[: frame.width])


def test_one_sample_leaves_the_files_of_the_toolkit(player: Player, sample: Make) -> None:
    played = player.play(sample(depth={"mask_prompt": "arm"}, prompt="über 🤖\n$(x)"))
    assert played.code == 0, played.err
    assert played.files() == {
        "a.json",
        "a.mp4",
        "a.txt",
        "a_control_edge.mp4",
        "a_control_depth.mp4",
        "a_mask_depth.mp4",
    }
    assert played.text("a.txt") == "über 🤖\n$(x)"
    assert json.loads(played.text("a.json"))["prompt"] == "über 🤖\n$(x)"
    for name in ("config.yaml", "console.log", "debug.log"):
        assert played.text(name)


def test_the_result_has_the_inputs_frames_rate_and_size_and_says_that_it_is_simulated(
    player: Player, sample: Make
) -> None:
    played = player.play(sample())
    result = played.folder / "outputs" / "a.mp4"
    with av.open(str(result)) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.width, stream.height) == (24, 96, 64)
        assert "SIMULATED" in container.metadata["title"]
        assert "SIMULATED" in container.metadata["comment"]
    assert len(decode(result)) == 8
    source = decode(played.folder / "in.mp4")[0]
    changed = decode(result)[0]
    assert shade(played.folder / "in.mp4")[1] < 225
    assert shade(result)[0] < 40
    assert shade(result)[1] > 215
    assert bytes(source.planes[1]) != bytes(changed.planes[1])


@pytest.mark.parametrize("change", [{"seed": 7}, {"prompt": "another"}])
def test_another_seed_or_prompt_gives_another_tint(player: Player, sample: Make, change: dict[str, Any]) -> None:
    played = player.play([sample(), sample(name="b", **change), sample(name="again")])
    tints = [bytes(decode(played.folder / "outputs" / f"{name}.mp4")[0].planes[1]) for name in ("a", "b", "again")]
    assert tints[0] != tints[1]
    assert tints[0] == tints[2]


def test_lines_and_bars_are_those_of_the_toolkit(player: Player, sample: Make) -> None:
    played = player.play([sample(), sample(name="b")], STANDIN_STEP_SECONDS="0.06")
    lines = [line for line in played.out.splitlines() if not line.startswith("@cosmos ")]
    assert all(LINE.fullmatch(line) for line in lines)
    assert played.text("console.log").splitlines() == lines
    in_order = [
        "Downloading checkpoint nvidia/Cosmos-Transfer2.5-2B/",
        "uvx 'hf>=1.3.5' download",
        "Saved config to ",
        "Generating 2 samples: ['a', 'b']",
        "[1/2] Processing sample a",
        "Saved arguments to outputs/a.json",
        "Running guardrail check on prompt...",
        "Passed guardrail on prompt",
        "Processing the following paths: {",
        "edge control video saved to outputs/a_control_edge.mp4",
        "Running guardrail check on video...",
        "Passed guardrail on generated video",
        "Generated video saved to outputs/a.mp4",
        "[2/2] Processing sample b",
        "Generated video saved to outputs/b.mp4",
    ]
    places = [next(i for i, line in enumerate(lines) if words in line) for words in in_order]
    assert places == sorted(places)
    debug = played.text("debug.log")
    for words in (
        "Loading input video...",
        "Computing prompt text embeddings...",
        "Generating chunk 1/1",
        "Seed: 584845",  # drawn from 2025, as Python draws
    ):
        assert words in debug
        assert words not in played.out
    bars = BAR.findall(played.err)
    assert bars[0] == ("0", "0", "4")
    assert bars[-1] == ("100", "4", "4")
    assert bars.count(("100", "4", "4")) == 2
    assert all(int(percent) == round(int(done) / int(total) * 100) for percent, done, total in bars)
    assert "\r" in played.err


def test_a_long_video_goes_in_chunks_and_max_frames_cuts_it(player: Player, sample: Make) -> None:
    make_clip(player.folder / "long.mp4", frames=100)
    long = {"video_path": "long.mp4", "num_conditional_frames": 2}
    played = player.play([sample(**long), sample(name="b", max_frames=95, **long), sample(name="c", max_frames=5)])
    assert [len(decode(played.folder / "outputs" / f"{name}.mp4")) for name in "abc"] == [100, 95, 5]
    debug = played.text("debug.log")
    assert re.findall(r"Generating chunk (\S+)", debug) == ["1/2", "2/2", "1/2", "2/2", "1/1"]


def test_the_rate_is_the_nominal_one_and_hidden_frames_come_out_black(player: Player, sample: Make) -> None:
    (player.folder / "vfr.mp4").write_bytes(video(12, left_out=(3, 4, 5, 8, 9), codec="libx264", sound=True))
    (player.folder / "trimmed.mp4").write_bytes(trimmed(video(6), hidden=2))
    played = player.play([sample(video_path="vfr.mp4"), sample(name="b", video_path="trimmed.mp4")])
    assert played.code == 0, played.err
    with av.open(str(played.folder / "outputs" / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.frames, stream.average_rate, len(container.streams.audio)) == (7, 24, 0)
    assert len(decode(played.folder / "outputs" / "b.mp4")) == 6


@pytest.mark.parametrize("change", [{"max_frames": 1}, {"num_video_frames_per_chunk": 1}, {"video_path": "in.png"}])
def test_one_frame_makes_a_jpeg(player: Player, sample: Make, change: dict[str, Any]) -> None:
    make_image(player.folder / "in.png")
    played = player.play(sample(**change))
    assert played.files() == {"a.json", "a.txt", "a.jpg", "a_control_edge.jpg"}
    result = played.folder / "outputs" / "a.jpg"
    assert b"SIMULATED" in result.read_bytes()
    assert (decode(result)[0].width, decode(result)[0].height) == (96, 64)
    assert shade(result)[1] - shade(result)[0] > 180


def test_sizes_are_made_even_and_rates_whole(player: Player, sample: Make) -> None:
    make_clip(player.folder / "odd.mp4", frames=3, width=97, height=65, fps=Fraction(30000, 1001))
    played = player.play(sample(video_path="odd.mp4"))
    with av.open(str(played.folder / "outputs" / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (96, 64, 29)


@pytest.mark.parametrize(
    ("width", "height", "size"), [(192, 108, (1280, 704)), (96, 96, (960, 960)), (108, 192, (704, 1280))]
)
def test_the_size_of_the_class_unless_the_inputs_is_kept(
    player: Player, sample: Make, width: int, height: int, size: tuple[int, int]
) -> None:
    make_clip(player.folder / "small.mp4", frames=2, width=width, height=height)
    played = player.play(sample(video_path="small.mp4", keep_input_resolution=False))
    frame = decode(played.folder / "outputs" / "a.mp4")[0]
    assert (frame.width, frame.height) == size


def test_input_and_controls_can_be_shown_beside_the_result(player: Player, sample: Make) -> None:
    played = player.play(sample(show_input=True, show_control_condition=True, depth={}))
    frames = decode(played.folder / "outputs" / "a.mp4")
    assert len(frames) == 8
    assert frames[0].width == 96 * 4


def test_a_supplied_control_is_used_and_may_be_longer(player: Player, sample: Make) -> None:
    make_clip(player.folder / "sub" / "edge.mp4", frames=11)
    played = player.play(sample(edge={"control_path": "sub/edge.mp4", "mask_path": "in.mp4", "mask_prompt": "x"}))
    assert played.files() == {"a.json", "a.mp4", "a.txt", "a_control_edge.mp4", "a_mask_edge.mp4"}
    assert len(decode(played.folder / "outputs" / "a_control_edge.mp4")) == 8


def npz(path: Path, frames: int) -> None:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({frames}, 2, 2), }}".ljust(117) + "\n"
    with zipfile.ZipFile(path, "w") as archive:
        head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
        archive.writestr("arr_0.npy", head + bytes(frames * 4))


@pytest.mark.parametrize("mask", ["mask.mp4", "mask.npz"])
def test_a_guide_leaves_its_mask(player: Player, sample: Make, mask: str) -> None:
    make_clip(player.folder / "mask.mp4", frames=8)
    npz(player.folder / "mask.npz", 8)
    played = player.play(sample(guided_generation_mask=mask))
    assert played.code == 0, played.err
    assert "a_mask_guided_generation.mp4" in played.files()


def test_paths_are_taken_from_the_specs_folder_and_kept_with_their_dots(player: Player, sample: Make) -> None:
    (player.folder / "prompt.txt").write_text("  from a file\n")
    player.write(sample(prompt=..., prompt_path="../prompt.txt", video_path="../in.mp4"), "specs/s.json")
    played = player.run("python", SCRIPT, "-i", "specs/s.json", "-o", "outputs")
    written = json.loads(played.text("a.json"))
    assert written["prompt"] == played.text("a.txt") == "from a file"
    assert written["prompt_path"] == f"{player.folder}/specs/../prompt.txt"
    assert written["video_path"] == f"{player.folder}/specs/../in.mp4"


def test_values_are_taken_loosely_as_pydantic_takes_them(player: Player, sample: Make) -> None:
    loose = sample(
        seed=3.0, guidance="5", num_steps=True, show_input="off", keep_input_resolution=1, edge={"nonsense": 1}
    )
    played = player.play(loose, av=False)
    written = json.loads(played.text("a.json"))
    assert written["seed"] == 3
    assert written["guidance"] == 5
    assert written["num_steps"] == 1
    assert written["show_input"] is False
    assert written["keep_input_resolution"] is True
    assert "nonsense" not in written["edge"]
    assert '"seed":3,' in played.text("a.json")


def test_flags_win_over_every_sample(player: Player, sample: Make) -> None:
    played = player.play(
        [sample(), sample(name="b", seed=1)],
        *("--seed=9", "--num_steps", "2", "--show-input", "False", "--prompt", "over", "--max-frames", "None"),
        *("--negative-prompt", "-5", "--guided-generation-foreground-labels", "1", "2"),
        av=False,
    )
    assert played.code == 0, played.err
    for name in ("a", "b"):
        written = json.loads(played.text(f"{name}.json"))
        assert (written["seed"], written["num_steps"], written["prompt"]) == (9, 2, "over")
        assert written["negative_prompt"] == "-5"
        assert written["guided_generation_foreground_labels"] == [1, 2]


def test_a_prompt_file_on_the_command_line_does_not_beat_a_prompt(player: Player, sample: Make) -> None:
    (player.folder / "other.txt").write_text("other")
    played = player.play(sample(), "--prompt-path", "other.txt", av=False)
    assert played.text("a.txt") == "a robot"


def test_a_control_sub_command_is_read_and_dropped(player: Player, sample: Make) -> None:
    played = player.play(sample(), "control:edge", "--control.control-weight", "0.1", av=False)
    assert played.code == 0, played.err
    assert json.loads(played.text("a.json"))["edge"]["control_weight"] == 1.0


def test_several_files_are_one_batch_in_order(player: Player, sample: Make) -> None:
    player.write([sample(name="c"), sample(name="b")], "one.jsonl")
    player.write(sample(), "two.json")
    played = player.run("python", SCRIPT, "-o", "outputs", "-i", "one.jsonl", "two.json", av=False)
    assert "Generating 3 samples: ['c', 'b', 'a']" in played.out
    assert re.findall(r"Processing sample (\w)", played.out) == ["c", "b", "a"]


def test_without_pyav_copies_are_labelled(player: Player, sample: Make) -> None:
    make_image(player.folder / "in.jpg")
    played = player.play([sample(), sample(name="b", video_path="in.jpg")], av=False)
    assert played.code == 0, played.err
    result = played.folder / "outputs" / "a.mp4"
    assert result.read_bytes().startswith((player.folder / "in.mp4").read_bytes())
    assert b"SIMULATED" in result.read_bytes()[-200:]
    assert len(decode(result)) == 8
    still = played.folder / "outputs" / "b.jpg"
    assert b"SIMULATED" in still.read_bytes()[:100]
    assert len(decode(still)) == 1


def test_distilled_needs_its_variable(player: Player, sample: Make) -> None:
    experimental = {"COSMOS_EXPERIMENTAL_CHECKPOINTS": "1"}
    assert player.play(sample(), "--model=edge/distilled", av=False).code == 2
    assert player.play(sample(), "--model=edge/distilled", av=False, **experimental).code == 0
    played = player.play(sample(edge=..., depth={}), "--model=edge/distilled", av=False, **experimental)
    assert played.code == 1
    assert played.err.splitlines()[-1] == "KeyError: ModelKey(variant='depth', distilled=True)"


def test_smoke_and_verbose(player: Player, sample: Make) -> None:
    played = player.play([sample(), sample(name="b")], av=False, COSMOS_SMOKE="1", COSMOS_VERBOSE="1")
    assert played.files() == {"a.json", "a.mp4", "a.txt", "a_control_edge.mp4"}
    assert "1/1 [" in played.err
    assert "Generating chunk 1/1" in played.out
    assert "guardrail" not in played.out


def test_pythons_own_flags_and_uv_may_stand_before_the_script(player: Player, sample: Make) -> None:
    player.write(sample())
    for head in (
        ("/opt/venv/bin/python3", "-u", SCRIPT),
        ("python", "-X", "utf8", "-m", "examples.inference"),
        ("uv", "run", "--extra", "cu128", "python", f"/workspace/{SCRIPT}"),
    ):
        assert player.run(*head, "-i", "spec.json", "-o", "outputs", av=False).code == 0


def test_it_needs_nothing_of_ours(player: Player, sample: Make) -> None:
    probe = (
        "import sys; sys.path.insert(0, sys.argv[1]); import standin.transfer25; "
        "print([name for name in sys.modules if name.startswith(('cosmos', 'attr', 'av'))])"
    )
    import subprocess

    done = subprocess.run([sys.executable, "-I", "-c", probe, str(player.pyz)], capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_where_encoding_takes_long_it_is_said_that_nothing_else_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(told(iter("abc"), 3, every=0)) == list("abc")  # type: ignore[arg-type]
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line.removeprefix("@cosmos "))["message"] for line in lines] == [
        f"encoding {number}/3, no model runs" for number in (1, 2, 3)
    ]
    assert list(told(iter("abc"), 3, every=60)) == list("abc")  # type: ignore[arg-type]
    assert capsys.readouterr().out == ""
