"""Runs that nothing befalls: attached, detached, fetched later, copied, done again."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import av
import pytest
from attrs import evolve
from run_life import Home, make_clip, until, whole

from cosmos_core.errors import Refused
from cosmos_core.runs.collect import artifacts_of
from cosmos_core.runs.wish import Wish
from cosmos_core.runs.work import Work, work_of
from cosmos_core.store.records import RunRecord
from cosmos_core.values import Fetch


def test_attached(home: Home) -> None:
    cosmos = home.cosmos()
    seen: list[str] = []
    run = cosmos.execute(home.store_run(cosmos).id, lambda run: seen.append(run.status))
    whole(home, run)
    assert run.simulated
    order = list(dict.fromkeys(seen))
    assert order == ["pending", "uploading", "queued", "running", "downloading", "parsing", "completed"]
    with av.open(run.outputs.files["video"]) as container:
        assert len(list(container.decode(video=0))) == 9
    assert cosmos.store.run(run.id) == run


def test_detached_and_followed_by_another_process(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "0.1")
    starter = home.client("print(cosmos.start(words[0]).status)", home.store_run().id)
    out, err = starter.communicate()
    assert (out, starter.returncode) == ("running\n", 0), err
    cosmos = home.cosmos()
    run = cosmos.store.runs().items[0]
    seen: list[float] = []
    done = cosmos.follow(run.id, lambda r: seen.append(r.progress.percentage or 0.0) if r.progress else None)
    whole(home, done)
    assert any(0 < percentage < 100 for percentage in seen)


def test_the_simulator_has_a_line_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "60")
    cosmos = home.cosmos()
    first = cosmos.start(home.store_run(cosmos).id)
    second = cosmos.start(home.store_run(cosmos, gpus=2).id)
    assert (first.status, second.status) == ("running", "queued")
    assert second.queue
    assert second.queue.ahead == 0
    (simulator,) = cosmos.status()
    assert [run.id for run in simulator.running] == [first.id]
    assert [run.id for run in simulator.waiting] == [second.id]
    cosmos.cancel(first.id)
    until(lambda: cosmos.mover.go_on(second.id, "now").status == "running")
    assert "gpus" not in cosmos.store.run(second.id).metadata  # it has none
    cosmos.cancel(second.id)


def test_looking_often_tells_progress_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks again reads the log from its start again, and remembers nothing twice."""
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "0.15")
    cosmos = home.cosmos()
    handle = cosmos.submit(home.store_run(cosmos).id)
    until(lambda: handle.progress().ended)
    rows = [(row.stage, row.percentage, row.message) for row in cosmos.store.progress(handle.id)]
    assert len(rows) == len(set(rows))
    shares = [share for stage, share, _ in rows if stage == "inference" and share is not None]
    assert shares == sorted(shares)


def test_of_many_steps_each_is_shown_and_each_percent_written_down(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "0.1")
    cosmos = home.cosmos()
    handle = cosmos.submit(home.store_run(cosmos, parameters={"num_steps": 1000}).id)
    shown, enough = set[str](), threading.Event()

    def seen(run: RunRecord) -> None:
        if run.progress and "sampling" in run.progress.message:
            shown.add(run.progress.message)
        if len(shown) > 40:
            enough.set()

    watching = threading.Thread(target=handle.wait, args=(seen,))
    watching.start()
    assert enough.wait(60)
    home.cosmos().cancel(handle.id)
    watching.join()
    rows = [row for row in cosmos.store.progress(handle.id) if "sampling" in row.message]
    assert {int(row.percentage or 0) for row in rows} >= {1, 2, 3}
    assert len(rows) < len(shown) / 3


def test_fetched_later(home: Home) -> None:
    cosmos = home.cosmos()
    run = cosmos.execute(home.store_run(cosmos, fetch="none").id)
    assert run.status == "completed"
    assert "video" not in run.outputs.files
    fetched = cosmos.fetch(run.id)
    assert Path(fetched.outputs.files["video"]).stat().st_size
    assert Path(cosmos.path(run.id)).exists()
    again = cosmos.execute(cosmos.create_run(run.id, fetch="results").id)
    assert again.status == "completed"
    assert "control_edge" not in again.outputs.files


def test_done_again_it_is_a_new_run_of_the_same(home: Home) -> None:
    cosmos = home.cosmos()
    old = cosmos.execute(home.store_run(cosmos, parameters={"seed": 7}, timeout_s=300).id)
    new = cosmos.retry(old.id)
    assert new.retry_of == old.id
    assert new.prompt_id == old.prompt_id
    assert new.execution_config == old.execution_config
    assert new.metadata["request_hash"] == old.metadata["request_hash"]
    assert new.submitted_at is None
    whole(home, cosmos.execute(new.id))
    assert cosmos.store.run(old.id) == old


def test_two_runs_with_one_input_upload_it_once(home: Home) -> None:
    cosmos = home.cosmos()
    for _ in range(2):
        whole(home, cosmos.execute(home.store_run(cosmos).id))
    work_dir = Path(cosmos.config.simulator.work_dir)
    (cached,) = [f for f in (work_dir / "inputs").rglob("*") if f.is_file()]
    assert cached.stat().st_nlink == 3
    assert cached.stat().st_mode & 0o777 == 0o400
    assert work_dir.stat().st_mode & 0o777 == 0o700


