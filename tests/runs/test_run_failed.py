"""What can go wrong with a job: the right state, a code, words, and whatever it left is kept."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from run_life import MOVE, Home, processes, until, whole

FAILURES = {
    "no_cuda_extra": "environment",
    "no_uvx": "uvx_missing",
    "missing_checkpoint": "checkpoint_missing",
    "gated_model": "gated_model",
    "blocked_prompt": "prompt_blocked",
    "blocked_negative_prompt": "prompt_blocked",
    "blocked_video": "video_blocked",
    "out_of_memory": "out_of_memory",
    "crash": "killed",
    "cut_output": "unreadable_output",
}


@pytest.mark.parametrize(("order", "code"), FAILURES.items())
def test_each_failure_of_the_toolkit(home: Home, monkeypatch: pytest.MonkeyPatch, order: str, code: str) -> None:
    monkeypatch.setenv("STANDIN_FAIL", order)
    cosmos = home.cosmos()
    run = cosmos.execute(home.store_run(cosmos).id)
    assert run.status == "failed"
    assert run.error
    assert run.error.code == code
    assert run.error.message
    assert run.error.hint
    folder = home.job_dir(run)
    kept = home.folder / "home" / "outputs" / run.id
    assert (kept / "run.log").read_bytes() == (folder / "run.log").read_bytes() != b""
    for artifact in run.artifacts:
        assert Path(artifact.path or "").read_bytes() == Path(artifact.remote).read_bytes()
    assert {f.name for f in (folder / "outputs").iterdir()} <= {f.name for f in kept.iterdir()}
    until(lambda: not processes(folder.name))
    assert cosmos.sync() == ()


def test_a_cut_output_is_seen_wherever_the_work_is_done(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_FAIL", "cut_output")
    home.configure('[targets.simulator]\nwork_dir = "my/outputs/cosmos"\n')
    cosmos = home.cosmos()
    run = cosmos.execute(home.store_run(cosmos).id)
    assert home.job_dir(run).is_relative_to(home.folder / "my" / "outputs" / "cosmos")
    assert run.error
    assert run.error.code == "unreadable_output"


def test_what_hangs_is_ended_by_its_time_limit(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_FAIL", "hang")
    cosmos = home.cosmos()
    run = cosmos.execute(home.store_run(cosmos, timeout_s=1).id)
    assert run.status == "failed"
    assert run.error
    assert run.error.code == "time_limit"
    assert "1 second" in run.error.message
    assert "video" not in run.outputs.files
    assert not processes(home.job_dir(run).name)


def test_a_blocked_prompt_on_several_gpus_does_not_hang(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_FAIL", "blocked_prompt")
    cosmos = home.cosmos()
    run = cosmos.execute(home.store_run(cosmos, gpus=2).id)
    assert run.status == "failed"
    assert run.error
    assert run.error.code == "prompt_blocked"
    assert run.started_at
    assert run.completed_at
    assert (run.completed_at - run.started_at).total_seconds() < 20
    assert not processes(home.job_dir(run).name)


def _running(home: Home, monkeypatch: pytest.MonkeyPatch, step: str = "60") -> tuple[str, Path]:
    monkeypatch.setenv("STANDIN_STEP_SECONDS", step)
    cosmos = home.cosmos()
    handle = cosmos.submit(home.store_run(cosmos).id)
    folder = home.job_dir(cosmos.store.run(handle.id))
    until(lambda: b"Generating samples" in (folder / "run.log").read_bytes())
    return handle.id, folder


def _kill(folder: Path) -> None:
    while alive := processes(folder.name):
        for pid in sorted(alive, reverse=True):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def test_keeper_and_work_killed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id, folder = _running(home, monkeypatch)
    keeper = int((folder / "claim.1").readlink().name.split()[0])
    os.kill(keeper, signal.SIGKILL)
    _kill(folder)
    with (folder / "run.log").open("a") as log:
        log.write("\nlast words\n")
    (run,) = home.cosmos().sync()
    assert run.status == "lost"
    assert run.error
    assert run.error.code == "lost"
    assert "gone" in run.error.message
    assert run_id in run.error.hint
    assert "last words" in (home.folder / "home" / "outputs" / run_id / "run.log").read_text()


def test_lost_is_corrected_once_evidence_turns_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id, folder = _running(home, monkeypatch, step="0.2")
    script = (folder / "job.sh").rename(folder / "away")
    cosmos = home.cosmos()
    (lost,) = cosmos.sync()
    assert lost.status == "lost"
    assert lost.error
    assert str(folder) in lost.error.message
    assert cosmos.sync() == (lost,)
    until(lambda: (folder / "exit_code").exists())
    script.rename(folder / "job.sh")
    (found,) = cosmos.sync(follow=True)
    whole(home, found)
    assert found.id == run_id


def test_a_folder_removed_while_its_outputs_are_awaited(home: Home) -> None:
    cosmos = home.cosmos()
    run = home.store_run(cosmos)
    home.dies(run.id, MOVE, 4, "after")
    shutil.rmtree(home.job_dir(run))
    (lost,) = cosmos.sync()
    assert lost.status == "lost"
    assert lost.error
    assert "is gone" in lost.error.message
