"""Image sequences as inputs of prompts: rates, what is remembered, and what changes in between."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pictures import write_picture, write_sequence

from cosmos_core import Cosmos, Refused
from cosmos_core.demo import make_clip
from cosmos_core.runs.frames import Encoding
from cosmos_core.runs.wish import Wish
from cosmos_core.store.records import PromptRecord, RunRecord

SIZE = (64, 36)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cosmos]:
    """The API with a home of this test's own."""
    for name in ("COSMOS_CONFIG", "COSMOS_TARGET", "COSMOS_STORE_URL", "COSMOS_SIMULATE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COSMOS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with Cosmos() as opened:
        yield opened


@pytest.fixture
def told(api: Cosmos) -> list[Encoding]:
    """What is told of encoding."""
    found: list[Encoding] = []
    api.on_encoding = found.append
    return found


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    return write_sequence(tmp_path / "frames", size=SIZE)


def create(api: Cosmos, inputs: dict[str, Any], **wish: Any) -> PromptRecord:
    return api.create_prompt("transfer", "rain", inputs=inputs, parameters={"weights.edge": 1}, **wish)


def problems_of(api: Cosmos, inputs: dict[str, Any], **wish: Any) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        create(api, inputs, **wish)
    return {problem.field: problem.message for problem in caught.value.problems}


def encoded(told: list[Encoding]) -> list[str]:
    """The sequences that were encoded, as often as they were."""
    return [Path(at.pattern).name for at in told if at.stage == "encoding" and at.done == at.count]


def test_a_prompt_remembers_where_its_video_came_from(api: Cosmos, frames: Path) -> None:
    prompt = create(api, {"video": frames, "depth": f"{frames}/d.####.png"}, input_fps="23.976")
    video, depth = api.prompt(prompt.id).inputs
    assert video.frames is not None
    assert depth.frames is not None
    assert (video.frames.pattern, video.frames.first, video.frames.last) == (f"{frames}/d.####.png", 1, 4)
    assert (video.frames.rate, video.frames.count, len(video.frames.sha256)) == ("24000/1001", 4, 64)
    assert (video.frames.lossless, depth.frames.lossless) == (False, True)
    assert (video.name, video.ref) == ("d.mp4", str(frames))
    assert video.media is not None
    assert (video.media.frames, video.media.width, video.media.pixel) == (4, 64, "yuv420p")
    assert depth.media is not None
    assert depth.media.pixel == "gbrp"
    assert video.path is not None
    assert Path(video.path).stat().st_size == video.bytes


def test_the_same_pictures_are_encoded_once(api: Cosmos, frames: Path, tmp_path: Path, told: list[Encoding]) -> None:
    [first] = create(api, {"video": frames}, input_fps=24).inputs
    copy = tmp_path / "moved"
    shutil.copytree(frames, copy)
    for number in (4, 3, 2, 1):
        (copy / f"d.000{number}.png").rename(copy / f"x.{1000 + number}.png")
    [second] = create(api, {"video": copy}, input_fps=24).inputs
    assert encoded(told) == ["d.####.png"]
    assert (first.sha256, first.path) == (second.sha256, second.path)
    [third] = create(api, {"video": copy}, input_fps=25).inputs
    assert third.sha256 != first.sha256


def test_a_video_that_is_not_whole_is_made_again(api: Cosmos, frames: Path) -> None:
    [first] = create(api, {"video": frames}, input_fps=24).inputs
    assert first.path is not None
    os.truncate(first.path, 100)
    [second] = create(api, {"video": frames}, input_fps=24).inputs
    assert (second.sha256, second.bytes) == (first.sha256, Path(first.path).stat().st_size)


def test_the_rate_is_asked_for(api: Cosmos, frames: Path) -> None:
    found = problems_of(api, {"video": frames, "depth": frames})
    assert list(found) == ["input_fps"]
    assert found["input_fps"] == "the pictures for depth and video have no rate"


def test_all_that_is_wrong_is_told_while_the_rate_is_unknown(api: Cosmos, frames: Path) -> None:
    write_picture(frames / "d.0003.png", size=(32, 32))
    found = problems_of(api, {"video": frames, "depth": "nowhere.mp4"})
    assert sorted(found) == ["depth", "input_fps", "video"]
    assert "d.0003.png is 32x32" in found["video"]


def test_beside_a_video_a_sequence_has_its_rate(api: Cosmos, frames: Path, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "street.mp4", frames=4)
    depth = create(api, {"video": clip, "depth": frames}).inputs[1]
    assert depth.frames is not None
    assert depth.frames.rate == "24"


def test_of_two_rates_beside_it_none_is_taken(api: Cosmos, frames: Path, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "street.mp4", frames=4)
    other = create(api, {"video": frames}, input_fps=12).inputs[0].path
    assert "input_fps" in problems_of(api, {"video": clip, "seg": other, "depth": frames})


def test_a_slot_may_have_a_rate_of_its_own(api: Cosmos, frames: Path) -> None:
    prompt = create(api, {"video": frames, "depth": frames}, input_fps={"": 24, "depth": 12})
    assert [item.frames.rate for item in prompt.inputs if item.frames] == ["24", "12"]


def test_a_rate_for_nothing_is_refused(api: Cosmos, frames: Path, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "street.mp4", frames=4)
    assert problems_of(api, {"video": clip}, input_fps=24) == {"input_fps": "there is no image sequence"}
    found = problems_of(api, {"video": frames}, input_fps={"": 24, "depht": 12})
    assert found == {"input_fps": "depht is no image sequence"}
    assert list(problems_of(api, {"video": tmp_path / "gone"}, input_fps=24)) == ["video"]
    assert problems_of(api, {"video": frames}, input_fps="fast") == {"input_fps": "'fast' is not a frame rate"}


def test_a_slot_without_videos_takes_no_folder(api: Cosmos, frames: Path) -> None:
    found = problems_of(api, {"video": frames, "dept": frames}, input_fps=24)
    assert "unknown input" in found["dept"]


def test_a_run_of_other_pictures_keeps_the_rate(api: Cosmos, frames: Path, tmp_path: Path) -> None:
    prompt = create(api, {"video": frames}, input_fps=30)
    others = write_sequence(tmp_path / "others", 5, 6, 7, size=SIZE)
    run = api.store_run(Wish(source=prompt.id, inputs=(("video", str(others)),)))
    [video] = api.prompt(run.prompt_id).inputs
    assert video.frames is not None
    assert (video.frames.rate, video.frames.first) == ("30", 5)


def test_a_run_at_another_rate_is_another_prompt(api: Cosmos, frames: Path) -> None:
    prompt = create(api, {"video": frames}, input_fps=30)
    run = api.store_run(Wish(source=prompt.id, input_fps={"": "25"}))
    assert run.prompt_id != prompt.id
    [video] = api.prompt(run.prompt_id).inputs
    assert video.frames is not None
    assert video.frames.rate == "25"


def render_again(folder: Path) -> None:
    for number in range(1, 5):
        write_picture(folder / f"d.{number:04d}.png", 90 + number, size=SIZE)


def render_one_more(folder: Path) -> None:
    write_picture(folder / "d.0005.png", 5, size=SIZE)


def renumber(folder: Path) -> None:
    for number in range(1, 5):
        (folder / f"d.{number:04d}.png").rename(folder / f"d.{number + 1000}.png")


def write_others(folder: Path) -> None:
    shutil.rmtree(folder)
    write_picture(folder / "d.0001.jpg", size=SIZE, pixel="yuvj420p")


CHANGES = {
    render_again: "",
    lambda folder: (folder / "d.0002.png").unlink(): "",
    lambda folder: (folder / "d.0004.png").unlink(): ": then it was 1-4, now it is 1-3",
    render_one_more: ": then it was 1-4, now it is 1-5",
    renumber: ": then it was 1-4, now it is 1001-1004",
    write_others: "",
}


@pytest.fixture
def old(api: Cosmos, frames: Path) -> RunRecord:
    """A run of the pictures, done long ago: the target has their video in its cache."""
    run = api.run(create(api, {"video": frames}, input_fps=24).id)
    assert run.status == "completed"
    return run


def test_pictures_that_changed_are_refused_though_the_target_has_their_video(
    api: Cosmos, frames: Path, old: RunRecord
) -> None:
    stored = api.create_run(old.id, name="stored before")
    before = {path.name: path.read_bytes() for path in frames.iterdir()}
    ways: list[tuple[str, Callable[[], object]]] = [
        (old.id, lambda: api.store_run(Wish(source=old.id, parameters={"seed": 2}))),
        (old.id, lambda: api.store_run(Wish(source=old.id, input_fps={"video": 12}))),
        (old.id, lambda: api.dry_run(Wish(source=old.id))),
        (old.id, lambda: api.retry(old.id)),
        (old.prompt_id, lambda: api.create_run(old.prompt_id)),
        (stored.id, lambda: api.run(stored.id)),
        (stored.id, lambda: api.start(stored.id)),
    ]
    for change, told in CHANGES.items():
        change(frames)
        for source, again in ways:
            with pytest.raises(Refused) as caught:
                again()
            [problem] = caught.value.problems
            assert (problem.field, problem.code) == ("video", "input_changed")
            assert problem.message == f"{frames}/d.####.png has changed since its prompt was stored{told}"
            taken = f"`cosmos run --from {source} --input video={frames}/` takes them as they are now"
            assert problem.hint == taken
        shutil.rmtree(frames)
        frames.mkdir()
        for name, content in before.items():
            (frames / name).write_bytes(content)
    assert api.store.run(stored.id).submitted_at is None
    render_again(frames)
    new = api.store_run(Wish(source=old.id, inputs=(("video", f"{frames}/"),)))
    assert api.prompt(new.prompt_id).inputs[0].sha256 != api.prompt(old.prompt_id).inputs[0].sha256


def test_pictures_that_are_gone_are_no_loss_and_told(api: Cosmos, frames: Path, old: RunRecord) -> None:
    shutil.rmtree(frames)
    for clear in (lambda: frames.mkdir(), lambda: shutil.rmtree(api.config.home / "sequences")):
        run = api.create_run(old.prompt_id)
        assert run.prompt_id == old.prompt_id
        [warning] = run.warnings
        assert f"video: {frames}/d.####.png is gone: the video that was made of it is used -> " in warning
        clear()


def test_pictures_that_are_gone_with_their_video_are_refused(api: Cosmos, frames: Path) -> None:
    prompt = create(api, {"video": frames}, input_fps=24)
    shutil.rmtree(frames)
    shutil.rmtree(api.config.home / "sequences")
    with pytest.raises(Refused, match=r"1 problem[\s\S]*is gone"):
        api.create_run(prompt.id)


def test_a_video_that_was_cleared_away_is_made_again(api: Cosmos, frames: Path) -> None:
    prompt = create(api, {"video": frames}, input_fps=24)
    shutil.rmtree(api.config.home / "sequences")
    api.create_run(prompt.id)
    assert prompt.inputs[0].path is not None
    assert Path(prompt.inputs[0].path).exists()


def test_videos_that_can_be_made_again_are_cleared_away(api: Cosmos, frames: Path) -> None:
    prompt = create(api, {"video": frames}, input_fps=24)
    video = Path(prompt.inputs[0].path or "")
    assert api.leftovers().files == ()  # made just now
    os.utime(video, (0, 0))
    run = api.create_run(prompt.id)
    assert api.leftovers().kept == ((video, "unfinished"),)
    api.cancel(run.id)
    away = frames.rename(frames.with_name("away"))
    assert api.leftovers().kept == ((video, "pictures gone"),)
    away.rename(frames)
    plan = api.leftovers()
    assert [(file.path, file.kind) for file in plan.files] == [(video, "sequence")]
    assert plan.bytes > 0
    again = api.create_run(prompt.id)
    assert api.remove_leftovers(plan) == ()  # it is wanted since
    api.cancel(again.id)
    assert api.remove_leftovers(plan) == plan.files
    assert not video.exists()
    assert api.create_run(prompt.id).prompt_id == prompt.id
    assert video.exists()


def test_a_dry_run_writes_nothing_and_tells(api: Cosmos, frames: Path, told: list[Encoding]) -> None:
    inputs = (("video", str(frames)),)
    wish = Wish(model="transfer", text="rain", inputs=inputs, parameters={"weights.edge": 1}, input_fps={"": 24})
    dry = api.dry_run(wish)
    [item] = dry.encodes
    assert item.frames is not None
    assert (item.frames.first, item.frames.last, item.sha256, dry.request_hash) == (1, 4, None, None)
    assert encoded(told) == []
    assert not (api.config.home / "sequences").exists()
    run = api.store_run(wish)
    dry = api.dry_run(wish)
    assert dry.encodes == ()
    assert dry.request_hash == run.metadata["request_hash"]


def test_what_does_not_belong_is_warned_of(api: Cosmos, frames: Path) -> None:
    write_picture(frames / "contact.png")
    run = api.store_run(Wish(source=create(api, {"video": frames}, input_fps=24).id))
    assert run.warnings == ()
    inputs = (("video", str(frames)),)
    wish = Wish(model="transfer", text="rain", inputs=inputs, parameters={"weights.edge": 1}, input_fps={"": 24})
    assert "left out: contact.png" in api.store_run(wish).warnings[0]


def test_a_spec_may_name_one(api: Cosmos, frames: Path) -> None:
    spec = frames.parent / "spec.json"
    spec.write_text('{"name": "a", "prompt": "rain", "video_path": "frames/d.%04d.png", "edge": {}}')
    [wish] = api.read_spec(spec)
    [video] = api.store_prompt(
        Wish(model="transfer", text="a", inputs=wish.inputs, parameters=wish.parameters, input_fps={"": 24})
    ).inputs
    assert video.frames is not None
    assert video.frames.last == 4


def test_a_path_with_nul_in_a_spec_is_a_problem(api: Cosmos, tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text('{"name": "a", "prompt": "rain", "video_path": "a\\u0000b.mp4", "edge": {}}')
    [wish] = api.read_spec(tmp_path / "spec.json")
    with pytest.raises(Refused) as caught:
        api.store_prompt(wish)
    [problem] = caught.value.problems
    assert (problem.field, problem.message) == ("video", "there is a NUL character in the path")


@pytest.mark.parametrize("path", ["a\0b.mp4", "x" * 5000 + ".mp4", "y" * 5000 + "#.png"])
def test_what_cannot_be_a_path_is_a_problem(api: Cosmos, path: str) -> None:
    assert list(problems_of(api, {"video": path})) == ["video"]


def test_what_could_not_be_encoded_is_not_told_as_encoded(
    api: Cosmos, frames: Path, tmp_path: Path, told: list[Encoding]
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "sequences").touch()
    found = problems_of(api, {"video": frames}, input_fps=24)
    assert "cannot be written" in found["video"]
    assert encoded(told) == []
    assert (told[-1].stage, told[-1].done) == ("checking", 4)


def test_no_rate_is_asked_for_what_is_no_sequence(api: Cosmos, tmp_path: Path) -> None:
    folder = tmp_path / "takes"
    make_clip(folder / "street.mp4", frames=4)
    with pytest.raises(Refused) as caught:
        create(api, {"video": folder})
    [problem] = caught.value.problems
    assert problem.hint == f"name the file in it: {folder}/street.mp4"


def test_what_will_be_refused_is_not_encoded_first(api: Cosmos, frames: Path, tmp_path: Path) -> None:
    deep = tmp_path / "deep"
    for number in range(1, 5):
        write_picture(deep / f"d.{number:04d}.png", number, size=SIZE, pixel="gray16be")
    refused: list[tuple[dict[str, Any], Any, set[str]]] = [
        ({"video": frames, "depth": deep}, 24, {"depth"}),
        ({"video": frames, "depth": frames}, {"depth": 12}, {"input_fps"}),
        ({"video": frames, "depth": "nowhere.mp4"}, 24, {"depth"}),
    ]
    for inputs, rate, fields in refused:
        with pytest.raises(Refused) as caught:
            create(api, inputs, input_fps=rate)
        assert {problem.field for problem in caught.value.problems} == fields
        assert not (api.config.home / "sequences").exists()
    with pytest.raises(Refused):
        api.create_prompt("transfer", "rain", inputs={"video": frames}, parameters={"num_step": 4}, input_fps=24)
    assert not (api.config.home / "sequences").exists()


def test_sequences_of_other_frames_are_warned_of(api: Cosmos, frames: Path, tmp_path: Path) -> None:
    depth = write_sequence(tmp_path / "depth", *range(3, 8), size=SIZE)
    wish = Wish(
        model="transfer", text="rain", inputs=(("video", str(frames)), ("depth", str(depth))), input_fps={"": "24"}
    )
    [warning] = api.dry_run(wish).problems
    words = "video has the frames 1-4 and depth 3-7: they are paired by position, so depth is 2 frames early"
    assert (warning.field, warning.message) == ("depth", words)
