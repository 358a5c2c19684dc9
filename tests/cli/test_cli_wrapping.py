"""Where lines end on a terminal of 80 columns: within the width, below their prefix, never within a name."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmos_core.cli.printing import print_end
from cosmos_core.cli.screen import print_table, styled, whole, wrapped
from cosmos_core.cli.wrapping import lines_of
from cosmos_core.store.records import RunRecord

WORDS = "the quick brown fox jumps over the lazy dog " * 4


class Screen80(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Screen80()


def test_further_lines_stand_below_the_first_whatever_colour_its_prefix_has(screen):
    plain = wrapped(WORDS, before="error: ", to=screen).splitlines()
    colour = wrapped(WORDS, before=f"{styled('error:', 'red', screen)} ", to=screen).splitlines()

    assert plain[0].startswith("error: the quick")
    assert all(line.startswith("       ") and line[7] != " " for line in plain[1:])
    assert max(map(len, plain)) <= 80
    assert colour[1:] == plain[1:]


def test_below_a_prefix_that_leaves_no_room(screen):
    lines = wrapped(WORDS, before="x" * 70 + ": ", to=screen).splitlines()

    assert lines[0] == "x" * 70 + ":"
    assert max(map(len, lines)) <= 80


def test_a_path_is_never_broken_so_that_it_can_be_copied(screen):
    path = "/projects/" + "folder/" * 12 + "rain at night in the street.mp4"
    lines = wrapped("the result is in " + whole(path) + "  (24 fps)", before="  video  ", to=screen).splitlines()

    assert [line.strip() for line in lines] == ["video  the result is in", path, "(24 fps)"]


@given(st.text(alphabet="ab/ \t\n", max_size=300), st.integers(1, 40))
def test_lines_lose_nothing_but_blanks_and_keep_within_their_room(text, room):
    lines = lines_of(text, room)

    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        assert len(line) <= room or not any(blank in line.strip() for blank in " \t")


def test_the_line_of_a_log_that_says_why_is_shown_whole(screen):
    noise, why = "INFO step " + "=" * 200, "torch.OutOfMemoryError: CUDA out of memory. " + WORDS
    made = datetime(2026, 11, 24, tzinfo=UTC)
    run = RunRecord(
        created_at=made, id="rs_1", prompt_id="ps_1", model_type="transfer", toolkit="t", target="h100", status="failed"
    )

    with redirect_stdout(screen), redirect_stderr(screen):
        print_end(run, [noise, why, "exit status 1"])

    lines = screen.getvalue().splitlines()
    assert " ".join(why.split()) in " ".join(" ".join(lines).split())
    assert any(line.startswith("    INFO step ===") and line.endswith("…") for line in lines)
    assert max(map(len, lines)) <= 80


def test_columns_that_say_the_same_in_all_rows_make_room(screen):
    rows = [{"id": f"rs_{n}", "model": "transfer", "target": "h100", "text": WORDS} for n in range(3)]

    with redirect_stdout(screen):
        same = print_table(("id", "model", "target", "text"), rows, flexible="text", spare=("model", "target"))

    assert same == {"model": "transfer", "target": "h100"}
    assert "TRANSFER" not in screen.getvalue().upper()


@pytest.mark.parametrize(
    ("text", "rows"),
    [("short", 3), (WORDS, 1)],  # it fits; one row alone has nothing to be the same as
)
def test_columns_stay_where_there_is_room_or_only_one_row(screen, text, rows):
    row = {"id": "rs_1", "model": "transfer", "text": text}

    with redirect_stdout(screen):
        assert print_table(("id", "model", "text"), [row] * rows, flexible="text", spare=("model",)) == {}
    assert "transfer" in screen.getvalue()


def test_a_column_that_was_asked_for_is_there_however_narrow_the_terminal(screen):
    rows = [{"id": "rs_1", "result": "/projects/" + "x" * 90, "error": "none"}]

    with redirect_stdout(screen):
        print_table(("id", "result", "error"), rows, flexible="error", keep=True)
    assert "x" * 90 in screen.getvalue()


def test_the_first_words_of_all_fit(capsys):
    from cosmos_core.cli.main import WELCOME

    assert max(map(len, WELCOME.splitlines())) <= 80
