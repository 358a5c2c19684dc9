"""The core's own rules on inputs."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import frozen

from cosmos_core import Input, InputSlot, Media, Problem, Request, Toolkit, parameter
from cosmos_core.models.inputs import check


@frozen(kw_only=True)
class Parameters:
    seed: int = parameter(0)


TOOLKIT = Toolkit(
    name="cosmos-transfer2.5",
    parameters=Parameters,
    inputs=(
        InputSlot(name="video", required=True, help="what is made anew"),
        InputSlot(name="edge"),
        InputSlot(name="mask.*"),
        InputSlot(name="image_context", kinds=("image", "video")),
        InputSlot(name="notes", kinds=("text",)),
        InputSlot(name="frames", kinds=("image",), many=True),
        InputSlot(name="extra", kinds=("any",)),
    ),
)
OTHER = Toolkit(name="cosmos-transfer1", inputs=(InputSlot(name="keypoint"), InputSlot(name="lidar.*")))


def found(*given: tuple[str, str | None]) -> tuple[Problem, ...]:
    inputs = tuple(Input(slot=s, name=f"{s}.bin", media=Media(kind=k) if k else None) for s, k in given)
    request: Request[Any] = Request(id="rs_1", model="transfer", toolkit=TOOLKIT.name, inputs=inputs)
    return check(TOOLKIT, request, others=(OTHER,))


@pytest.mark.parametrize(
    "given",
    [
        (),
        (("mask.edge", "video"), ("mask.seg", "video")),
        (("frames", "image"), ("frames", "image")),
        (("image_context", "image"),),
        (("notes", "text"),),
        (("notes", "json"),),
        (("extra", "unknown"),),
        (("edge", None),),
    ],
)
def test_what_fits_is_no_problem(given: tuple[tuple[str, str | None], ...]) -> None:
    assert found(("video", "video"), *given) == ()


@pytest.mark.parametrize(
    ("slot", "kind", "code", "message", "hint"),
    [
        (
            "edg",
            "video",
            "unknown_input",
            "unknown input",
            "did you mean 'edge'? inputs: video, edge, mask.NAME",
        ),
        ("mask", "video", "unknown_input", "unknown input", "say which: mask.NAME"),
        ("mask.*", "video", "unknown_input", "unknown input", "did you mean 'mask.*'?"),
        ("keypoint", "video", "unknown_input", "unknown here, known to cosmos-transfer1", "inputs: "),
        ("lidar.top", "video", "unknown_input", "unknown here, known to cosmos-transfer1", "inputs: "),
        ("seed", "video", "unknown_input", "unknown input", "it is a parameter: --set seed=VALUE"),
        ("edge", "image", "wrong_kind", "wants a video; edge.bin is an image", "give a video"),
        ("image_context", "text", "wrong_kind", "wants an image or a video; image_context.bin is text", ""),
        ("edge", "unknown", "unreadable", "not a readable video: edge.bin", "cut off"),
    ],
)
def test_what_does_not_fit_is_named(slot: str, kind: str, code: str, message: str, hint: str) -> None:
    (problem,) = found(("video", "video"), (slot, kind))
    assert (problem.field, problem.code, problem.message) == (slot, code, message)
    assert hint in problem.hint


def test_a_missing_input_says_what_it_is_and_how_to_give_it() -> None:
    (problem,) = found(("edge", "video"))
    assert (problem.field, problem.code) == ("video", "missing_input")
    assert problem.message == "cosmos-transfer2.5 needs video: what is made anew"
    assert problem.hint == "--input video=FILE"


def test_one_file_where_one_goes() -> None:
    (problem,) = found(("video", "video"), ("edge", "video"), ("edge", "video"))
    assert (problem.code, problem.message) == ("too_many", "takes one file, not 2")


def test_all_problems_at_once() -> None:
    problems = found(("edge", "unknown"), ("nonsense", None), ("notes", "video"))
    assert [p.code for p in problems] == ["unreadable", "unknown_input", "wrong_kind", "missing_input"]
