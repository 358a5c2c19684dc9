"""Options generated from what a model declares."""

from __future__ import annotations

from attrs import frozen

from cosmos_core import InputSlot, ModelInfo, Toolkit, parameter
from cosmos_core.cli.model_options import options_of


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
    target: str = parameter("x", help="A name that one of ours has.")


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
    return {option.opts[0]: option for option in options_of("two", INFO, {"--target", "--set"}, args)}


def test_options_are_the_union_over_the_toolkits_the_first_one_describing():
    found = options()

    assert list(found) == [
        "--video", "--num-steps", "--seed", "--frames", "--mask.NAME", "--weights.edge",
    ]  # fmt: skip
    assert (found["--num-steps"].metavar, found["--num-steps"].notes) == ("INTEGER", "[default: 35; 1..] steps")
    assert (found["--weights.edge"].notes, found["--weights.edge"].help.strip()) == ("[0..1]", "(new)")
    assert found["--video"].notes == "[required]"
    assert found["--frames"].notes == "[repeat for many]"


def test_a_name_that_one_of_ours_has_gets_no_option():
    assert "--target" not in options()


def test_the_names_of_a_family_are_options_where_they_are_used():
    found = options("--mask.edge", "a.mp4", "--mask.seg=b.mp4", "--other.x", "1")

    assert found["--mask.edge"].key == "mask.edge"
    assert found["--mask.seg"].hidden
    assert "--other.x" not in found
