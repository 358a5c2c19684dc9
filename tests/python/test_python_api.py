"""The programmatic API as a script uses it: many at once, words for mistakes, and callbacks that fail."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import cosmos_core
from cosmos_core import (
    Bundle,
    Command,
    Cosmos,
    CosmosError,
    Fetch,
    ModelInfo,
    Refused,
    RunRecord,
    Toolkit,
    UsageError,
    hookimpl,
)
from cosmos_core.models import Models
from cosmos_core.models.metadata import EntryPoint
from cosmos_core.values import InputSlot


class Tool:
    @hookimpl
    def describe(self) -> ModelInfo:
        file = InputSlot(name="file", kinds=("any",))
        return ModelInfo(title="Tool", toolkits=(Toolkit(name="tool", inputs=(file,)),))

    @hookimpl
    def convert_inputs(self, job: Any) -> Bundle:
        return Bundle(fetch=(Fetch(pattern="words.txt", role="result", name="words", required=True),))

    @hookimpl
    def choose_script(self, job: Any, bundle: Any) -> Command:
        return Command(argv=("sh", "-c", f"echo {job.requests[0].text} > outputs/words.txt"))


tool = Tool()


@pytest.fixture
def cosmos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cosmos]:
    monkeypatch.setitem(sys.modules, "the_tool", sys.modules[__name__])
    file = tmp_path / "cosmos.toml"
    file.write_text('[targets.here]\nwork_dir = "work"\ngpus = 0\n')
    with Cosmos(file) as cosmos:
        cosmos.models = Models([EntryPoint("tool", "the_tool:tool", "cosmos.models")])
        yield cosmos


def test_many_are_stored_submitted_and_awaited_at_once(cosmos: Cosmos) -> None:
    prompts = cosmos.create_prompts("tool", ["one", "two", "three"], tags=["many"])
    assert [prompt.tags for prompt in prompts] == [("many",)] * 3
    handles = cosmos.submit(prompts)
    runs = cosmos.wait(handles)
    assert [run.id for run in runs] == [handle.id for handle in handles]
    assert [Path(run.outputs.files["words"]).read_text() for run in runs] == ["one\n", "two\n", "three\n"]
    assert len({run.group_id for run in runs}) == 1
    assert {run.id for run in cosmos.wait(str(runs[0].group_id))} == {run.id for run in runs}
    stored = cosmos.create_runs(prompts[:2])
    assert [run.submitted_at for run in stored] == [None, None]
    assert cosmos.wait(cosmos.submit(stored[0])).id == stored[0].id
    assert (cosmos.wait([]), cosmos.submit([]), cosmos.create_runs([])) == ((), (), ())


def test_with_a_problem_in_one_of_many_nothing_is_stored(cosmos: Cosmos) -> None:
    with pytest.raises(Refused) as caught:
        cosmos.create_prompts("tool", ["one", "t\0wo"])
    assert str(caught.value).splitlines()[1].startswith("  2: text: there is a NUL character")
    assert len(cosmos.list_prompts()) == 0


def test_records_and_handles_name_what_they_are_of(cosmos: Cosmos) -> None:
    prompt = cosmos.create_prompt("tool", "words")
    run = cosmos.run(prompt)
    again = cosmos.run(run)
    assert again.prompt_id == prompt.id
    assert again.id != run.id
    assert cosmos.get(run) == run
    assert cosmos.path(run) == run.outputs.files["words"]
    assert b"".join(cosmos.logs(run)) == b""
    assert cosmos.retry(run).retry_of == run.id


def test_pages_are_iterated_and_filtered_by_keywords(cosmos: Cosmos) -> None:
    prompt = cosmos.create_prompt("tool", "words", name="first")
    done, stored = cosmos.run(prompt), cosmos.create_run(prompt)
    page = cosmos.list_runs(status="completed")
    assert [run.id for run in page] == [done.id]
    assert (len(page), page[0], page.total) == (1, done, 1)
    assert [run.id for run in cosmos.list_runs(target="here", limit=1)] == [stored.id]
    assert [p.id for p in cosmos.list_prompts(model="tool")] == [prompt.id]
    assert repr(page) == f"<page of 1 of 1: <run {done.id} completed, tool on here 'first'>>"
    assert repr(prompt) == f"<prompt {prompt.id} for tool 'first': 'words'>"


def test_a_record_is_a_json_document_and_a_short_line(cosmos: Cosmos) -> None:
    run = cosmos.run(cosmos.create_prompt("tool", "words"))
    document = json.loads(json.dumps(run.to_dict()))
    assert (document["id"], document["status"]) == (run.id, "completed")
    assert document["outputs"]["files"] == run.outputs.files
    assert re.fullmatch(r"[a-z]+ \d+ % .+", str(run.progress))
    assert cosmos.prompt(run.prompt_id).to_dict()["prompt_text"] == "words"


def test_a_refusal_says_its_problems_in_its_text(cosmos: Cosmos) -> None:
    with pytest.raises(Refused) as caught:
        cosmos.create_prompt("tool", "words", inputs={"fiel": "nowhere.txt"}, parameters={"steps": 3})
    text = str(caught.value)
    assert "2 problems; nothing was stored" in text or "3 problems; nothing was stored" in text
    assert "  steps: unknown key" in text
    assert "did you mean 'file'?" in text


MISTAKES: dict[str, Callable[[Cosmos], object]] = {
    "text wants text, not 5": lambda c: c.create_prompt("tool", 5),  # type: ignore[arg-type]
    "model wants text, not 5": lambda c: c.create_prompt(5),  # type: ignore[arg-type]
    "tags wants a list of texts": lambda c: c.create_prompt("tool", tags="abc"),
    "inputs wants files by name": lambda c: c.create_prompt("tool", inputs="street.mp4"),  # type: ignore[arg-type]
    "inputs['file'] wants a path": lambda c: c.create_prompt("tool", inputs={"file": 5}),  # type: ignore[dict-item]
    "parameters wants values by name": lambda c: c.create_prompt("tool", parameters=[1]),  # type: ignore[arg-type]
    "create_prompt takes no 'taget'": lambda c: c.create_prompt("tool", taget="x"),  # type: ignore[call-arg]
    "create_prompts wants several texts": lambda c: c.create_prompts("tool", "words"),
    "gpus wants a number of GPUs": lambda c: c.create_run("@last", gpus=True),
    "timeout_s wants seconds": lambda c: c.create_run("@last", timeout_s=0),
    "if_busy wants wait or fail": lambda c: c.create_run("@last", if_busy="never"),  # type: ignore[arg-type]
    "an id is wanted": lambda c: c.run(5),  # type: ignore[arg-type]
    "an id is wanted, or a record": lambda c: c.wait([None]),  # type: ignore[list-item]
    "there is no state 'failde'": lambda c: c.list_runs(status="failde"),  # type: ignore[arg-type]
    "list_runs takes no 'state'": lambda c: c.list_runs(state="failed"),  # type: ignore[call-arg]
    "since wants a datetime with a time zone": lambda c: c.list_runs(since="2d"),  # type: ignore[arg-type]
    "has no time zone": lambda c: c.list_runs(since=datetime(2026, 11, 24)),  # noqa: DTZ001
    "limit wants a number of rows": lambda c: c.list_runs(limit="9"),  # type: ignore[arg-type]
    "a page of 0 rows holds nothing": lambda c: c.list_runs(limit=0),
    "on_progress wants a function": lambda c: c.execute("@last", 5),  # type: ignore[arg-type]
    "Cosmos wants a Config or the path of one": lambda _: Cosmos(5),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_told_in_words(cosmos: Cosmos, words: str) -> None:
    cosmos.create_run(cosmos.create_prompt("tool", "words"))
    with pytest.raises(UsageError) as caught:
        MISTAKES[words](cosmos)
    assert words in str(caught.value)


NOTHING: dict[str, Callable[[Cosmos], object]] = {
    "no run": lambda c: c.run("ps_nothing"),
    "no prompt": lambda c: c.create_run("rs_nothing"),
    "no group": lambda c: c.wait("gr_nothing"),
    "no file": lambda c: c.users_of_file("nowhere.mp4"),
    "no spec": lambda c: c.read_spec("nowhere.json"),
    "no model": lambda c: c.create_prompt("transfr"),
    "no configuration": lambda _: Cosmos("nowhere.toml"),
    "no target": lambda c: c.check("nowhere"),
}


@pytest.mark.parametrize("what", NOTHING)
def test_what_is_not_there_is_an_error_of_ours(cosmos: Cosmos, what: str) -> None:
    with pytest.raises(CosmosError):
        NOTHING[what](cosmos)


def test_a_callback_that_fails_says_what_becomes_of_the_run_and_nothing_is_lost(cosmos: Cosmos) -> None:
    seen: list[str] = []

    def fails(run: RunRecord) -> None:
        seen.append(run.id)
        raise ZeroDivisionError("a fault of the script's own")

    with pytest.raises(ZeroDivisionError) as caught:
        cosmos.run(cosmos.create_prompt("tool", "words"), on_progress=fails)
    (note,) = caught.value.__notes__
    assert f"cosmos.wait('{seen[0]}') or `cosmos sync` goes on with it" in note
    assert cosmos.wait(seen[0]).status == "completed"


def test_the_front_door_has_all_that_it_names() -> None:
    for name in cosmos_core.__all__:
        assert getattr(cosmos_core, name) is not None
