"""Parameters and settings, read by what their classes declare."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from cosmos_core import parameter
from cosmos_core.parameters import faults, keys, nearest, read, text_form, unstructure


@frozen(kw_only=True)
class Weights:
    edge: float | None = parameter(None, ge=0, le=1)
    depth: float | None = parameter(None, ge=0, le=1)


@frozen(kw_only=True)
class Everything:
    num_steps: int = parameter(35, help="sampling steps", ge=1)
    seed: int = parameter(0, ge=0, le=2**32 - 1)
    guidance: float = parameter(3.5, ge=0, le=7, unit="x")
    name: str = parameter("plain")
    note: str | None = parameter(None)
    exact: bool = parameter(False)
    preset: Literal["low", "high", 3] = parameter("low")
    resolution: str = parameter("720", choices=("480", "720"))
    checkpoint: PurePosixPath | None = parameter(None)
    frames: tuple[int, ...] = parameter((), ge=0)
    words: tuple[str, ...] = parameter(())
    size: tuple[int, int] = parameter((1280, 704))
    gpus: int | tuple[int, ...] | None = parameter(None)
    env: Mapping[str, str] = parameter({})
    scale: Mapping[str, float] | None = parameter(None, ge=0)
    weights: Weights = parameter(Weights(depth=0.25))
    extra: Weights | None = parameter(None)


def instances() -> st.SearchStrategy[Everything]:
    unit = st.none() | st.floats(0, 1)
    weights = st.builds(Weights, edge=unit, depth=unit)
    return st.builds(
        Everything,
        num_steps=st.integers(1),
        seed=st.integers(0, 2**32 - 1),
        guidance=st.floats(0, 7),
        name=st.text(),
        note=st.none() | st.text(),
        exact=st.booleans(),
        preset=st.sampled_from(["low", "high", 3]),
        resolution=st.sampled_from(["480", "720"]),
        checkpoint=st.none() | st.sampled_from([PurePosixPath("/a/b c"), PurePosixPath("x.pt")]),
        frames=st.lists(st.integers(0)).map(tuple),
        words=st.lists(st.text()).map(tuple),
        size=st.tuples(st.integers(), st.integers()),
        gpus=st.none() | st.integers() | st.lists(st.integers(), min_size=1).map(tuple),
        env=st.dictionaries(st.text(), st.text()),
        scale=st.none() | st.dictionaries(st.text(), st.floats(0, allow_infinity=False)),
        weights=weights,
        extra=st.none() | weights,
    )


@given(instances())
def test_what_is_written_as_json_reads_back_the_same(instance: Everything) -> None:
    written = json.loads(json.dumps(unstructure(instance)))
    reading = read(Everything, written)
    assert reading.problems == ()
    assert reading.instance == instance
    again = read(Everything, json.loads(json.dumps(reading.values)))
    assert (again.instance, again.given) == (instance, reading.given)


@given(instances())
def test_every_value_as_text_reads_back_the_same(instance: Everything) -> None:
    text = {
        key.name: text_form(value)
        for key in keys(Everything)
        if (value := _at(instance, key.name)) is not _NOTHING and not (value is None and key.name == "note")
    }
    if instance.extra is None:
        text["extra"] = "none"
    if len(instance.frames) == 0:
        text["frames"] = ""
    if isinstance(instance.gpus, tuple) and len(instance.gpus) == 1:
        del text["gpus"]  # "3" is a count: one index is written [3]
        text["gpus"] = json.dumps(list(instance.gpus))
    reading = read(Everything, text)
    assert reading.problems == ()
    assert reading.instance == instance


_NOTHING = object()


def _at(instance: Any, name: str) -> Any:
    for word in name.split("."):
        instance = _NOTHING if instance is None else getattr(instance, word)
    return instance


@given(
    st.dictionaries(
        st.text(max_size=8) | st.sampled_from([k.name for k in keys(Everything)]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    )
)
def test_nothing_that_is_given_makes_it_raise(values: dict[str, Any]) -> None:
    reading = read(Everything, values)
    assert (reading.instance is None) == bool(reading.problems)
    for problem in reading.problems:
        assert problem.message
        assert problem.code


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("num_steps", "35", 35),
        ("num_steps", 12.0, 12),
        ("num_steps", "1e3", 1000),
        ("guidance", 2, 2.0),
        ("guidance", "0.5", 0.5),
        ("exact", "Yes", True),
        ("exact", "0", False),
        ("note", "none", "none"),
        ("checkpoint", "null", None),
        ("checkpoint", "/a", PurePosixPath("/a")),
        ("preset", "3", 3),
        ("frames", "1, 2,3", (1, 2, 3)),
        ("frames", "[4]", (4,)),
        ("frames", [5.0], (5,)),
        ("gpus", "2", 2),
        ("gpus", "0,2", (0, 2)),
        ("gpus", "none", None),
        ("env", '{"A": "b"}', {"A": "b"}),
        ("words", "a,b", ("a", "b")),
    ],
)
def test_a_value_is_read_by_its_declared_type(name: str, value: Any, wanted: Any) -> None:
    reading = read(Everything, {name: value})
    assert reading.problems == ()
    got = getattr(reading.instance, name)
    assert got == wanted
    assert type(got) is type(wanted)
    assert reading.given == (name,)


@pytest.mark.parametrize(
    ("name", "value", "code", "words"),
    [
        ("num_steps", "many", "wrong_type", "wants a whole number, not 'many'"),
        ("num_steps", True, "wrong_type", "wants a whole number, not true"),
        ("num_steps", 1.5, "wrong_type", "wants a whole number, not 1.5"),
        ("num_steps", "٣", "wrong_type", "whole number"),
        ("num_steps", "1_000", "wrong_type", "whole number"),
        ("num_steps", 0, "out_of_range", "must be at least 1, not 0"),
        ("num_steps", "9" * 5000, "wrong_type", "too many digits"),
        ("seed", 2**32, "out_of_range", "from 0 to 4294967295, not 4294967296"),
        ("guidance", "nan", "not_finite", "finite"),
        ("guidance", math.inf, "not_finite", "finite"),
        ("guidance", None, "wrong_type", "wants a number, not none"),
        ("guidance", 10**400, "wrong_type", "too large"),
        ("guidance", 7.5, "out_of_range", "from 0 to 7, not 7.5"),
        ("exact", 1, "wrong_type", "true or false"),
        ("name", 35, "wrong_type", "wants text, not 35"),
        ("resolution", "721", "not_a_choice", "must be one of 480, 720"),
        ("preset", True, "not_a_choice", "low, high, 3"),
        ("frames", "1,x", "wrong_type", "'x'"),
        ("frames", "1,-2", "out_of_range", "at least 0"),
        ("size", "1,2,3", "wrong_type", "wants 2 values, INTEGER,INTEGER, not 3"),
        ("gpus", "two", "wrong_type", "INTEGER or INTEGER,INTEGER,..."),
        ("env", "A=b", "wrong_type", "JSON object"),
        ("scale", {"a": -1}, "out_of_range", "at least 0"),
        ("weights", 3, "wrong_type", "keys of its own"),
        ("weights.edge", "1.1", "out_of_range", "from 0 to 1"),
        ("num_steps.x", 1, "unknown_key", "unknown key"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_words(name: str, value: Any, code: str, words: str) -> None:
    (problem,) = read(Everything, {name: value}, field_prefix="parameters.").problems
    assert (problem.field, problem.code) == (f"parameters.{name}", code)
    assert words in problem.message
    assert len(problem.message) < 200


def test_every_problem_is_found_at_once() -> None:
    wrong = {
        "num_steps": 0,
        "weights": {"edge": "x", "egde": 1},
        "weights.depth": 2,
        "nam": 1,
        "exact": "maybe",
    }
    found = {p.field: p.code for p in read(Everything, wrong).problems}
    assert found == {
        "num_steps": "out_of_range",
        "weights.edge": "wrong_type",
        "weights.egde": "unknown_key",
        "weights.depth": "out_of_range",
        "nam": "unknown_key",
        "exact": "wrong_type",
    }


def test_a_number_for_text_is_refused_showing_the_text() -> None:
    (problem,) = read(Everything, {"name": 35}).problems
    assert problem.hint == 'as text it is written "35"'


def test_nested_and_dotted_keys_mix_and_keep_the_declared_defaults() -> None:
    reading = read(Everything, {"weights.edge": "0.5", "env": {"A": "1"}, "env.B.c": "2", "extra": {"depth": 1}})
    assert reading.instance.weights == Weights(edge=0.5, depth=0.25)
    assert reading.instance.env == {"A": "1", "B.c": "2"}
    assert reading.instance.extra == Weights(depth=1.0)
    assert set(reading.given) == {"weights.edge", "env", "extra.depth"}
    assert reading.values == {
        "weights": {"edge": 0.5},
        "env": {"A": "1", "B.c": "2"},
        "extra": {"depth": 1.0},
    }


def test_a_nested_object_may_come_as_json_text() -> None:
    assert read(Everything, {"weights": '{"edge": 1}'}).instance.weights.edge == 1.0


@pytest.mark.parametrize(
    "values",
    [
        {"weights": {"edge": 1}, "weights.edge": 1},
        {"env": {"A": "1"}, "env.A": "2"},
        {"extra": None, "extra.edge": 1},
    ],
)
def test_the_same_key_given_in_two_ways_is_refused(values: dict[str, Any]) -> None:
    (problem,) = read(Everything, values).problems
    assert problem.code == "given_twice"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("num-steps", "num_steps"),
        ("edge", "weights.edge"),
        ("NUM_STEPS", "num_steps"),
        ("weights.egde", "weights.edge"),
    ],
)
def test_an_unknown_key_names_the_nearest_right_one(wrong: str, right: str) -> None:
    (problem,) = read(Everything, {wrong: 1}).problems
    assert problem.hint == f"did you mean '{right}'?"


def test_an_unknown_key_says_which_toolkit_knows_it() -> None:
    elsewhere = {"cosmos-transfer2.5": ("sigma_max",), "cosmos-predict2.5": ("num_frames",)}
    (problem,) = read(Everything, {"sigma_max": 1}, known_elsewhere=elsewhere).problems
    assert problem.message == "unknown here, known to cosmos-transfer2.5"
    assert problem.code == "unknown_key"


@given(st.integers(0, 50), st.integers(0, 50))
def test_random_draws_from_the_range(low: int, span: int) -> None:
    @frozen
    class Drawn:
        seed: int = parameter(low, ge=low, le=low + span)

    Drawn.__annotations__["seed"] = int  # a local class: its annotation is text that nobody else can read
    drawn = read(Drawn, {"seed": "random"})
    assert low <= drawn.instance.seed <= low + span
    assert drawn.values == {"seed": drawn.instance.seed}


def test_random_is_drawn_anew_and_fits_any_toolkit() -> None:
    drawn = {read(Everything, {"seed": "random"}).instance.seed for _ in range(20)}
    assert len(drawn) > 15
    assert max(drawn) < 2**31


def test_keys_show_type_default_and_range() -> None:
    shown = {key.name: key.text for key in keys(Everything)}
    assert shown["num_steps"] == "INTEGER  [default: 35; 1..]"
    assert shown["guidance"] == "FLOAT  [default: 3.5 x; 0..7]"
    assert shown["preset"] == "low|high|3  [default: low]"
    assert shown["resolution"] == "480|720  [default: 720]"
    assert shown["note"] == "TEXT"
    assert shown["size"] == "INTEGER,INTEGER  [default: 1280,704]"
    assert shown["gpus"] == "INTEGER or INTEGER,INTEGER,..."
    assert shown["weights.depth"] == "FLOAT  [default: 0.25; 0..1]"
    assert shown["extra.depth"] == "FLOAT  [0..1]"


@frozen(kw_only=True)
class Odd:
    needed: int = parameter()
    anything: Any = parameter(None)
    pairs: list[int] = field(factory=list)
    mixed: Weights | int = parameter(1)


@frozen(kw_only=True)
class Unresolvable:
    field: NotThere = parameter(None)  # type: ignore[name-defined]  # noqa: F821


def test_a_class_that_cannot_be_read_says_why() -> None:
    words = "; ".join(faults(Odd))
    for part in ("Odd.needed has no default", "Odd.anything", "Odd.pairs", "Odd.mixed: a nested class"):
        assert part in words
    assert "NotThere" in faults(Unresolvable)[0]
    assert faults(dict) == ("<class 'dict'> is not an attrs class",)
    assert faults(Everything) == ()


def test_a_missing_required_key_is_a_problem() -> None:
    @frozen(kw_only=True)
    class Table:
        work_dir: str = parameter()

    Table.__annotations__["work_dir"] = str
    (problem,) = read(Table, {}).problems
    assert problem.code == "missing_key"
    assert keys(Table)[0].text == "TEXT  [required]"


def test_the_class_s_own_validator_speaks_as_a_problem() -> None:
    def even(_: Any, __: Any, value: int) -> None:
        if value % 2:
            raise ValueError("has to be even")

    @frozen
    class Even:
        count: int = field(default=2, validator=even)

    Even.__annotations__["count"] = int
    (problem,) = read(Even, {"count": "3"}).problems
    assert (problem.code, problem.message) == ("invalid", "has to be even")


def test_nearest_is_the_beginning_of_a_hint_or_nothing() -> None:
    assert nearest("transfr", ("predict", "transfer")) == "did you mean 'transfer'? "
    assert nearest("zzz", ("predict", "transfer")) == ""
