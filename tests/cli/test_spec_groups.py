"""A spec file with several requests: one group, all checked before any is stored."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import Shell

GOOD = {"name": "a", "prompt": "rain", "video_path": "street.mp4", "edge": {}}


def spec_of(shell: Shell, *requests: dict[str, object]) -> str:
    (shell.cwd / "both.jsonl").write_text("\n".join(json.dumps(request) for request in requests), encoding="utf-8")
    return "both.jsonl"


def test_each_request_is_a_run_of_one_group(shell: Shell) -> None:
    shell.clip("street.mp4")
    spec = spec_of(shell, GOOD, GOOD | {"name": "b", "prompt": "snow", "seed": 3})
    done = shell("run", "--model", "transfer", "--spec", spec, "--json")
    assert done.code == 0, done.err
    runs = done.document["items"]
    assert [run["name"] for run in runs] == ["a", "b"]
    (group,) = {run["group_id"] for run in runs}
    listed = shell("list", "runs", "--group", group, "--json").document
    assert {run["id"] for run in listed["items"]} == {run["id"] for run in runs}
    assert shell("wait", group).code == 0


def test_a_problem_in_one_keeps_all_from_being_stored(shell: Shell) -> None:
    shell.clip("street.mp4")
    spec = spec_of(shell, GOOD, GOOD | {"name": "b", "video_path": "gone.mp4"}, GOOD | {"name": "c", "guidance": 9})
    done = shell("run", "--model", "transfer", "--spec", spec, "--json")
    assert done.code == 3
    assert {p["field"] for p in done.document["error"]["problems"]} == {"b: video", "c: guidance"}
    assert shell("list", "runs", "--json").document["total"] == 0


def test_a_dry_run_has_a_folder_for_each(shell: Shell) -> None:
    shell.clip("street.mp4")
    spec = spec_of(shell, GOOD, GOOD | {"name": "b"})
    done = shell("run", "--model", "transfer", "--spec", spec, "--dry-run", "--out", "looked", "--json")
    assert done.code == 0, done.err
    assert len(done.document["items"]) == 2
    assert {path.parent.name for path in (shell.cwd / "looked").rglob("spec.json")} == {"a", "b"}
    assert Path(done.document["items"][0]["files"]["spec.json"]).exists() or (shell.cwd / "looked/a/spec.json").exists()


def test_a_prompt_is_made_of_one(shell: Shell) -> None:
    shell.clip("street.mp4")
    done = shell("create", "prompt", "--model", "transfer", "--spec", spec_of(shell, GOOD, GOOD | {"name": "b"}))
    assert done.code == 2
    assert "holds 2 requests" in done.err
