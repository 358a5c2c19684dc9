"""Which files a folder or a pattern means, and the words for those that are none."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmos_core.sequences import BadSequence, find, is_pattern, rate_of


def touch(folder: Path, names: Iterable[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def numbered(*numbers: int, name: str = "d.%04d.png") -> list[str]:
    return [name % number for number in numbers]


def faults_of(ref: Path | str) -> list[tuple[str, str]]:
    with pytest.raises(BadSequence) as caught:
        find(str(ref))
    return [(problem.code, problem.message) for problem in caught.value.problems]


def test_a_folder_is_its_pictures_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = touch(tmp_path / "frames", numbered(8, 9, 10, 11, name="%d.png"))
    found = find(str(folder))
    assert [file.name for file in found.files] == ["8.png", "9.png", "10.png", "11.png"]
    assert (found.pattern, found.first, found.last, found.name) == ("#.png", 8, 11, "frames.mp4")


def test_what_systems_leave_in_folders_is_no_part_of_it(tmp_path: Path) -> None:
    rubbish = [".DS_Store", "._d.0001.png", "Thumbs.db", "desktop.ini", "render.log", ".d.0003.png"]
    folder = touch(tmp_path / "f", [*numbered(1, 2), *rubbish])
    (folder / "old").mkdir()
    found = find(f"{folder}/")
    assert (found.first, found.last, found.left_out) == (1, 2, ())


@pytest.mark.parametrize("pattern", ["d.####.png", "d.%04d.png", "d.*.png", "d.#.png", "d.%d.png", "*.png"])
def test_a_pattern_in_any_notation(tmp_path: Path, pattern: str) -> None:
    touch(tmp_path, [*numbered(1001, 1002, 1003), "depth.0001.jpg", "notes.txt"])
    assert is_pattern(pattern)
    found = find(str(tmp_path / pattern))
    assert (found.pattern, found.first, found.last, found.name) == ("d.####.png", 1001, 1003, "d.mp4")


def test_a_pattern_tells_one_sequence_of_many_in_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, [*numbered(1, 2), *numbered(1, 2, 3, name="d_v2.%04d.png"), *numbered(1, 2, name="d.%04d.jpg")])
    assert find(str(tmp_path / "d.####.png")).last == 2
    assert find(str(tmp_path / "d_v2.####.png")).last == 3


def test_numbers_above_what_the_marks_hold_belong_to_it(tmp_path: Path) -> None:
    touch(tmp_path, numbered(9998, 9999, 10000))
    assert find(str(tmp_path / "d.####.png")).last == 10000


def test_the_number_is_the_one_that_counts(tmp_path: Path) -> None:
    touch(tmp_path, numbered(1, 2, 3, name="shot010_%04d_512x512.png"))
    found = find(str(tmp_path))
    assert (found.pattern, found.last) == ("shot010_####_512x512.png", 3)


def test_a_picture_beside_the_sequence_is_named(tmp_path: Path) -> None:
    touch(tmp_path, [*numbered(1, 2, 3), "contact sheet.png"])
    assert find(str(tmp_path)).left_out == ("contact sheet.png",)


@pytest.mark.parametrize("name", ["a.mp4", "clip_##.mp4", "d.0001.png", "notes#1.txt", "frames"])
def test_other_names_are_no_pattern(name: str) -> None:
    assert not is_pattern(name)


WRONG: dict[str, tuple[list[str], str, str]] = {
    "a gap": (numbered(1, 2, 4, 5, 9, 10), "frames_missing", "from 1 to 10, and frames are missing: 3, 6-8"),
    "many gaps": (numbered(*range(1, 100, 3), 101), "frames_missing", "2-3, 5-6, 8-9, 11-12, 14-15 and 28 more"),
    "every second": (numbered(1, 3, 5, 7), "frames_missing", "one frame in 2: 1, 3, 5 ... 7"),
    "a far number": (numbered(1, 2, 2_000_000_000), "frames_missing", "3-1999999999"),
    "another kind": ([*numbered(1, 2, 4), "d.0003.jpg"], "mixed_kinds", "3 are .png, and not d.0003.jpg"),
    "a number twice": (["d.1.png", "d.01.png", "d.2.png"], "frame_twice", "d.01.png and d.1.png"),
    "two sequences": (
        [*numbered(1, 2), *numbered(1, 2, name="b_%03d.png")],
        "several_sequences",
        "2 sequences: b_###.png (1-2), d.####.png (1-2)",
    ),
    "the same in two kinds": ([*numbered(1, 2), *numbered(1, 2, name="d.%04d.jpg")], "several_sequences", "d.####.jpg"),
    "one picture": (["d.0001.png"], "not_a_sequence", "holds one picture"),
    "no numbers": (["a.png", "b.png"], "not_a_sequence", "not numbered: a.png, b.png"),
    "nothing": ([], "no_frames", "empty folder"),
    "only other things": (["take.mp4", "notes.txt"], "no_frames", "but notes.txt, take.mp4"),
    "scene light": (numbered(1, 2, name="z.%04d.exr"), "not_a_picture", "z.####.exr"),
}


@pytest.mark.parametrize("name", WRONG)
def test_says_what_is_wrong(tmp_path: Path, name: str) -> None:
    files, code, words = WRONG[name]
    [(found, message)] = faults_of(touch(tmp_path / "f", files))
    assert found == code
    assert words in message


def test_says_all_that_is_wrong(tmp_path: Path) -> None:
    files = [*numbered(1, 2, 5, name="z.%04d.exr"), "z.0003.png"]
    assert [code for code, _ in faults_of(touch(tmp_path, files))] == ["mixed_kinds", "not_a_picture", "frames_missing"]


def test_exr_is_told_how_to_become_pictures(tmp_path: Path) -> None:
    touch(tmp_path, numbered(1001, 1002, name="beauty.%04d.exr"))
    with pytest.raises(BadSequence) as caught:
        find(str(tmp_path))
    command = (
        "ffmpeg -apply_trc iec61966_2_1 -start_number 1001 -i beauty.%04d.exr -pix_fmt rgb24 "
        "-start_number 1001 png/beauty.%04d.png"  # without the second its numbers would begin with 1
    )
    assert command in caught.value.problems[0].hint


def test_a_pattern_without_a_match_is_told_what_there_is(tmp_path: Path) -> None:
    touch(tmp_path, numbered(1, 2, name="depth.%05d.png"))
    with pytest.raises(BadSequence, match="no picture matches") as caught:
        find(str(tmp_path / "depth.####.png"))
    assert caught.value.problems[0].hint == "there: depth.#####.png (1-2)"
    assert faults_of(tmp_path / "gone" / "d.####.png")[0][0] == "unreadable"


@given(st.sets(st.integers(0, 3000), min_size=1, max_size=40), st.integers(1, 5))
def test_whole_or_told(tmp_path_factory: pytest.TempPathFactory, numbers: set[int], width: int) -> None:
    folder = touch(tmp_path_factory.mktemp("f"), [f"a{number:0{width}}.png" for number in numbers])
    try:
        found = find(str(folder))
    except BadSequence:
        assert len(numbers) == 1 or max(numbers) - min(numbers) >= len(numbers)
    else:
        assert [int(file.stem[1:]) for file in found.files] == sorted(numbers)
        assert max(numbers) - min(numbers) + 1 == len(numbers)


@pytest.mark.parametrize(
    ("said", "rate"),
    [
        ("24", Fraction(24)),
        (25.0, Fraction(25)),
        ("23.976", Fraction(24000, 1001)),
        ("23.98", Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        ("24000/1001", Fraction(24000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("12.5", Fraction(25, 2)),
        ("0.5", Fraction(1, 2)),
    ],
)
def test_rates_as_people_write_them(said: Any, rate: Fraction) -> None:
    assert rate_of(said) == rate


@pytest.mark.parametrize("said", ["0", "-24", "1/0", "fast", "", "nan", "inf", "24 fps", "1e-9", "100000", None])
def test_what_is_no_rate(said: Any) -> None:
    with pytest.raises(ValueError, match="not a frame rate"):
        rate_of(said)
