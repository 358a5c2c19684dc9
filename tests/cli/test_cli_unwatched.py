"""Runs that nobody follows: how old what is told of them is, and what `sync` says of them."""

from __future__ import annotations

from real_processes import until


def launched(cosmos, transfer):
    """A run whose work is done on its host, which nobody here has seen yet."""
    run = cosmos.json("run", *transfer, "--detach")
    until(lambda: list(cosmos.home.glob(f"simulator/jobs/{run['job_id']}/exit_code")))
    return run["id"]


def test_what_is_told_of_a_run_that_nobody_follows_says_how_old_it_is(cosmos, transfer):
    run = launched(cosmos, transfer)
    assert cosmos("show", run, "--json").document["status"] == "running"

    status = cosmos("status")
    assert "running  nothing" in status.out
    assert f"{run}, ended; last seen running, `cosmos sync` moves it on" in status.out
    (target,) = cosmos.json("status")["items"]
    assert (target["running"], target["waiting"]) == ([], [])
    assert [(job["run"], job["state"]) for job in target["jobs"]] == [(run, "ended")]

    listed = cosmos("list", "runs")
    assert f"last seen: {run} " in listed.err
    assert "`cosmos sync` looks again" in listed.err
    shown = cosmos("show", run)
    assert "`cosmos sync` looks again" in next(line for line in shown.out.splitlines() if line.startswith("  as of"))

    synced = cosmos("sync")
    assert synced.code == 0
    assert "inference" not in synced.err
    assert f"completed  {run}" in synced.out
    assert "last seen" not in cosmos("list", "runs").err
    assert "looks again" not in cosmos("show", run).out


def test_one_trouble_of_several_runs_is_told_once(cosmos, transfer):
    in_the_way = cosmos.home / "simulator"
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.write_text("in the way")
    prompt = cosmos("create", "prompt", *transfer, "-q").out.strip()
    runs = [cosmos("create", "run", prompt, "-q").out.strip() for _ in range(3)]
    for command in (("inference", *runs), ("sync",)):
        told = cosmos(*command, "--progress", "none")
        assert told.code == 4
        assert sorted(line.split()[:2] for line in told.out.splitlines() if line.startswith("paused")) == [
            ["paused", run] for run in sorted(runs)
        ]
        assert told.err.count("error:") == 1
        assert told.err.count("next:") == 1
        assert "3 runs are kept; `cosmos sync` goes on with them" in told.err
