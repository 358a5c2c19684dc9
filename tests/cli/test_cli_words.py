"""How words are read and shown: lengths of time, moments, sizes, JSON."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmos_core.cli.kinds import Duration, Moment
from cosmos_core.cli.screen import one_line, size, span, when
from cosmos_core.documents import eta_s, plain, rfc3339, run_document
from cosmos_core.store.records import Paused, ProgressRecord, RunRecord

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def read(kind, word):
    return kind().convert(word, None, None)


@pytest.mark.parametrize(("word", "seconds"), [("90", 90), ("30s", 30), ("45m", 2700), ("2h", 7200), ("1.5h", 5400)])
def test_lengths_of_time(word, seconds):
    assert read(Duration, word) == seconds


@pytest.mark.parametrize("word", ["", "soon", "-5", "0", "5 x", "nan", "1e3", "2h30"])
def test_what_is_no_length_of_time(word):
    with pytest.raises(click.BadParameter, match="45m"):
        read(Duration, word)


def test_moments_are_dates_times_and_spans():
    assert read(Moment, "2026-11-24T14:05:00Z") == datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
    assert read(Moment, "2026-11-24T14:05:00+02:00") == datetime(2026, 11, 24, 12, 5, tzinfo=UTC)
    assert read(Moment, "2026-11-24") == datetime(2026, 11, 24).astimezone(UTC)
    assert abs(read(Moment, "2d") - (datetime.now(UTC) - timedelta(days=2))) < timedelta(seconds=5)
    with pytest.raises(click.BadParameter, match="yesterday"):
        read(Moment, "soon")


def test_days_have_names():
    today, yesterday = read(Moment, "today").astimezone(), read(Moment, "yesterday").astimezone()

    assert (today.hour, today.minute, yesterday.hour) == (0, 0, 0)
    assert today.date() - yesterday.date() == timedelta(days=1)


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 2)))  # noqa: DTZ001
def test_a_moment_survives_its_text(moment):
    text = rfc3339(moment)

    assert text.endswith("Z")
    assert abs(datetime.fromisoformat(text) - moment) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (timedelta(seconds=5), "5 s ago"),
        (timedelta(minutes=3, seconds=20), "3 min ago"),
        (timedelta(days=500), "2025-"),
    ],
)
def test_moments_as_people_say_them(before, words):
    assert when(NOW - before, NOW).startswith(words)


@pytest.mark.parametrize(("seconds", "words"), [(3.21, "3.2 s"), (245, "4 min 05 s"), (7800, "2 h 10 min"), (None, "")])
def test_lengths_as_people_say_them(seconds, words):
    assert span(seconds) == words


@pytest.mark.parametrize(("count", "words"), [(812, "812 B"), (3_400_000, "3.4 MB"), (0, "0 B"), (5e12, "5000.0 GB")])
def test_sizes(count, words):
    assert size(count) == words


@given(st.text())
def test_one_line_never_moves_the_cursor(text):
    assert all(c.isprintable() for c in one_line(text))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@given(_json)
def test_anything_a_plugin_answers_can_be_shown_as_json(value):
    json.loads(json.dumps(plain(value), allow_nan=False))


def stepping(first, latest, spent, **changes):
    """A run whose model took so many seconds from one share of its work to another, after an hour of loading."""
    begun = NOW + timedelta(hours=1)
    return RunRecord(
        **{
            "id": "rs_a", "prompt_id": "ps_a", "model_type": "m", "status": "running", "target": "t", "toolkit": "k",
            "created_at": NOW, "started_at": NOW,
            "first_step": ProgressRecord(timestamp=begun, stage="inference", percentage=first),
            "progress": ProgressRecord(
                timestamp=begun + timedelta(seconds=spent), stage="inference", percentage=latest
            ),
        } | changes
    )  # fmt: skip


@given(st.floats(0.1, 80.0), st.floats(2.1, 9.0), st.integers(10, 10_000))
def test_time_left_follows_the_pace_since_the_first_step(first, gained, spent):
    run = stepping(first, first + gained, spent)

    assert math.isclose(eta_s(run), spent * (100 - first - gained) / gained, rel_tol=1e-6, abs_tol=0.06)
    later = eta_s(run, run.progress.timestamp + timedelta(seconds=1))
    assert later is None or math.isclose(later, eta_s(run) - 1, abs_tol=0.11)


@pytest.mark.parametrize(
    "run",
    [
        stepping(3.0, 3.0, 0),  # one step: no pace yet
        stepping(3.0, 4.0, 600),  # too little of it
        stepping(3.0, 60.0, 2),  # too short a while
        stepping(3.0, 60.0, -60),  # a clock that was set back
        stepping(3.0, 90.0, 600),  # what comes last has another pace
        stepping(3.0, 60.0, 600, first_step=None),
        stepping(3.0, 60.0, 600, status="downloading"),
        stepping(3.0, 60.0, 600, status="completed"),
        stepping(3.0, 60.0, 600, paused=Paused(since=NOW, reason="the host is away")),
    ],
)
def test_time_left_is_not_told_before_it_is_worth_saying(run):
    assert eta_s(run) is None


def test_a_run_that_was_due_long_ago_has_no_time_left():
    """What is stored is as old as the last look."""
    run = stepping(3.0, 60.0, 600)
    assert eta_s(run, run.progress.timestamp + timedelta(hours=1)) is None
    assert run_document(run)["progress"]["eta_s"] is None
