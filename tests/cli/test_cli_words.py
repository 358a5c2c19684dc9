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
from cosmos_core.store.records import ProgressRecord, RunRecord

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
    with pytest.raises(click.BadParameter, match="2d"):
        read(Moment, "yesterday")


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


@given(st.floats(0.1, 99.9), st.integers(1, 10_000))
def test_time_left_follows_the_pace(percentage, spent):
    run = RunRecord(
        id="rs_a", prompt_id="ps_a", model_type="m", status="running", target="t", toolkit="k", created_at=NOW,
        started_at=NOW,
        progress=ProgressRecord(
            timestamp=NOW + timedelta(seconds=spent), stage="inference", percentage=percentage
        ),
    )  # fmt: skip

    assert math.isclose(eta_s(run), spent * (100 - percentage) / percentage, abs_tol=0.06)
    assert run_document(run)["progress"]["eta_s"] == eta_s(run)
