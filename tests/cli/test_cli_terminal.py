"""What a person sees and does at a terminal: bars, tables that fit, colours, Ctrl-C."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from terminal import Terminal

from cosmos_core import Cosmos
from cosmos_core.runs.lease import held

CTRL_C = "\x03"
STEP = {"STANDIN_STEP_SECONDS": "0.15"}  # five seconds of work: time enough to look


def at_terminal(shell, *args, columns=80, **env):
    environ = {**shell.environ, **env}
    environ.pop("NO_COLOR", None) if "NO_COLOR" not in env else None
    environ.pop("COLUMNS", None)
    return Terminal(shell.argv(*args), env=environ, cwd=shell.cwd, columns=columns)


def test_a_bar_shows_stage_percentage_time_spent_and_time_left(cosmos, transfer):
    with at_terminal(cosmos, "run", *transfer, STANDIN_STEP_SECONDS="0.03") as terminal:
        code = terminal.end()
        text = terminal.text

    assert code == 0
    assert re.search(r"inference ━+\S* *[━ ]* +\d+% [\d.]+ s sampling \d+/35", text)
    assert "(simulated)" in text
    assert "\x1b[?25h" in terminal.raw  # the cursor is back
    assert re.search(r"completed  rs_\w+", text)


def test_without_a_terminal_progress_is_lines_and_no_escape_is_written(cosmos, transfer):
    told = cosmos("run", *transfer, STANDIN_STEP_SECONDS="0.05")

    assert "\x1b" not in told.err + told.out
    assert re.search(r"^rs_\w+  inference  \d+%  \w+", told.err, re.MULTILINE)


def test_the_first_ctrl_c_detaches_and_the_run_goes_on(cosmos, transfer):
    with at_terminal(cosmos, "run", *transfer, **STEP) as terminal:
        terminal.until("sampling")
        terminal.press(CTRL_C)
        told = terminal.until("Ctrl-C again")
        code = terminal.end()

    id_ = re.search(r"rs_\w+", told)[0]
    assert code == 130
    assert f"cosmos attach {id_}" in told
    assert "Traceback" not in terminal.text
    assert cosmos.json("attach", id_)["status"] == "completed"


@pytest.mark.parametrize("seen", ["\ndetached", "Ctrl-C again"])  # also while the words are still being said
def test_a_second_ctrl_c_soon_after_cancels(cosmos, transfer, seen):
    with at_terminal(cosmos, "run", *transfer, **STEP) as terminal:
        terminal.until("sampling")
        terminal.press(CTRL_C)
        terminal.until(seen)
        terminal.press(CTRL_C)
        told = terminal.until("is cancelled")
        assert terminal.end() == 130

    assert cosmos.json("show", re.search(r"rs_\w+", told)[0])["status"] == "cancelled"


def test_ctrl_c_lets_go_of_an_attached_run_too(cosmos, transfer):
    id_ = cosmos.json("run", *transfer, "--detach", **STEP)["id"]

    with at_terminal(cosmos, "attach", id_) as terminal:
        terminal.until("sampling")
        terminal.press(CTRL_C)
        terminal.until(f"cosmos attach {id_}")
        assert terminal.end() == 130

    assert cosmos.json("wait", id_)["status"] == "completed"


KILLED_AS_ITS_DOWNLOAD_BEGINS = """
import os, signal, sys
from cosmos_core import Cosmos
from cosmos_core.store import Store
move = Store.move
def moved(*words, **more):
    answer = move(*words, **more)
    if more["to"] == "downloading":
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
Store.move = moved
Cosmos().execute(sys.argv[1])
"""


def test_ctrl_c_twice_while_it_downloads_cancels_the_download_only(cosmos, transfer, monkeypatch):
    prompt = cosmos.json("create", "prompt", *transfer)["id"]
    id_ = cosmos.json("create", "run", prompt)["id"]
    subprocess.run([sys.executable, "-c", KILLED_AS_ITS_DOWNLOAD_BEGINS, id_], env=cosmos.environ, cwd=cosmos.cwd)
    monkeypatch.setenv("COSMOS_HOME", str(cosmos.home))
    with (
        Cosmos() as other,
        held(other.store, other.store.run(id_).job_id),
        at_terminal(cosmos, "attach", id_) as terminal,
    ):
        terminal.until("downloading")  # by somebody else, who does not get on
        terminal.press(CTRL_C)
        told = terminal.until("Ctrl-C again within two seconds cancels the download")
        terminal.press(CTRL_C)
        assert terminal.end() == 130
        lines = terminal.text.splitlines()

    assert f"left: the job of {id_} on simulator is done" in told
    assert f"{id_} is completed, simulated" in lines
    assert re.search(rf"the results stay on simulator: [^`]+`cosmos fetch\s+{id_}` brings\s+them", terminal.text)
    assert max(len(line) for line in lines if "^C" not in line) <= 80
    assert all(artifact["path"] is None for artifact in cosmos.json("show", id_)["outputs"]["artifacts"][:1])


def test_with_json_a_detached_run_is_a_document_all_the_same(cosmos, transfer):
    with at_terminal(cosmos, "run", *transfer, "--json", "--progress", "none", **STEP) as terminal:
        terminal.until(lambda _: cosmos("list", "runs", "--status", "running", "-q").out)
        terminal.press(CTRL_C)
        assert terminal.end() == 130

    assert '"status": "running"' in terminal.text
    cosmos("cancel", "@last")


def test_ctrl_c_ends_followed_logs_quietly(cosmos, transfer):
    id_ = cosmos.json("run", *transfer, "--detach", **STEP)["id"]

    with at_terminal(cosmos, "logs", id_, "-f") as terminal:
        terminal.until("simulation")
        terminal.press(CTRL_C)
        assert terminal.end() == 130

    assert "Traceback" not in terminal.text
    assert cosmos("cancel", id_).code == 0


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("what", ["runs", "prompts"])
def test_tables_fit_and_never_break_an_id(cosmos, columns, what):
    long = "neon light " * 30
    args = ("--model", "transfer", long, "--video", "street.mp4", "--weights.edge", "1")
    prompt = cosmos.json("create", "prompt", *args)["id"]
    run = cosmos.json("create", "run", prompt)["id"]

    with at_terminal(cosmos, "list", what, columns=columns) as terminal:
        assert terminal.end() == 0
    lines = terminal.text.splitlines()

    assert max(map(len, lines)) <= columns
    assert lines[1].startswith(run if what == "runs" else prompt)
    assert "…" in lines[1]
    assert "simulated" in terminal.text or what == "prompts"


def test_piped_tables_hold_everything(used):
    lines = used("list", "runs").out.splitlines()

    assert lines[0].split() == ["ID", "STATUS", "NAME", "MODEL", "TARGET", "CREATED", "TOOK", "TEXT"]
    assert "simulator (simulated)" in lines[1]
    assert lines[1].endswith("heavy rain")


def test_no_color_is_honoured(used):
    for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        for args in (("list", "runs"), ("show", "@last")):
            with at_terminal(used, *args, **env) as terminal:
                assert terminal.end() == 0
            assert bool(re.search(r"\x1b\[[0-9;]*3[1-6]m", terminal.raw)) is coloured


def test_errors_are_laid_out_within_the_terminal(cosmos):
    args = ("run", "--model", "transfer", "rain", "--video", "nope.mp4", "--weights.edge", "2", "--set", "a=1")

    with at_terminal(cosmos, *args, columns=60) as terminal:
        assert terminal.end() == 3

    for line in terminal.text.splitlines():
        assert len(line) <= 60 or " " not in line.strip()  # only a path may be longer
    assert "weights.edge" in terminal.text
