"""Making, executing and following runs, by the real command with the real simulator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest
from pictures import write_sequence

from cosmos_core import Cosmos
from cosmos_core.cli import attached

RUN_KEYS = {
    "id", "prompt_id", "group_id", "job_id", "retry_of", "model_type", "name", "status", "target", "toolkit",
    "simulated", "created_at", "submitted_at", "started_at", "completed_at", "execution_config", "outputs",
    "metadata", "warnings", "progress", "queue", "paused", "cancel_requested_at", "reachable", "checked_at", "error",
    "parents", "tags", "rating", "scores",
}  # fmt: skip
PROMPT_KEYS = {
    "id", "model_type", "prompt_text", "name", "inputs", "parameters", "model_config", "created_at", "parent_id",
    "tags",
}  # fmt: skip
SLOW = {"STANDIN_STEP_SECONDS": "0.3"}


def frames(path):
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_one_command_makes_a_playable_result_and_says_where_it_and_its_history_are(cosmos, transfer):
    told = cosmos("run", *transfer, "-o", "result.mp4")

    assert told.code == 0, told.err
    run = cosmos.json("show", "@last")
    assert told.out.startswith("completed")
    assert run["outputs"]["files"]["video"] in told.out
    assert f"cosmos show {run['id']}" in told.out
    assert "simulated" in told.out
    assert frames(run["outputs"]["files"]["video"]) == frames(cosmos.cwd / "result.mp4") == 12
    assert "inference" in told.err  # progress goes to stderr, as lines
    assert "%" in told.err


def test_the_document_of_a_run_has_the_promised_shape(used):
    run = used.json("show", "@last")

    assert set(run) >= RUN_KEYS
    assert run["status"] == "completed"
    assert run["simulated"] is True
    assert run["tags"] == ["wet"]
    assert all(run[key].endswith("Z") for key in ("created_at", "submitted_at", "started_at", "completed_at"))
    assert set(run["outputs"]) >= {"files", "values", "artifacts"}
    assert set(run["outputs"]["artifacts"][0]) == {"name", "role", "path", "remote", "bytes", "sha256", "media"}
    assert set(run["prompt"]) == PROMPT_KEYS
    assert run["prompt"]["prompt_text"] == "heavy rain"


def test_with_json_stdout_is_the_document_and_progress_is_elsewhere(cosmos, transfer):
    told = cosmos("run", *transfer, "--json", "--progress", "jsonl")

    lines = [json.loads(line) for line in told.err.splitlines()]
    assert set(told.document) == RUN_KEYS
    assert [line["status"] for line in lines][-1] == "completed"
    assert any(line["stage"] == "inference" and line["percentage"] for line in lines)
    assert len(lines) == len({json.dumps(line) for line in lines})
    assert cosmos("run", *transfer, "--progress", "none").err == ""


@pytest.mark.parametrize(
    ("failure", "said"), [("blocked_prompt", "blocked"), ("out_of_memory", "memory"), ("crash", "")]
)
def test_a_run_that_fails_ends_with_1_its_cause_and_its_log(cosmos, transfer, failure, said):
    told = cosmos("run", *transfer, STANDIN_FAIL=failure)

    assert told.code == 1
    assert told.out.startswith("failed")
    assert said in told.err
    assert "cosmos logs" in told.err
    document = cosmos("wait", "@last", "--json")
    assert document.code == 1
    assert document.document["error"]["message"] in told.err.replace("\n  ", " ")
    assert cosmos("logs", "@last").out


def test_two_steps_store_and_then_execute(cosmos, transfer):
    prompt = cosmos.json("create", "prompt", *transfer, "--name", "wet street")
    assert set(prompt) == PROMPT_KEYS
    assert cosmos.stored() == (1, 0)

    stored = cosmos.json("create", "run", prompt["id"])
    assert (stored["status"], stored["submitted_at"]) == ("pending", None)
    assert cosmos("sync").out == "nothing is unfinished\n"  # what is only stored is left alone
    assert cosmos("wait", stored["id"]).code == 2
    assert "cosmos inference" in cosmos("attach", stored["id"]).err

    run = cosmos.json("inference", stored["id"])
    assert (run["id"], run["status"], run["name"]) == (stored["id"], "completed", "wet street")
    assert cosmos.json("inference", prompt["id"])["id"] != stored["id"]
    assert cosmos.stored() == (1, 2)


def test_settings_of_a_stored_run_are_frozen(cosmos, transfer):
    prompt = cosmos("create", "prompt", *transfer, "-q").out.strip()
    run = cosmos("create", "run", prompt, "-q").out.strip()

    told = cosmos("inference", run, "--timeout", "5m")

    assert told.code == 2
    assert "--timeout" in told.err
    assert f"cosmos run --from {run}" in told.err


def test_a_detached_run_goes_on_and_wait_brings_it_home(cosmos, transfer):
    told = cosmos("run", *transfer, "--detach")
    id_ = told.out.split()[0]
    assert told.code == 0
    assert "simulated" in told.out
    assert f"cosmos attach {id_}" in told.out

    assert cosmos.json("wait", id_)["status"] == "completed"
    assert cosmos("attach", id_).out.startswith("completed")


def test_sync_finishes_what_was_left_alone(cosmos, transfer):
    id_ = cosmos.json("run", *transfer, "--detach")["id"]

    told = cosmos("sync", "--follow")

    assert told.code == 0
    assert id_ in told.out
    assert cosmos.json("show", id_)["status"] == "completed"
    assert cosmos.json("sync") == {"items": [], "total": 0, "limit": 0, "next": None}


def test_cancel_ends_a_run_and_has_done_its_work(cosmos, transfer):
    id_ = cosmos.json("run", *transfer, "--detach", **SLOW)["id"]

    told = cosmos("cancel", id_)

    assert (told.code, told.out) == (0, f"{id_} is cancelled, simulated\n")
    assert cosmos("wait", id_).code == 1
    assert "was already cancelled" in cosmos("cancel", id_).out


def test_retry_is_a_new_run_that_names_the_old_one(cosmos, transfer):
    failed = cosmos("run", *transfer, "--json", STANDIN_FAIL="out_of_memory").document

    again = cosmos.json("retry", failed["id"])

    assert (again["status"], again["retry_of"]) == ("completed", failed["id"])
    tree = cosmos("show", "@last", "--tree").out
    assert tree.index(failed["id"]) < tree.index(again["id"])
    assert "retry" in tree


def test_many_ids_come_from_standard_input(cosmos, transfer):
    prompt = cosmos("create", "prompt", *transfer, "-q").out.strip()
    for _ in range(2):
        cosmos("create", "run", prompt)
    ids = cosmos("list", "runs", "--status", "pending", "-q").out

    told = cosmos("inference", "-", "--json", "--progress", "none", stdin=ids)

    assert [item["status"] for item in told.document["items"]] == ["completed", "completed"]
    assert told.document["total"] == 2


def test_from_a_run_does_it_again_with_what_is_given_changed(cosmos, transfer):
    first = cosmos.json("run", *transfer)

    again = cosmos.json("run", "--from", first["id"][:7], "--num-steps", "7", "--tag", "fewer")

    assert again["execution_config"]["parameters"]["num_steps"] == 7
    assert again["execution_config"]["parameters"]["weights"]["edge"] == 0.5
    assert again["prompt_id"] == first["prompt_id"]


def test_an_output_is_the_input_of_the_next_run_and_lineage_is_known(cosmos, transfer):
    first = cosmos.json("run", *transfer)

    second = cosmos.json("run", "--model", "transfer", "night", "--video", "@last", "--weights.vis", "1")

    assert second["parents"] == [{"run_id": first["id"], "artifact": "video", "slot": "video"}]
    tree = cosmos("show", first["id"], "--tree").out
    assert tree.index(first["id"]) < tree.index(second["id"])
    nodes = cosmos.json("show", second["id"], "--tree")["tree"]
    assert [(n["id"], [c["id"] for c in n["children"]]) for n in nodes] == [(first["id"], [second["id"]])]


def test_masks_are_options_by_their_names(cosmos):
    told = cosmos.json(
        "create", "prompt", "--model", "transfer", "rain", "--video", "street.mp4", "--weights.edge", "1",
        "--mask.edge", "street.mp4",
    )  # fmt: skip

    assert [item["slot"] for item in told["inputs"]] == ["video", "mask.edge"]


@pytest.mark.parametrize(
    ("word", "stdin", "text"),
    [
        ("@prompt.txt", "", "two\nlines, $(no shell) 'quotes' 🌧"),
        ("-", "from a pipe\n", "from a pipe"),
        ("@@home", "", "@home"),
        ('say "$HOME" `ls`', "", 'say "$HOME" `ls`'),
    ],
)
def test_the_text_arrives_unchanged_wherever_it_comes_from(cosmos, word, stdin, text):
    (cosmos.cwd / "prompt.txt").write_text("two\nlines, $(no shell) 'quotes' 🌧\n", encoding="utf-8")
    args = ("create", "prompt", "--model", "transfer", word, "--video", "street.mp4", "--weights.edge", "1", "--json")

    assert cosmos(*args, stdin=stdin).document["prompt_text"] == text


def test_a_value_comes_from_a_file(cosmos, transfer):
    (cosmos.cwd / "no.txt").write_text("blurry, dull\n", encoding="utf-8")

    prompt = cosmos.json("create", "prompt", *transfer, "--set", "negative_prompt=@no.txt")

    assert prompt["parameters"]["negative_prompt"] == "blurry, dull"


def test_a_dry_run_writes_the_files_and_nothing_else(cosmos, transfer):
    told = cosmos.json("run", *transfer, "--dry-run", "--out", "preview")

    assert set(told) == {
        "problems", "files", "inputs", "argv", "toolkit_argv", "env", "cwd", "image", "resources", "request_hash",
        "encodes",
    }  # fmt: skip
    spec = json.loads((cosmos.cwd / "preview" / "spec.json").read_text(encoding="utf-8"))
    assert spec["prompt"] == "heavy rain"
    assert spec["edge"]["control_weight"] == 0.5
    assert cosmos.stored() == (0, 0)
    in_words = cosmos("run", *transfer, "--dry-run").out
    assert "inference.py" in in_words
    assert '"prompt": "heavy rain"' in in_words
    assert "--out" in in_words


def test_a_spec_file_is_a_request_and_options_beside_it_win(cosmos):
    spec = {
        "name": "street",
        "prompt": "rain",
        "video_path": "street.mp4",
        "num_steps": 5,
        "edge": {"control_weight": 0.3},
    }
    (cosmos.cwd / "street.json").write_text(json.dumps(spec), encoding="utf-8")

    same = cosmos.json("run", "--spec", "street.json", "--dry-run", "--out", "same")
    changed = cosmos.json(
        "create", "prompt", "--model", "transfer", "snow", "--spec", "street.json", "--num-steps", "9"
    )

    written = json.loads((cosmos.cwd / "same" / "spec.json").read_text(encoding="utf-8"))
    assert same["problems"] == []
    assert (written["num_steps"], written["edge"]["control_weight"]) == (5, 0.3)
    assert changed["prompt_text"] == "snow"
    assert changed["parameters"] == {"num_steps": 9, "weights": {"edge": 0.3}}
    assert changed["name"] == "street"


def test_path_and_logs_are_made_for_pipes(used):
    run = used.json("show", "@last")

    assert used("path", "@last").out == run["outputs"]["files"]["video"] + "\n"
    assert used("path", "@last:control.edge").out == run["outputs"]["files"]["control.edge"] + "\n"
    told = used("path", "@last:nothing")
    assert (told.code, told.out) == (5, "")
    assert "control.edge" in told.err
    log = used("logs", "@last", "-f")
    assert (log.code, log.err) == (0, "")
    assert "Generating" in log.out


def test_a_reader_that_goes_away_is_no_fault(used):
    shell = f"{' '.join(used.argv('logs', '@last'))} | head -c 10"

    told = subprocess.run(["bash", "-c", shell], env=used.environ, cwd=used.cwd, capture_output=True, check=False)

    assert (len(told.stdout), told.stderr) == (10, b"")


def test_show_of_a_file_finds_who_made_it_and_who_used_it(used):
    run = used.json("show", "@last")
    shutil.copy(run["outputs"]["files"]["video"], used.cwd / "copy.mp4")

    assert used.json("show", "copy.mp4")["id"] == run["id"]
    assert used.json("show", "street.mp4")["id"] == run["prompt_id"]
    assert used("show", "nowhere.mp4").code == 5


def test_show_tells_all_in_words(used):
    run = used.json("show", "@last")

    told = used("show", run["id"]).out

    for word in ("completed", "simulated", "heavy rain", "street.mp4", "weights.edge=0.5", run["prompt_id"], "wet"):
        assert word in told
    assert run["outputs"]["files"]["video"] in told
    prompt = used("show", run["prompt_id"]).out
    assert run["id"] in prompt
    assert "simulated" in prompt


def test_fetch_brings_what_was_left_there(cosmos, transfer):
    run = cosmos.json("run", *transfer, "--fetch", "none")
    assert "video" not in run["outputs"]["files"]

    told = cosmos("fetch", run["id"])

    assert told.code == 0
    path = cosmos.json("show", run["id"])["outputs"]["files"]["video"]
    assert path in told.out
    assert "12 frames" in told.out
    assert frames(path) == 12


def test_the_demo_ends_by_saying_where_the_result_is_and_what_to_type(cosmos):
    told = cosmos("demo")

    assert told.code == 0, told.err
    run = cosmos.json("show", "@last")
    assert frames(run["outputs"]["files"]["video"]) == 48
    assert run["outputs"]["files"]["video"] in told.out
    for words in (f"cosmos show {run['id']}", "cosmos list runs", "cosmos run --model transfer --help", "simulated"):
        assert words in told.out


def test_the_simulator_can_be_forbidden(cosmos, transfer):
    told = cosmos("run", *transfer, COSMOS_SIMULATE="never")

    assert told.code == 2
    assert cosmos.stored() == (0, 0)


def test_status_tells_what_is_there(used):
    told = used("status")

    assert "simulator" in told.out
    assert "simulated" in told.out
    item = used.json("status")["items"][0]
    assert set(item) == {
        "name", "host", "simulated", "reachable", "message", "hint", "gpus", "gpu_list", "running", "waiting", "jobs",
        "line", "unaccounted", "not_seen",
    }  # fmt: skip


def test_a_target_that_cannot_be_used_pauses_the_run_which_then_goes_on(cosmos, transfer):
    cosmos.forget()
    cosmos.home.mkdir()
    in_the_way = cosmos.home / "simulator"
    in_the_way.write_text("a file where jobs should go")

    told = cosmos("run", *transfer)
    document = cosmos("attach", "@last", "--json")

    assert (told.code, document.code) == (4, 4)
    assert told.out.startswith("paused")
    assert str(in_the_way) in told.err
    assert "cosmos sync" in told.err
    assert set(document.document["paused"]) == {"since", "reason"}
    assert cosmos("list", "runs").out.splitlines()[1].split()[1] == "paused"
    assert cosmos("sync").code == 4
    assert cosmos("run", *transfer, "--detach").code == 4

    in_the_way.unlink()
    assert cosmos("sync", "--follow").code == 0
    assert cosmos.json("show", "@last")["status"] == "completed"


@pytest.mark.parametrize(("submitted", "command"), [(False, "cosmos inference"), (True, "cosmos sync")])
def test_ctrl_c_before_anything_was_started_says_that_nothing_runs(
    cosmos, transfer, capsys, monkeypatch, submitted, command
):
    cosmos.forget()
    if submitted:
        cosmos.home.mkdir()
        (cosmos.home / "simulator").write_text("in the way")
        id_ = cosmos("run", *transfer, "--detach", "--json").document["id"]
    else:
        id_ = cosmos("create", "run", cosmos("create", "prompt", *transfer, "-q").out.strip(), "-q").out.strip()
    monkeypatch.setattr(attached, "_SECOND_THOUGHTS_S", 0.0)
    monkeypatch.setenv("COSMOS_HOME", str(cosmos.home))

    def interrupted(run, progress):
        raise KeyboardInterrupt

    with Cosmos() as api:
        code = attached.foreground(api, api.runs_of([id_]), interrupted, progress="none", as_json=False)

    told = capsys.readouterr().err
    assert code == 130
    assert "nothing runs until" in told
    assert command in told


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere another program opens files")
def test_a_result_or_its_folder_is_opened_by_the_systems_own_program(used, tmp_path):
    result = used("path", "@last").out.strip()
    program = tmp_path / "xdg-open"
    program.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/opened\n')
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert used("open", "@last", PATH=path).out.strip() == result
    assert used("open", "@last", "--folder", PATH=path).code == 0
    assert (tmp_path / "opened").read_text().splitlines() == [result, str(Path(result).parent)]
    program.write_text("#!/bin/sh\nexit 3\n")
    told = used("open", "@last", PATH=path)
    assert (told.code, "nothing on this machine opens" in told.err) == (4, True)


def test_clean_shows_and_removes_what_can_be_made_again_here(cosmos):
    write_sequence(cosmos.cwd / "frames")
    request = ("rain", "--model", "transfer", "--video", "frames", "--input-fps", "24", "--weights.edge", "1")
    cosmos.json("create", "prompt", *request)
    [video] = (cosmos.home / "sequences").iterdir()
    os.utime(video, (0, 0))
    shown = cosmos("clean")
    assert shown.out.startswith(f"this machine  {cosmos.home}\n  to go  1 encoded image sequence, ")
    assert "the same with --yes removes it" in shown.out
    [file] = cosmos.json("clean")["here"]["files"]
    assert (file["path"], file["kind"], file["removed"]) == (str(video), "sequence", False)
    assert cosmos("clean", "--target", "simulator", "--yes").code == 0
    assert video.exists()
    assert "this machine  removed 1 encoded image sequence, " in cosmos("clean", "--yes").out
    assert not video.exists()
