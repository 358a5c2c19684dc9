"""Values to JSON and back, by cattrs: one converter for everything that is stored."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """A value of ours as JSON data: dicts, lists, text, numbers. Bytes keep readable as text where they are UTF-8."""
    return _converter().unstructure(value)


def from_json(cls: Callable[..., T], data: Any) -> T:
    """JSON data back as a value of class `cls`; fields that the class does not have (any more) are ignored."""
    result: T = _converter().structure(data, cls)  # type: ignore[arg-type]
    return result


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC, with microseconds, so that text sorts as time does. Raises ValueError without a time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone, so nobody can tell when it was")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def time_of(text: str) -> datetime:
    """The moment that `time_text` wrote."""
    return datetime.fromisoformat(text)


@cache
def _converter() -> Converter:
    from cattrs import Converter  # 50 ms that `cosmos --help` does not pay

    # what we wrote ourselves needs no words on what is wrong with it; without them cattrs has half as much to compile
    converter = Converter(unstruct_collection_overrides={tuple: list}, detailed_validation=False)
    converter.register_unstructure_hook(datetime, time_text)
    converter.register_structure_hook(datetime, lambda text, _: time_of(text))
    converter.register_unstructure_hook(bytes, _bytes_to_json)
    converter.register_structure_hook(bytes, lambda data, _: _bytes_of(data))
    converter.register_unstructure_hook_func(lambda cls: isinstance(cls, type) and issubclass(cls, PurePath), str)
    converter.register_structure_hook(PurePosixPath, lambda text, _: PurePosixPath(text))
    # Text, numbers and lists of them as JSON has them already: a union only has to make its lists tuples.
    converter.register_structure_hook_func(
        lambda cls: cls == int | tuple[int, ...] | None,
        lambda data, _: tuple(data) if isinstance(data, list) else data,
    )
    return converter


def _bytes_to_json(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _bytes_of(data: dict[str, str]) -> bytes:
    return data["text"].encode("utf-8") if "text" in data else base64.b64decode(data["base64"])