def test_the_output_of_an_earlier_run_is_an_input(home: Home) -> None:
    cosmos = home.cosmos()
    first = cosmos.execute(home.store_run(cosmos).id)
    second = cosmos.execute(home.store_run(cosmos, inputs={"video": f"{first.id}:video"}).id)
    whole(home, second)
    (parent,) = second.parents
    assert (parent.parent_id, parent.artifact, parent.slot) == (first.id, "video", "video")
    video = next(a for a in first.artifacts if a.name == "video")
    (placed,) = (home.job_dir(second) / "inputs").iterdir()
    assert placed.samefile(video.remote)


def test_an_output_that_is_only_there_still_is_an_input(home: Home) -> None:
    cosmos = home.cosmos()
    first = cosmos.execute(home.store_run(cosmos).id)
    prompt = cosmos.create_prompt("transfer", "again", inputs={"video": first.id}, parameters={"weights.edge": 1})
    Path(first.outputs.files["video"]).unlink()
    assert cosmos.run(prompt.id).status == "completed"


def test_a_file_that_is_on_the_target_gets_no_second_name(home: Home) -> None:
    clip = make_clip(home.folder / "there.mp4", shade=3)
    cosmos = home.cosmos()
    run = cosmos.execute(home.store_run(cosmos, inputs={"video": f"simulator:{clip}"}).id)
    whole(home, run)
    (placed,) = (home.job_dir(run) / "inputs").iterdir()
    assert placed.is_symlink()
    assert placed.readlink() == clip
    assert clip.stat().st_nlink == 1
    waiting = cosmos.store_runs([Wish(source=run.id)], submit=True)[0]
    make_clip(clip, shade=4, frames=12)
    with pytest.raises(Refused, match=f"{clip} has changed since its prompt was stored"):
        cosmos.retry(run.id)
    paused = cosmos.follow(waiting.id)  # the same on a host over SSH, where its size is looked at
    assert paused.paused
    assert re.search(f"{clip} on .+ has changed since its prompt was stored: it was [0-9]+ bytes", paused.paused.reason)


def test_an_input_changed_since_is_refused_and_one_that_is_gone_unless_the_target_has_it(home: Home) -> None:
    clip = make_clip(home.folder / "mine.mp4", shade=5)
    cosmos = home.cosmos()
    old = home.store_run(cosmos, inputs={"video": clip})
    stored = len(cosmos.list_runs().items)
    make_clip(clip, shade=6)
    with pytest.raises(Refused, match="nothing was stored") as caught:
        cosmos.create_run(old.prompt_id)
    (problem,) = caught.value.problems
    assert (problem.field, problem.code) == ("video", "input_changed")
    clip.unlink()
    with pytest.raises(Refused) as caught:
        cosmos.create_run(old.prompt_id)
    assert "is gone" in caught.value.problems[0].message
    assert len(cosmos.list_runs().items) == stored
    paused = cosmos.execute(old.id)  # stored before the file went: it is kept
    assert paused.paused
    assert str(clip) in paused.paused.reason
    make_clip(clip, shade=5)
    (done,) = cosmos.sync(follow=True)
    whole(home, done)
    clip.unlink()
    again = cosmos.retry(done.id)
    assert f"{clip} is gone: the copy on the target is used" in again.warnings[0]
    make_clip(clip, shade=6)
    for run in (lambda: cosmos.run(old.prompt_id), lambda: cosmos.execute(again.id)):
        with pytest.raises(Refused, match=f"--input video={clip}"):
            run()
    make_clip(clip, shade=5)
    whole(home, cosmos.execute(again.id))


def work_with_videos(home: Home) -> Work:
    """What a run's outputs are named by: its videos by one name, all else by where it lies."""
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    work = work_of(run, cosmos.prompt(run.prompt_id), cosmos.models, "/job")
    fetch = (Fetch(pattern="*.mp4", role="result", name="video"), Fetch(pattern="**", role="data"))
    return evolve(work, bundle=evolve(work.bundle, fetch=fetch))


def test_outputs_are_known_by_the_pattern_that_the_verdict_uses(home: Home) -> None:
    """`*` stays within one folder."""
    work = work_with_videos(home)
    found = artifacts_of(work, "/job/outputs", {"sub/a.mp4": 1, "b.mp4": 2, "c.json": 3})
    assert [(a.name, a.role, a.remote) for a in found] == [
        ("video", "result", "/job/outputs/b.mp4"),
        ("c.json", "data", "/job/outputs/c.json"),
        ("sub/a.mp4", "data", "/job/outputs/sub/a.mp4"),
    ]


def test_many_outputs_of_one_pattern_get_names_of_their_own(home: Home) -> None:
    """Numbered, past names that files have themselves, and in no more time for each when they are many."""
    work = work_with_videos(home)
    few = artifacts_of(work, "/job/outputs", {"video-2": 1, "a.mp4": 1, "b.mp4": 1, "c.mp4": 1})
    assert {a.remote.rpartition("/")[2]: a.name for a in few} == {
        "video-2": "video-2",
        "a.mp4": "video",
        "b.mp4": "video-3",
        "c.mp4": "video-4",
    }

    def seconds(count: int) -> float:
        began = time.process_time()
        assert len({a.name for a in artifacts_of(work, "/job/outputs", {f"{n}.mp4": 1 for n in range(count)})}) == count
        return time.process_time() - began

    assert seconds(20_000) < 20 * 4 * min(seconds(1000) for _ in range(3))
