"""JSON Schema from what a model declares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Literal

from attrs import frozen

from cosmos_core import InputSlot, ModelInfo, Toolkit, parameter
from cosmos_core.models import json_schema


@frozen(kw_only=True)
class Weights:
    edge: float | None = parameter(None, help="outlines", ge=0, le=1)


@frozen(kw_only=True)
class Parameters:
    num_steps: int = parameter(35, help="sampling steps", unit="steps", ge=1)
    preset: Literal["low", "high"] = parameter("low")
    resolution: str = parameter("720", choices=("480", "720"))
    checkpoint: PurePosixPath | None = parameter(None)
    frames: tuple[int, ...] = parameter((), ge=0)
    size: tuple[int, int] = parameter((1280, 704))
    env: Mapping[str, str] = parameter({})
    weights: Weights = parameter(Weights())


INFO = ModelInfo(
    title="Restyle",
    toolkits=(
        Toolkit(
            name="first",
            parameters=Parameters,
            inputs=(
                InputSlot(name="video", required=True, help="the video"),
                InputSlot(name="mask.*"),
                InputSlot(name="frames", kinds=("image",), many=True),
            ),
        ),
        Toolkit(name="second"),
    ),
)


def test_one_branch_for_each_toolkit_told_apart_by_its_name() -> None:
    schema = json_schema(INFO)
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "Restyle"
    assert [branch["properties"]["toolkit"] for branch in schema["oneOf"]] == [
        {"const": "first"},
        {"const": "second"},
    ]
    assert all("toolkit" in branch["required"] for branch in schema["oneOf"])


def test_parameters_carry_type_default_range_and_choices() -> None:
    properties = json_schema(INFO)["oneOf"][0]["properties"]["parameters"]["properties"]
    assert properties["num_steps"] == {
        "title": "num_steps",
        "type": "integer",
        "minimum": 1,
        "description": "sampling steps [steps]",
        "default": 35,
    }
    assert properties["preset"] == {"title": "preset", "enum": ["low", "high"], "default": "low"}
    assert properties["resolution"]["enum"] == ["480", "720"]
    assert properties["checkpoint"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert properties["frames"] == {
        "title": "frames",
        "type": "array",
        "items": {"type": "integer", "minimum": 0},
        "default": [],
    }
    assert (properties["size"]["minItems"], properties["size"]["maxItems"]) == (2, 2)
    assert properties["env"]["additionalProperties"] == {"type": "string"}
    edge = properties["weights"]["properties"]["edge"]
    assert edge["anyOf"] == [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "null"}]


def test_inputs_are_named_required_and_families_by_pattern() -> None:
    inputs = json_schema(INFO)["oneOf"][0]["properties"]["inputs"]
    assert inputs["required"] == ["video"]
    assert inputs["properties"]["video"] == {
        "title": "video",
        "description": "the video",
        "type": "string",
        "x-kinds": ["video"],
    }
    assert list(inputs["patternProperties"]) == [r"^mask\.[a-z0-9_.]+$"]
    assert inputs["properties"]["frames"]["anyOf"][1]["type"] == "array"
