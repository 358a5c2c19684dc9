"""Where a sample fails on its media, and what passes: the toolkit tells much of it only after its model is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_media import array, picture, trimmed, turned, video

from cosmos_transfer.standin.inputs import Inputs
from cosmos_transfer.standin.orders import HangError, Orders
from cosmos_transfer.standin.spec import check_sample

MISMATCH = "must match the size of tensor b"


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for name, content in {
        "in.mp4": video(8),
        "long.mp4": video(100),
        "one.mp4": video(1),
        "94.mp4": video(94),
        "92.mp4": video(92),
        "93.mp4": video(93),
        "tall.mp4": video(8, 48, 64),
        "wide.mp4": video(8, 96, 54),
        "between.mp4": video(8, 1000, 642),  # nearer to 16:9 than to 4:3, not to 1280:704 than to 960:704
        "av1.mp4": video(8, codec="libsvtav1"),
        "phone.mp4": turned(video(8)),
        "slow.mp4": video(8, rate=12),
        "variable.mp4": video(12, left_out=(3, 4, 5, 8, 9), codec="libx264"),
        "trimmed.mp4": trimmed(video(8), hidden=2),
        "IN.MP4": video(8),
        "in.mov": video(8, container="mov"),
        "a.png": picture(),
        "tall.png": picture(width=48, height=64),
        "grey_alpha.png": picture("ya8"),
        "S.PNG": picture(),
        "m.npz": array((8, 4, 4)),
        "none.npz": array((0, 4, 4)),
        "switches.npz": array((8, 4, 4), "|b1"),
    }.items():
        (folder / name).write_bytes(content)
    return folder


def made(folder: Path, *, gpus: int = 1, distilled: bool = False, version: str = "1.5.4", **changes: Any) -> Inputs:
    data = {"name": "a", "prompt": "a robot", "video_path": "in.mp4", "edge": {}} | changes
    orders = Orders({"STANDIN_HANG_SECONDS": "0", "STANDIN_VERSION": version})
    return Inputs(check_sample(data, folder), orders, gpus=gpus, distilled=distilled)


def stages(inputs: Inputs) -> Iterator[str]:
    """Take it through the whole run; yields what comes next."""
    yield "load"
    inputs.read_video()
    inputs.read_guide()
    inputs.read_context()
    inputs.read_controls()
    yield "chunks"
    for index in range(inputs.count_chunks()):
        yield f"chunk {index}"
        inputs.start_chunk(index)
        yield f"step {index}"
        inputs.first_step()
        yield f"after {index}"
        inputs.end_chunk()


def fails(folder: Path, **changes: Any) -> str:
    """At which stage it stops and with what; empty where it runs to the end."""
    reached = ["load"]
    try:
        reached.extend(stages(made(folder, **changes)))
    except Exception as error:  # noqa: BLE001  whatever the toolkit would end with
        return f"{reached[-1]}: {type(error).__name__}: {error}"
    return ""


def unsaid(folder: Path, **changes: Any) -> list[str]:
    """What is done to the media silently."""
    inputs = made(folder, **changes)
    list(stages(inputs))
    return inputs.unsaid


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"video_path": "long.mp4"},
        {"video_path": "94.mp4", "num_conditional_frames": 0},
        {"video_path": "a.png", "num_video_frames_per_chunk": 1},
        {"video_path": "a.png"},
        {"video_path": "a.png", "edge": {"control_path": "a.png", "mask_path": "a.png"}},
        {"video_path": "phone.mp4", "seg": {}},
        {"video_path": "phone.mp4", "edge": {"mask_prompt": "car"}},
        {"video_path": "av1.mp4", "depth": {}},
        {"edge": {"control_path": "IN.MP4"}},
        {"edge": {"control_path": "one.mp4"}},  # mirrored, or repeated, to the length of a chunk
        {"video_path": "long.mp4", "edge": {"control_path": "94.mp4"}},
        {"video_path": "between.mp4", "vis": {"control_path": "wide.mp4"}},
        {"guided_generation_mask": "tall.mp4"},
        {"guided_generation_mask": "m.npz", "guided_generation_foreground_labels": [3]},
        {"guided_generation_mask": "switches.npz"},
        {"context_frame_index": 7, "max_frames": 2},
        {"image_context_path": "tall.mp4"},
        {"seed": 2**80},
        {"seed": -1, "sigma_max": "80"},
    ],
)
def test_what_runs_to_the_end(media: Path, changes: dict[str, Any]) -> None:
    assert fails(media, **changes) == ""


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({"video_path": "IN.MP4"}, "load: ValueError: Invalid video extension: .MP4"),
        ({"video_path": "grey_alpha.png"}, "load: ValueError: could not broadcast input array from shape (704,960,2)"),
        ({"resolution": "999"}, "load: KeyError: '999'"),
        ({"sigma_max": "much"}, "load: ValueError: could not convert string to float: 'much'"),
        ({"guided_generation_mask": "in.mov"}, "load: ValueError: Unknown video mask format: "),
        ({"guided_generation_mask": "a.png"}, "load: ValueError: Unknown video mask format: "),
        ({"image_context_path": "S.PNG"}, "load: TypeError: cannot unpack non-iterable PngImageFile object"),
        ({"image_context_path": "m.npz"}, "load: ValueError: Invalid image context extension: .npz"),
        ({"context_frame_index": 8}, "load: IndexError: index 8 is out of bounds for dimension 2 with size 8"),
        ({"edge": {"control_path": "m.npz"}}, "load: TypeError: Unsupported format: npz"),
        ({"video_path": "av1.mp4", "seg": {}}, "load: HangError: "),
        ({"video_path": "av1.mp4", "edge": {"mask_prompt": "car"}}, "load: HangError: "),
        ({"guided_generation_mask": "none.npz"}, "chunks: HangError: "),
        ({"num_video_frames_per_chunk": 29}, "chunk 0: AssertionError: Input control_input length doesn't match"),
        ({"video_path": "long.mp4", "edge": {"control_path": "92.mp4"}}, "chunk 1: ValueError: No input frames"),
        ({"video_path": "long.mp4", "edge": {"mask_path": "in.mp4"}}, "chunk 1: ValueError: No input frames"),
        ({"video_path": "long.mp4", "guided_generation_mask": "in.mp4"}, "chunk 1: ValueError: No input frames"),
        ({"edge": {"control_path": "tall.mp4"}}, "step 0: RuntimeError: The size of tensor a (60)"),
        ({"depth": {"control_path": "wide.mp4"}}, f"step 0: RuntimeError: The size of tensor a (60) {MISMATCH} (80)"),
        ({"edge": {"mask_path": "tall.mp4"}}, "after 0: RuntimeError: The size of tensor a (960)"),
        ({"video_path": "a.png", "edge": {"control_path": "tall.png"}}, "step 0: RuntimeError: The size of tensor a"),
        ({"seed": 2**64, "sigma_max": "80"}, "chunk 0: RuntimeError: "),
        ({"sigma_max": "80", "distilled": True}, "chunk 0: AttributeError: 'DMD2Model' object has no attribute"),
        (
            {"video_path": "a.png", "num_video_frames_per_chunk": 1, "gpus": 2},
            "chunk 0: ZeroDivisionError: ",
        ),
        ({"gpus": 7}, "chunk 0: ValueError: Split by width dimension is not currently supported"),
    ],
)
def test_what_fails_and_when(media: Path, changes: dict[str, Any], how: str) -> None:
    assert fails(media, **changes).startswith(how)


def test_a_picture_goes_over_several_gpus_as_a_chunk_of_93(media: Path) -> None:
    assert fails(media, video_path="a.png", gpus=8) == ""


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({"video_path": "94.mp4", "num_conditional_frames": 0}, "chunk 1: HangError: "),
        ({"video_path": "a.png"}, "chunks: HangError: "),
        ({"edge": {"control_path": "one.mp4"}}, "chunk 0: HangError: "),
        ({"max_frames": 2, "num_conditional_frames": 2}, "chunks: RuntimeError: torch.cat()"),
        ({}, ""),
        ({"video_path": "a.png", "num_video_frames_per_chunk": 1}, ""),
    ],
)
def test_until_1_5_2_one_frame_alone_was_mirrored_for_ever(media: Path, changes: dict[str, Any], how: str) -> None:
    assert fails(media, version="1.5.1", **changes).startswith(how)
    assert fails(media, version="v1.5.2", **changes) == ""


def test_beyond_5000_frames_only_the_video_goes_on(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(video(5100, 16, 16))
    film = {"video_path": "film.mp4", "edge": {"control_path": "film.mp4"}}
    assert fails(tmp_path, **film) == ""
    assert fails(tmp_path, max_frames=5100, **film).startswith("chunk 55: ValueError: No input frames")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"video_path": "trimmed.mp4"}, "trimmed.mp4 says 8 frames and shows 6"),
        ({"video_path": "trimmed.mp4", "max_frames": 6}, ""),
        ({"edge": {"control_path": "one.mp4"}}, "of 1 frames is mirrored in time to last for 8"),
        ({"edge": {"mask_path": "long.mp4"}}, ""),
        ({"video_path": "a.png", "edge": {"control_path": "a.png"}}, ""),
        ({"guided_generation_mask": "switches.npz"}, "it guides next to nothing"),
        ({"video_path": "variable.mp4"}, "variable.mp4 has 16.800 frames a second and is taken for 24.000"),
        ({"edge": {"control_path": "slow.mp4"}}, "at another rate: 12.000"),
        ({"edge": {"mask_path": "slow.mp4"}}, "at another rate: 12.000"),
        ({"video_path": "between.mp4", "vis": {"control_path": "wide.mp4"}}, "wide.mp4 is stretched"),
        ({"distilled": True, "guidance": 5}, "the distilled model takes no guidance"),
        ({"distilled": True, "guided_generation_mask": "in.mp4"}, "takes no guided_generation_mask"),
        ({"distilled": True}, ""),
    ],
)
def test_what_the_toolkit_does_without_a_word(media: Path, changes: dict[str, Any], words: str) -> None:
    assert fails(media, **changes) == ""
    assert words in "".join(unsaid(media, **changes))
    assert bool(words) == bool(unsaid(media, **changes))


def test_a_hang_writes_its_lines_until_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(HangError):
        Orders({"STANDIN_HANG_SECONDS": "0"}).hold("no decoder")
    assert capsys.readouterr().err == "no decoder\n"
