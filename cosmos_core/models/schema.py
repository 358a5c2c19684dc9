"""JSON Schema (draft 2020-12) of what a model can be asked, one branch for each toolkit."""

from __future__ import annotations

from pathlib import PurePosixPath
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from attrs import NOTHING

from cosmos_core.parameters import Key, keys
from cosmos_core.typed import is_mapping, members, to_json
from cosmos_core.values import InputSlot, ModelInfo, Toolkit

_PLAIN = {int: "integer", float: "number", str: "string", bool: "boolean", PurePosixPath: "string"}


def json_schema(info: ModelInfo) -> dict[str, Any]:
    """The schema of `{"toolkit": ..., "text": ..., "inputs": {...}, "parameters": {...}}` for a model."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": info.title,
        "oneOf": [_toolkit(toolkit) for toolkit in info.toolkits],
    }


def _toolkit(toolkit: Toolkit) -> dict[str, Any]:
    parameters = _object()
    for key in keys(toolkit.parameters):
        _put(parameters, key.name.split("."), _key(key), required=key.default is NOTHING)
    inputs = _object()
    for slot in toolkit.inputs:
        if slot.name.endswith(".*"):
            # a name by its pattern: [a-z0-9_] are all that a slot's name holds beside dots
            inputs.setdefault("patternProperties", {})[f"^{slot.name[:-2]}\\.[a-z0-9_.]+$"] = _slot(slot)
        else:
            _put(inputs, [slot.name], _slot(slot), required=slot.required)
    return {
        **_object(),
        "title": toolkit.name,
        "required": ["toolkit", *(["inputs"] if inputs.get("required") else [])],
        "properties": {
            "toolkit": {"const": toolkit.name},
            "text": {"type": "string", "title": "text", "description": "The prompt."},
            "inputs": inputs,
            "parameters": parameters,
        },
    }


def _object() -> dict[str, Any]:
    return {"type": "object", "properties": {}, "additionalProperties": False}


def _put(schema: dict[str, Any], path: list[str], value: dict[str, Any], *, required: bool) -> None:
    for word in path[:-1]:
        schema = schema["properties"].setdefault(word, _object())
    schema["properties"][path[-1]] = value
    if required:
        schema.setdefault("required", []).append(path[-1])


def _slot(slot: InputSlot) -> dict[str, Any]:
    file = {"type": "string"}
    many = {"anyOf": [file, {"type": "array", "items": file, "minItems": 1}]} if slot.many else file
    about = {"title": slot.name, **({"description": slot.help} if slot.help else {})}
    return {**about, **many, "x-kinds": list(slot.kinds)}


def _key(key: Key) -> dict[str, Any]:
    kinds = [_type(member, key) for member in members(key.type)]
    schema = {"title": key.name, **(kinds[0] if len(kinds) == 1 else {"anyOf": kinds})}
    words = " ".join(filter(None, (key.help, f"[{key.unit}]" if key.unit else "")))
    if words:
        schema["description"] = words
    if key.default is not NOTHING:
        schema["default"] = to_json(key.default)
    return schema


def _type(declared: Any, key: Key) -> dict[str, Any]:
    if declared is NoneType:
        return {"type": "null"}
    if get_origin(declared) is Literal:
        return {"enum": list(get_args(declared))}
    args = get_args(declared)
    if get_origin(declared) is tuple and args[-1] is Ellipsis:
        return {"type": "array", "items": _any_of(args[0], key)}
    if get_origin(declared) is tuple:
        items = [_any_of(arg, key) for arg in args]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if is_mapping(declared):
        return {"type": "object", "additionalProperties": _any_of(args[1], key)}
    schema: dict[str, Any] = {"type": _PLAIN[declared]}
    if key.choices:
        schema["enum"] = [to_json(choice) for choice in key.choices]
    if declared in (int, float):
        schema |= {k: v for k, v in (("minimum", key.ge), ("maximum", key.le)) if v is not None}
    return schema


def _any_of(declared: Any, key: Key) -> dict[str, Any]:
    kinds = [_type(member, key) for member in members(declared)]
    return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
