"""The core's verdict on a run, from the exit code and the required files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmos_core import Bundle, Failure, Fetch, Outputs, Result
from cosmos_core.models.verdict import matching, verdict

BUNDLE = Bundle(
    fetch=(
        Fetch(pattern="*.mp4", role="result", required=True),
        Fetch(pattern="extra.json", role="data"),
    )
)


def failure(files: Mapping[str, int], exit_code: int | None = 0, said: Outputs | None = None) -> Failure | None:
    result = Result(files=files, folder=Path("/there"), log=Path("/there/run.log"), exit_code=exit_code)
    return verdict(BUNDLE, result, said or Outputs()).failure


def test_required_files_and_exit_0_are_a_success() -> None:
    assert failure({"a.mp4": 10}) is None


@pytest.mark.parametrize(
    ("files", "exit_code", "code", "words"),
    [
        ({}, 0, "missing_output", r"without writing outputs/\*\.mp4"),
        ({"deep/a.mp4": 1}, 0, "missing_output", "without writing"),
        ({"a.mp4": 0}, 0, "empty_output", "outputs/a.mp4 is empty"),
        ({"a.mp4": 9, "b.mp4": 0}, 0, "empty_output", "outputs/b.mp4 is empty"),
        ({"a.mp4": 9}, 1, "exit_code", "exit code 1"),
        ({}, 137, "killed", "by SIGKILL"),
        ({"a.mp4": 9}, None, "exit_code", "unknown exit code"),
    ],
)
def test_a_failure_names_the_file_or_the_code_and_points_at_the_log(
    files: dict[str, int], exit_code: int | None, code: str, words: str
) -> None:
    found = failure(files, exit_code)
    assert found is not None
    assert found.code == code
    assert re.search(words, found.message)
    assert "/there/run.log" in found.hint


def test_what_the_plugin_read_from_the_log_is_better_than_an_exit_code() -> None:
    oom = Failure(code="out_of_memory", message="no memory")
    assert failure({}, 1, Outputs(failure=oom)) is oom


def test_values_and_scores_are_kept() -> None:
    result = Result(files={}, folder=Path("/there"), log=Path("/there/run.log"), exit_code=1)
    judged = verdict(BUNDLE, result, Outputs(values={"seed": 1}, scores={"s": 2.0}, text="t"))
    assert (judged.values, judged.scores, judged.text) == ({"seed": 1}, {"s": 2.0}, "t")


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("a.mp4", {"a.mp4"}),
        ("*.mp4", {"a.mp4", "b+c.mp4"}),
        ("*/*.mp4", {"d/a.mp4"}),
        ("**/*.mp4", {"a.mp4", "b+c.mp4", "d/a.mp4", "d/e/a.mp4"}),
        ("d/**", {"d/a.mp4", "d/e/a.mp4"}),
        ("?.mp4", {"a.mp4"}),
        ("[ab]*.mp4", {"a.mp4", "b+c.mp4"}),
        ("[!a]*.mp4", {"b+c.mp4"}),
        ("b+c.mp4", {"b+c.mp4"}),
        ("x[1.log", {"x[1.log"}),
    ],
)
def test_patterns_stay_within_a_folder_unless_doubled(pattern: str, matches: set[str]) -> None:
    paths = ["a.mp4", "b+c.mp4", "d/a.mp4", "d/e/a.mp4", "x[1.log"]
    assert set(matching(pattern, paths)) == matches


@given(st.text(st.characters(exclude_characters="*?[\0", codec="utf-8"), min_size=1))
def test_a_plain_name_matches_itself_alone(name: str) -> None:
    assert matching(name, [name, name + "x", "x" + name]) == (name,)


@given(
    st.lists(st.text("ab.", min_size=1, max_size=3), min_size=1, max_size=3).map("/".join),
    st.text("ab.*?/", min_size=1),
)
def test_patterns_agree_with_pathlib_where_it_has_them(path: str, pattern: str) -> None:
    parts = pattern.split("/")
    plain = "**" not in pattern and all(parts) and not {".", ".."} & {*parts, *path.split("/")}
    if plain and len(parts) == len(path.split("/")):
        assert bool(matching(pattern, [path])) == PurePosixPath(path).match(pattern)
