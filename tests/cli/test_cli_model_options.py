"""Options generated from what a model declares."""

from __future__ import annotations

import click
import pytest
from attrs import fields, frozen

from cosmos_core import InputSlot, ModelInfo, Toolkit, parameter
from cosmos_core.cli import making
from cosmos_core.cli.model_options import ModelCommand, options_of
from cosmos_core.config import ToolkitSite
from cosmos_core.models.declaration import OPTIONS, SITE_KEYS


@frozen(kw_only=True)
class Old:
    num_steps: int = parameter(35, ge=1, help="Steps.", unit="steps")
    seed: int = parameter(1)


@frozen(kw_only=True)
class Inner:
    edge: float | None = parameter(None, ge=0, le=1)


@frozen(kw_only=True)
class New:
    num_steps: int = parameter(50)
    weights: Inner = parameter(Inner())


INFO = ModelInfo(
    title="Two",
    toolkits=(
        Toolkit(name="old", parameters=Old, inputs=(InputSlot(name="video", required=True, help="The video."),)),
        Toolkit(
            name="new",
            parameters=New,
            inputs=(InputSlot(name="video"), InputSlot(name="frames", many=True), InputSlot(name="mask.*")),
        ),
    ),
)


def options(*args):
    return {option.opts[0]: option for option in options_of("two", INFO, args)}


def test_options_are_the_union_over_the_toolkits_the_first_one_describing():
    found = options()

    assert list(found) == [
        "--video", "--num-steps", "--seed", "--frames", "--mask.NAME", "--weights.edge",
    ]  # fmt: skip
    assert (found["--num-steps"].metavar, found["--num-steps"].notes) == ("INTEGER", "[default: 35; 1..] steps")
    assert (found["--weights.edge"].notes, found["--weights.edge"].help.strip()) == ("[0..1]", "(new)")
    assert found["--video"].notes == "[required]"
    assert found["--frames"].notes == "[repeat for many]"


@pytest.mark.parametrize("command", [making.run, making.create.commands["prompt"], making.create.commands["run"]])
def test_no_model_may_have_the_name_of_an_option_of_ours(command):
    assert isinstance(command, ModelCommand)
    with click.Context(command) as ctx:
        ours = {flag[2:] for param in command.get_params(ctx) for flag in param.opts if flag.startswith("--")}
    assert ours
    assert ours <= OPTIONS


def test_the_names_of_a_family_are_options_where_they_are_used():
    found = options("--mask.edge", "a.mp4", "--mask.seg=b.mp4", "--other.x", "1")

    assert found["--mask.edge"].key == "mask.edge"
    assert found["--mask.seg"].hidden
    assert "--other.x" not in found


def test_no_setting_may_have_the_name_of_a_key_that_every_toolkit_has():
    assert {field.name for field in fields(ToolkitSite)} - {"settings"} == set(SITE_KEYS)


def test_all_misspelt_options_are_told_at_once_each_with_its_nearest_name(cosmos):
    words = ("--vdeo", "street.mp4", "--wieghts.edge=1", "--num_steps", "-4", "-seed", "1")
    ended = cosmos("run", "--model", "transfer", "rain", *words, "--json")

    assert ended.code == 2
    assert {problem["field"]: problem["hint"] for problem in ended.document["error"]["problems"]} == {
        "--vdeo": "did you mean --video?",
        "--wieghts.edge": "did you mean --weights.edge?",
        "--num_steps": "did you mean --num-steps?",
        "-seed": "did you mean --seed?",
    }


@pytest.mark.parametrize(
    ("words", "told", "typed"),
    [
        (("run", "--video", "a.mp4"), "--video is an option of transfer", "cosmos run --model transfer"),
        (("run", "--depth=a", "--weights.edge", "1"), "--depth and --weights.edge are options of transfer", "transfer"),
        (("create", "run", "--seed", "1"), "--seed is an option of transfer", "cosmos create run ID"),
        (("run", "--vdeo", "a.mp4"), "there is no option --vdeo", "--video of transfer"),
        (("list", "runs", "--statsu", "failed"), "there is no option --statsu", "did you mean --status?"),
        (("run", "--xyzzy", "--", "--video"), "there is no option --xyzzy", "`cosmos run --help`"),
    ],
)
def test_an_option_that_is_not_there_is_told_with_what_to_type(cosmos, words, told, typed):
    ended = cosmos(*words)

    assert ended.code == 2
    assert f"error: {told}" in ended.err
    assert typed in ended.err
    assert "2 unknown" not in ended.err


def test_an_option_that_takes_the_next_one_for_its_value_is_told(cosmos):
    told = cosmos("run", "--model", "transfer", "rain", "--distilled", "--num-steps", "4", "--video", "street.mp4")
    assert told.code == 2
    assert "--distilled wants a value, and --num-steps follows it" in told.err
    assert "--distilled true" in told.err


def test_an_option_of_several_parts_names_them(cosmos):
    told = cosmos("run", "--model", "transfer", "rain", "--weights", "edge=1", "--video", "street.mp4")
    assert (told.code, "--weights.edge" in told.err) == (2, True)
    assert "--weights.seg; `cosmos run --help`" in " ".join(told.err.split())


def test_what_an_error_says_is_not_said_again_as_its_problem(cosmos):
    told = cosmos("run", "--model", "transfer", "--spec", "nope.json")
    assert told.err.count("does not exist") == 1
    assert "next: name a spec file" in told.err


def test_an_option_without_a_value_names_the_help_of_its_model(cosmos):
    told = cosmos("run", "--model", "transfer", "rain", "--video", "street.mp4", "--weights.edge")
    assert (told.code, "`cosmos run --model transfer --help`" in told.err) == (2, True)
