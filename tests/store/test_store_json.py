"""Values of the contract as JSON and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import PurePosixPath
from typing import Any

from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from cosmos_core.convert import from_json, time_of, time_text, to_json
from cosmos_core.store.records import Paused
from cosmos_core.values import (
    Bundle,
    Command,
    Fetch,
    FileToWrite,
    Input,
    Job,
    Media,
    Place,
    Request,
    Resources,
    Site,
)

EARLY, LATE = datetime(2, 1, 1), datetime(9998, 1, 1)  # noqa: DTZ001  hypothesis gives them their zones
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INPUT = Input(slot="video", name="Straße 🌧️.mp4", sha256="ab" * 32, media=Media(kind="video", fps=29.97, frames=93))


@frozen(kw_only=True)
class Weights:
    edge: float = 1.0
    name: str | None = None


@frozen(kw_only=True)
class Parameters:
    weights: Weights = Weights()
    seeds: tuple[int, ...] = ()
    seed: int | tuple[int, ...] | None = None
    where: PurePosixPath | None = None


def through_json(value: Any) -> Any:
    """What another process reads of it."""
    return json.loads(json.dumps(to_json(value)))


@given(path=TEXT, content=st.binary() | TEXT.map(str.encode))
def test_any_file_comes_back_byte_for_byte(path: str, content: bytes) -> None:
    bundle = Bundle(
        files=(FileToWrite(path=path, content=content),),
        places=(Place(input=INPUT, to="inputs/v.mp4"),),
        fetch=(Fetch(pattern="*.mp4", role="result", required=True),),
        needs=(("/opt/models", "download them"),),
        batch_key="k",
    )
    assert from_json(Bundle, through_json(bundle)) == bundle


def test_a_text_file_can_be_read_in_the_database() -> None:
    assert through_json(FileToWrite(path="spec.json", content=b'{"a": 1}'))["content"] == {"text": '{"a": 1}'}
    assert set(through_json(FileToWrite(path="x", content=b"\xff"))["content"]) == {"base64"}


@given(argv=st.lists(TEXT).map(tuple), env=st.dictionaries(TEXT, st.none() | TEXT))
def test_any_command_comes_back(argv: tuple[str, ...], env: dict[str, str | None]) -> None:
    command = Command(argv=argv, env=env, secrets=("HF_TOKEN",), resources=Resources(gpus=8, minutes=1.5))
    assert from_json(Command, through_json(command)) == command


@given(
    seed=st.none() | st.integers() | st.lists(st.integers()).map(tuple),
    seeds=st.lists(st.integers()).map(tuple),
    edge=st.floats(allow_nan=False),
    text=TEXT,
)
def test_a_nested_job_comes_back_with_the_classes_of_its_parameters(
    seed: int | tuple[int, ...] | None, seeds: tuple[int, ...], edge: float, text: str
) -> None:
    parameters = Parameters(
        weights=Weights(edge=edge, name=text), seeds=seeds, seed=seed, where=PurePosixPath("/data/x")
    )
    request = Request(
        id="rs_a",
        model="m",
        toolkit="k",
        text=text,
        inputs=(INPUT,),
        parameters=parameters,
        given=("seed", "weights.edge"),
        site=Site(target="local", toolkit="k", gpus=2, secrets=("HF_TOKEN",)),
    )
    job = Job.of(request, request, dir="/w/jb")
    assert from_json(Job[Parameters], through_json(job)) == job


def test_a_sites_settings_are_written_whatever_their_class() -> None:
    request: Request[None] = Request(
        id="rs_a", model="m", toolkit="k", site=Site(target="t", toolkit="k", settings=Weights(edge=0.5))
    )
    assert through_json(request)["site"]["settings"] == {"edge": 0.5, "name": None}


def test_fields_of_an_older_program_are_passed_over() -> None:
    assert from_json(Media, {"kind": "video", "width": 2, "gone": 1}) == Media(kind="video", width=2)


@given(
    st.datetimes(EARLY, LATE),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_a_moment_comes_back_whatever_its_zone(naive: datetime, zone: timezone) -> None:
    moment = naive.replace(tzinfo=zone)
    assert time_of(time_text(moment)) == moment
    assert time_of(time_text(moment)).utcoffset() == timedelta(0)
    paused = Paused(since=moment, reason="no GPU is free")
    assert from_json(Paused, through_json(paused)) == paused


@given(*[st.datetimes(EARLY, LATE, timezones=st.just(UTC))] * 2)
def test_the_text_of_moments_sorts_as_they_do(one: datetime, other: datetime) -> None:
    assert (time_text(one) < time_text(other)) == (one < other)
    assert len(time_text(one)) == len("2026-03-01T12:00:00.000000Z")
