"""Every kind of bad input: the right exit code, the field and the remedy in words, nothing stored, nothing run."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import av
import pytest

from cosmos_core.demo import make_clip

REFUSED, USAGE, TARGET, UNKNOWN = 3, 2, 4, 5
BASE = ("run", "--model", "transfer")
VIDEO = ("--video", "street.mp4")
EDGE = ("--weights.edge", "0.5")


def _prepare(cwd: Path) -> None:
    whole = (cwd / "street.mp4").read_bytes()
    (cwd / "text.mp4").write_text("this is no video\n" * 50)
    (cwd / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (cwd / "empty.mp4").touch()
    (cwd / "folder").mkdir()
    make_clip(cwd / "short.mp4", frames=4, width=160, height=96)
    for name in ("wide.txt", "wide.json"):
        (cwd / name).write_text('{"name": "a", "prompt": "rain", "video_path": "street.mp4"}', encoding="utf-16")


CASES = {
    "missing file": ((*BASE, "rain", "--video", "strret.mp4", *EDGE), REFUSED, "video", "street.mp4"),
    "file of nobody": ((*BASE, "rain", "--video", "~no-such-user/a.mp4", *EDGE), REFUSED, "video", "no folder"),
    "text of nobody": ((*BASE, "@~no-such-user/a.txt", *VIDEO, *EDGE), REFUSED, "text", "@@"),
    "number for a file": ((*BASE, "rain", *VIDEO, "--edge", "0.8"), REFUSED, "edge", "--weights.edge 0.8"),
    "folder for a file": ((*BASE, "rain", "--video", "folder", *EDGE), REFUSED, "video", "name a file"),
    "text named mp4": ((*BASE, "rain", "--video", "text.mp4", *EDGE), REFUSED, "video", "mp4"),
    "cut mp4": ((*BASE, "rain", "--video", "cut.mp4", *EDGE), REFUSED, "video", "mp4"),
    "empty file": ((*BASE, "rain", "--video", "empty.mp4", *EDGE), REFUSED, "video", "mp4"),
    "no video": ((*BASE, "rain", *EDGE), REFUSED, "video", ""),
    "no control": ((*BASE, "rain", *VIDEO), REFUSED, "weights", "edge"),
    "negative weight": ((*BASE, "rain", *VIDEO, "--weights.edge", "-1"), REFUSED, "weights.edge", "0"),
    "NaN weight": ((*BASE, "rain", *VIDEO, "--weights.edge", "nan"), REFUSED, "weights.edge", "finite"),
    "text weight": ((*BASE, "rain", *VIDEO, "--weights.edge", "strong"), REFUSED, "weights.edge", "number"),
    "weight above 1": ((*BASE, "rain", *VIDEO, "--weights.edge", "1.5"), REFUSED, "weights.edge", "1"),
    "unknown key": ((*BASE, "rain", *VIDEO, *EDGE, "--set", "num_step=3"), REFUSED, "num_step", "num_steps"),
    "unknown slot": ((*BASE, "rain", *VIDEO, *EDGE, "--input", "vidio=street.mp4"), REFUSED, "vidio", "video"),
    "steps 0": ((*BASE, "rain", *VIDEO, *EDGE, "--num-steps", "0"), REFUSED, "num_steps", "at least 1"),
    "empty prompt": ((*BASE, "", *VIDEO, *EDGE), REFUSED, "text", ""),
    "control shorter than the video": (
        (*BASE, "rain", *VIDEO, "--depth", "short.mp4"),
        REFUSED,
        "depth",
        "frames",
    ),
    "missing text file": ((*BASE, "@nowhere.txt", *VIDEO, *EDGE), REFUSED, "text", "@@"),
    "missing value file": (
        (*BASE, "rain", *VIDEO, *EDGE, "--set", "negative_prompt=@nowhere.txt"),
        REFUSED,
        "negative_prompt",
        "@@",
    ),
    "text in UTF-16": ((*BASE, "@wide.txt", *VIDEO, *EDGE), REFUSED, "text", "wide.txt is UTF-16, not UTF-8"),
    "value in UTF-16": (
        (*BASE, "rain", *VIDEO, *EDGE, "--set", "num_steps=@wide.txt"),
        REFUSED,
        "num_steps",
        "save it",
    ),
    "spec in UTF-16": ((*BASE, "--spec", "wide.json"), REFUSED, "spec", "wide.json is UTF-16, not UTF-8"),
    "missing spec": ((*BASE, "--spec", "nowhere.json"), REFUSED, "spec", "name"),
    "unknown model": (("run", "--model", "tranfser", "rain", *VIDEO), USAGE, "", "transfer"),
    "unknown target": ((*BASE, "rain", *VIDEO, *EDGE, "--target", "simulater"), USAGE, "", "simulator"),
    "unknown toolkit": (
        (*BASE, "rain", *VIDEO, *EDGE, "--toolkit", "cosmos-transfer9"),
        USAGE,
        "",
        "cosmos-transfer2.5",
    ),
    "unknown option": ((*BASE, "rain", "--vidoe", "street.mp4"), USAGE, "", "--video"),
    "no model": (("run", "rain"), USAGE, "", "transfer"),
    "input without a slot": ((*BASE, "rain", "--input", "street.mp4"), USAGE, "", "SLOT=REF"),
    "given twice": ((*BASE, "rain", *VIDEO, *EDGE, "--set", "weights.edge=1"), USAGE, "", "once"),
    "no length of time": ((*BASE, "rain", *VIDEO, *EDGE, "--timeout", "soon"), USAGE, "", "45m"),
    "unknown id": (("run", "--from", "ps_zzzzzzzz"), UNKNOWN, "", "cosmos list"),
    "unknown run shown": (("show", "rs_zzzzzzzz"), UNKNOWN, "", "cosmos list"),
    "unknown run awaited": (("wait", "rs_zzzzzzzz"), UNKNOWN, "", "cosmos list"),
    "unknown column": (("list", "runs", "--columns", "id,staus"), USAGE, "", "status"),
    "unknown command": (("rnu",), USAGE, "", "run"),
    "unknown output as input": ((*BASE, "rain", "--video", "@last", *EDGE), REFUSED, "video", "cosmos list"),
}


@pytest.mark.parametrize("case", CASES)
def test_is_refused_with_field_and_remedy_and_leaves_nothing(cosmos, case):
    args, code, name, remedy = CASES[case]
    _prepare(cosmos.cwd)

    told = cosmos(*args)

    assert told.code == code, told.err
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert "Traceback" not in told.err
    assert name in told.err
    assert remedy in told.err
    assert "next: " in told.err
    assert cosmos.stored() == (0, 0)
    assert not (cosmos.home / "simulator" / "jobs").exists()


def test_a_byte_order_mark_is_no_part_of_a_text(cosmos):
    (cosmos.cwd / "rain.txt").write_bytes(b"\xef\xbb\xbfrain\r\n")
    (cosmos.cwd / "cosmos.toml").write_bytes(b'\xef\xbb\xbfdefault_target = "here"\r\n[targets.here]\r\n')
    for word, stdin in (("@rain.txt", ""), ("-", "\ufeffrain\n")):
        args = ("create", "prompt", "--model", "transfer", word, *VIDEO, *EDGE, "-q")
        stored = cosmos(*args, stdin=stdin).out.strip()
        assert cosmos.json("show", stored)["prompt_text"] == "rain"
    unknown = cosmos("wait", "-", stdin="\ufeffrs_zzzzzzzz\n")
    assert (unknown.code, "\ufeff" in unknown.err) == (UNKNOWN, False)


def test_all_problems_are_told_at_once_in_words_and_as_json(cosmos):
    args = (*BASE, "@nowhere.txt", "--video", "nope.mp4", "--weights.edge", "2", "--set", "num_step=1", "--seed", "x")

    told = cosmos(*args, "--json")

    fields = {problem["field"] for problem in told.document["error"]["problems"]}
    assert told.code == REFUSED
    assert {"text", "video", "weights.edge", "num_step", "seed"} <= fields
    assert told.err == ""
    assert all(set(p) == {"field", "message", "hint", "code", "severity"} for p in told.document["error"]["problems"])
    in_words = cosmos(*args).err
    assert all(field in in_words for field in fields)


def test_a_usage_error_is_a_document_too(cosmos):
    told = cosmos("list", "walks", "--json")

    assert told.code == USAGE
    assert set(told.document["error"]) == {"code", "message", "hint", "problems"}
    assert "walks" in told.document["error"]["message"]


def test_an_ambiguous_prefix_is_refused_and_names_what_it_could_be(cosmos, transfer):
    ids = [cosmos.json("create", "prompt", *transfer)["id"] for _ in range(2)]
    with closing(sqlite3.connect(cosmos.home / "cosmos.db")) as database, database:
        for old, new in zip(ids, ("ps_same000001", "ps_same000002"), strict=True):
            database.execute("UPDATE prompts SET id = ? WHERE id = ?", (new, old))

    told = cosmos("show", "ps_sam")

    assert told.code in (USAGE, UNKNOWN)
    assert "ps_same000001" in told.err
    assert "ps_same000002" in told.err
    assert cosmos("show", "ps_same000002").code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("default_target = [", "TOML"),
        ('defualt_target = "x"', "default_target"),
        ('default_target = "h100"', "h100"),
        ("[targets.x]\ngpus = 'many'\nhots = 'a'", "targets.x."),
        ("[targets.x]\n[targets.y]", "--target"),
    ],
)
def test_a_broken_configuration_is_refused_with_its_place(cosmos, transfer, text, said):
    (cosmos.cwd / "cosmos.toml").write_text(text)

    told = cosmos("run", *transfer)

    assert told.code == USAGE
    assert said in told.err
    assert cosmos.stored() == (0, 0)


def test_a_configuration_that_is_not_there_is_refused(cosmos):
    for args in (("--config", "no.toml", "list", "runs"), ("list", "runs", "--config", "no.toml")):
        told = cosmos(*args)
        assert told.code == USAGE
        assert "no.toml" in told.err


def test_a_database_that_is_newer_or_none_is_refused(cosmos, transfer):
    cosmos.forget()
    cosmos.home.mkdir()
    (cosmos.home / "cosmos.db").write_text("this is no database, " * 100)

    told = cosmos("run", *transfer)

    assert told.code == USAGE
    assert "cosmos.db" in told.err


def test_a_data_folder_that_cannot_be_written_is_refused(cosmos, transfer):
    nowhere = "/sys/cosmos"  # not even root may make folders there

    told = cosmos("run", *transfer, COSMOS_HOME=nowhere)

    assert told.code == USAGE
    assert nowhere in told.err


def test_a_data_folder_that_is_a_file_is_refused(cosmos, transfer):
    cosmos.forget()
    cosmos.home.write_text("in the way")

    told = cosmos("run", *transfer)

    assert told.code == USAGE
    assert str(cosmos.home) in told.err


def test_a_fault_of_ours_has_a_traceback_only_when_asked_for(cosmos):
    assert "Traceback" not in cosmos("show", "rs_zzz").err
    assert "Traceback" in cosmos("show", "rs_zzz", "--debug").err
    assert "Traceback" in cosmos("--debug", "show", "rs_zzz").err


def test_the_clips_of_these_tests_are_what_they_claim(cosmos):
    _prepare(cosmos.cwd)
    with av.open(str(cosmos.cwd / "short.mp4")) as short:
        assert sum(1 for _ in short.decode(video=0)) == 4
