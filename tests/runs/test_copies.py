"""`-o`: a copy of the result, which replaces nothing of the user's."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from run_life import Home, whole

from cosmos_core import Cosmos
from cosmos_core.config import Config
from cosmos_core.errors import Refused, UsageError
from cosmos_core.runs.copying import FILE_EXISTS, as_copied, copy_of, copy_result, fault_of, lacks_its_copy
from cosmos_core.runs.wish import Wish

WORDS = {
    "clip.mp4": "is the run's own video",
    "again.mp4": "is the run's own video",
    "link.mp4": "is the run's own video",
    "holiday.mp4": "holiday.mp4 exists already",
    "holiday.mp4/below.mp4": "holiday.mp4 is a file, not a folder",
    "x.mov": "the result is mp4, not mov",
    "/proc/x.mp4": "nothing can be written into /proc",
}


@pytest.fixture
def mine(home: Home) -> Home:
    """A folder with the clip under three names, and with a file of the user's own."""
    clip = home.folder / "clip.mp4"
    clip.write_bytes(home.clip.read_bytes())
    (home.folder / "again.mp4").hardlink_to(clip)
    (home.folder / "link.mp4").symlink_to(clip)
    (home.folder / "holiday.mp4").write_bytes(b"precious")
    return home


def wish(home: Home, to: str, **more: Any) -> Wish:
    asked = Wish(
        model="transfer",
        text="rain",
        inputs=(("video", str(home.folder / "clip.mp4")),),
        parameters={"weights.edge": 1, "num_steps": 1},
        copy_to=str(home.folder / to) + ("/" if to.endswith("/") else ""),
    )
    return evolve(asked, **more)


@pytest.mark.parametrize("to", WORDS)
def test_what_is_the_users_own_stays(mine: Home, to: str) -> None:
    cosmos = mine.cosmos()
    before = {path: path.read_bytes() for path in mine.folder.glob("*.mp4")}
    with pytest.raises(Refused) as caught:
        cosmos.store_run(wish(mine, to))
    (problem,) = caught.value.problems
    assert (problem.field, WORDS[to] in problem.message) == ("output", True)
    assert problem.hint
    assert {path: path.read_bytes() for path in mine.folder.glob("*.mp4")} == before
    assert list(cosmos.list_runs()) == []


def test_a_copy_is_made_named_and_replaced_only_on_demand(mine: Home) -> None:
    cosmos = mine.cosmos()
    run = cosmos.execute(cosmos.store_run(wish(mine, "new/rain.mp4")).id)
    copy = mine.folder / "new" / "rain.mp4"
    assert run.metadata["copy"] == str(copy)
    assert copy.read_bytes() == Path(run.outputs.files["video"]).read_bytes()
    shutil.copy(copy, mine.folder / "best.mp4")
    for name in ("new/rain.mp4", "best.mp4"):
        with pytest.raises(Refused, match=f"exists already, a copy of the result of {run.id}") as caught:
            cosmos.store_run(wish(mine, name, text="snow"))
        assert caught.value.problems[0].code == FILE_EXISTS
    assert as_copied(run) == run
    again = cosmos.execute(cosmos.store_run(wish(mine, "new/rain.mp4", text="snow", overwrite=True)).id)
    assert copy.read_bytes() == Path(again.outputs.files["video"]).read_bytes() != b""
    assert copy_of(again) == str(copy)
    assert "copy" not in as_copied(cosmos.store.run(run.id)).metadata
    with pytest.raises(Refused, match="is an output of"):
        cosmos.store_run(wish(mine, run.outputs.files["video"], overwrite=True))
    # the process ended between copying and remembering: its own copy is no obstacle
    assert fault_of(str(copy), (), cosmos.store, overwrite=False, own=run.id) is not None
    assert fault_of(str(copy), (), cosmos.store, overwrite=False, own=again.id) is None


def test_into_a_folder_it_has_the_runs_name_and_replaces_nothing(mine: Home) -> None:
    cosmos = mine.cosmos()
    done = cosmos.execute(cosmos.store_run(wish(mine, "looks/", name="sh010 fog")).id)
    looks, id_ = mine.folder / "looks", done.id
    assert done.metadata["copy"] == f"{looks}/sh010 fog.mp4"
    for name, called in {"fog.mp4": "fog", "../a/b: c": "a_b_ c", "é" * 200: "é" * 90, "/": ""}.items():
        run = evolve(done, name=name)
        first = copy_result(run, f"{looks}/")
        assert first == looks / f"{called or id_}.mp4"
        assert copy_result(run, f"{looks}/") == first  # after a crash
        if called:
            first.write_bytes(b"precious")
            assert copy_result(run, f"{looks}/") == looks / f"{called}_{id_}.mp4"
            assert first.read_bytes() == b"precious"
    assert list(looks.glob(".*")) == []


def test_what_came_meanwhile_stays_and_the_run_is_whole(mine: Home) -> None:
    cosmos = mine.cosmos()
    run = cosmos.store_run(wish(mine, "later.mp4"))
    (mine.folder / "later.mp4").write_bytes(b"precious")
    done = cosmos.execute(run.id)
    whole(mine, done)
    assert (mine.folder / "later.mp4").read_bytes() == b"precious"
    assert "was not copied" in done.warnings[-1]
    assert "copy" not in done.metadata
    assert lacks_its_copy(done)
    assert not lacks_its_copy(evolve(done, warnings=()))  # an older release wrote no copy down


def test_one_file_for_several_runs_is_refused(mine: Home) -> None:
    with pytest.raises(UsageError, match="one file for the results of 2 runs"):
        mine.cosmos().store_runs([wish(mine, "one.mp4"), wish(mine, "one.mp4")])


def test_a_copy_without_a_result_here_is_refused(mine: Home) -> None:
    with pytest.raises(Refused, match="--fetch none"):
        mine.cosmos().store_run(wish(mine, "x.mp4", fetch="none"))


def test_a_dry_run_writes_all_that_would_be_sent_and_over_nothing_else(mine: Home) -> None:
    cosmos = mine.cosmos()
    out = mine.folder / "look"
    asked = wish(mine, "x.mp4")
    dry = cosmos.dry_run(asked, out)
    (draft,) = cosmos.read_spec(Path(dry.files["spec.json"]), "transfer")
    ((slot, file),) = draft.inputs
    assert (slot, Path(file).read_bytes()) == ("video", (mine.folder / "clip.mp4").read_bytes())
    cosmos.dry_run(wish(mine, "x.mp4", name="another"), out)  # its own files it writes again
    spec = out / "spec.json"
    spec.write_text('{"mine": 1}')
    with pytest.raises(UsageError, match="no dry run wrote it"):
        cosmos.dry_run(asked, out)
    assert spec.read_text() == '{"mine": 1}'
    assert (mine.folder / "clip.mp4").stat().st_nlink == 2


def test_a_folder_of_ones_own_gets_every_result_under_a_name_that_tells(mine: Home) -> None:
    (mine.folder / "cosmos.toml").write_text('outputs_dir = "takes"\n')
    cosmos = Cosmos(Config.load(mine.folder / "cosmos.toml"))
    asked = evolve(wish(mine, "x"), copy_to=None, text="Heavy RAIN, at night!")
    run = cosmos.execute(cosmos.store_run(asked).id)
    cosmos.close()
    (take,) = (mine.folder / "takes").iterdir()
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d_heavy-rain-at-night_{run.id[3:]}\.mp4", take.name)
    assert run.metadata["copy"] == str(take)
