"""A spec file with several requests: one group, all checked before any is stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Shell

GOOD = {"name": "a", "prompt": "rain", "video_path": "street.mp4", "edge": {}}


def spec_of(cosmos: Shell, *requests: dict[str, object]) -> str:
    (cosmos.cwd / "both.jsonl").write_text("\n".join(json.dumps(request) for request in requests), encoding="utf-8")
    return "both.jsonl"


def test_each_request_is_a_run_of_one_group(cosmos: Shell) -> None:
    spec = spec_of(cosmos, GOOD, GOOD | {"name": "b", "prompt": "snow", "seed": 3})
    done = cosmos("run", "--model", "transfer", "--spec", spec, "--json")
    assert done.code == 0, done.err
    runs = done.document["items"]
    assert [run["name"] for run in runs] == ["a", "b"]
    (group,) = {run["group_id"] for run in runs}
    listed = cosmos("list", "runs", "--group", group, "--json").document
    assert {run["id"] for run in listed["items"]} == {run["id"] for run in runs}
    assert cosmos("wait", group).code == 0


def test_a_problem_in_one_keeps_all_from_being_stored(cosmos: Shell) -> None:
    spec = spec_of(cosmos, GOOD, GOOD | {"name": "b", "video_path": "gone.mp4"}, GOOD | {"name": "c", "guidance": 9})
    done = cosmos("run", "--model", "transfer", "--spec", spec, "--json")
    assert done.code == 3
    assert {p["field"] for p in done.document["error"]["problems"]} == {"b: video", "c: guidance"}
    assert cosmos("list", "runs", "--json").document["total"] == 0


def test_a_dry_run_has_a_folder_for_each(cosmos: Shell) -> None:
    spec = spec_of(cosmos, GOOD, GOOD | {"name": "b"})
    done = cosmos("run", "--model", "transfer", "--spec", spec, "--dry-run", "--out", "looked", "--json")
    assert done.code == 0, done.err
    assert len(done.document["items"]) == 2
    assert {path.parent.name for path in (cosmos.cwd / "looked").rglob("spec.json")} == {"a", "b"}


def test_a_prompt_is_made_of_one(cosmos: Shell) -> None:
    done = cosmos("create", "prompt", "--model", "transfer", "--spec", spec_of(cosmos, GOOD, GOOD | {"name": "b"}))
    assert done.code == 2
    assert "holds 2 requests" in done.err
