"""Downloads that are left, given up, or made smaller: what was asked for comes here, and the rest stays there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from run_life import MOVE, Home

from cosmos_core import Cosmos
from cosmos_core.errors import TargetUnusable, UsageError
from cosmos_core.runs.lease import held
from cosmos_core.store.records import RunRecord

LINK = os.link


def link_all_but_videos(source: str, to: Path) -> None:
    """Videos have to be copied, as to another disk."""
    if source.endswith(".mp4"):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    LINK(source, to)


def left_downloading(home: Home, cosmos: Cosmos) -> RunRecord:
    """A run whose client was killed as its download began."""
    run = home.store_run(cosmos)
    home.dies(run.id, MOVE, 4, "after")
    assert cosmos.store.run(run.id).status == "downloading"
    return run


def here(run: RunRecord) -> set[str]:
    """The kinds of outputs that are on this machine."""
    return {artifact.role for artifact in run.artifacts if artifact.path and Path(artifact.path).is_file()}


def test_a_download_that_is_cancelled_leaves_the_results_where_they_are(home: Home) -> None:
    cosmos = home.cosmos()
    run = left_downloading(home, cosmos)
    done = cosmos.cancel(run.id)
    assert done.status == "completed"
    assert [a.path for a in done.artifacts if a.role == "result"] == [None]
    assert any("download was cancelled" in words and f"cosmos fetch {run.id}" in words for words in done.warnings)
    assert cosmos.sync() == ()
    (result,) = (a for a in cosmos.fetch(run.id, "results").artifacts if a.role == "result")
    assert result.path
    assert Path(result.path).is_file()


def test_a_download_that_was_left_is_fetched_in_part(home: Home) -> None:
    cosmos = home.cosmos()
    run = left_downloading(home, cosmos)
    remains = home.folder / "home" / "outputs" / run.id / ".edge.mp4.part"
    remains.parent.mkdir(parents=True, exist_ok=True)
    remains.write_bytes(b"of a try before")
    done = cosmos.fetch(run.id, "results")
    assert done.status == "completed"
    assert "result" in here(done)
    assert "control" not in here(done)
    assert cosmos.store.run(run.id) == done
    assert not remains.exists()
    told: list[RunRecord] = []
    assert "control" in here(cosmos.fetch(run.id, on_progress=told.append))
    assert [(now.status, now.progress.percentage) for now in told if now.progress][-1] == ("downloading", 100)


def test_what_a_broken_fetch_left_is_cleared_away_with_its_run_ended(home: Home) -> None:
    cosmos = home.cosmos()
    run = left_downloading(home, cosmos)
    part = home.folder / "home" / "outputs" / run.id / ".edge.mp4.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"not all of it")
    os.utime(part, (0, 0))
    assert cosmos.leftovers().files == ()  # the run goes on with it
    cosmos.sync()
    part.write_bytes(b"not all of it")
    assert cosmos.leftovers().files == ()  # somebody may be writing it
    os.utime(part, (0, 0))
    plan = cosmos.leftovers()
    assert [(file.path, file.kind) for file in plan.files] == [(part, "part")]
    assert cosmos.remove_leftovers(plan) == plan.files
    assert not part.exists()


def test_what_another_process_downloads_is_left_to_it(home: Home) -> None:
    cosmos = home.cosmos()
    run = left_downloading(home, cosmos)
    with held(cosmos.store, cosmos.store.run(run.id).job_id or ""), pytest.raises(UsageError) as refused:
        cosmos.fetch(run.id, "results")
    assert f"another process moves {run.id}, which is downloading" in refused.value.message
    assert f"cosmos attach {run.id}" in refused.value.hint
    assert f"cosmos cancel {run.id}" in refused.value.hint
    assert cosmos.fetch(run.id).status == "completed"


def test_where_there_is_no_room_a_part_may_be_fetched(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    cosmos = home.cosmos()
    run = left_downloading(home, cosmos)
    with monkeypatch.context() as full:
        full.setattr("os.link", link_all_but_videos)
        full.setattr("cosmos_core.targets.local.free_at", lambda _: (0, "/"))
        (paused,) = cosmos.sync()
        assert paused.paused
        assert f"cosmos fetch {run.id} --only results" in paused.paused.hint
        assert f"cosmos cancel {run.id}" in paused.paused.hint
        assert {artifact.role for artifact in paused.artifacts} >= {"result", "control"}  # what there is, is known
        with pytest.raises(TargetUnusable, match="no space left here") as refused:
            cosmos.fetch(run.id, "results")
        assert "--only" not in refused.value.hint
        assert cosmos.cancel(run.id).status == "completed"
        with pytest.raises(TargetUnusable, match="no space left here") as refused:
            cosmos.fetch(run.id)
        assert refused.value.hint == (
            f"make room here, then `cosmos fetch {run.id}` goes on"
            f"; or `cosmos fetch {run.id} --only results` brings the results only"
        )
    assert {"result", "control"} <= here(cosmos.fetch(run.id))
