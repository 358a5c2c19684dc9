"""Checks of single values as pydantic makes them in lax mode, and its errors' words.

Texts and rules were compared with pydantic 2.11 itself, which the toolkit uses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

Check = Callable[[Any, Path], Any]
Error = tuple[tuple[str, ...], str, str, Any]  # where (a path of keys), words, type, the value
REQUIRED: Any = object()
_WHOLE = re.compile(r"[+-]?\d+(_\d+)*(\.0+)?", re.ASCII)
_TRUE = {"1", "true", "t", "yes", "y", "on"}
_FALSE = {"0", "false", "f", "no", "n", "off"}
_PATH_SCHEMA = (
    "lax-or-strict[lax=union[json-or-python[json=function-after[path_validator(), str],python=is-instance[Path]],"
    "function-after[path_validator(), str]],strict=json-or-python[json=function-after[path_validator(), str],"
    "python=is-instance[Path]]]"
)


class ValidationError(Exception):
    """What is wrong with a value: all of it, as pydantic gathers it."""

    def __init__(self, *errors: Error) -> None:
        super().__init__(*errors)
        self.errors = errors

    def under(self, key: str) -> ValidationError:
        """The same errors, one level down."""
        return ValidationError(*(((key, *where), words, kind, value) for where, words, kind, value in self.errors))

    def report(self, model: str) -> str:
        """The text that pydantic prints."""
        number = len(self.errors)
        lines = [f"{number} validation error{'s' if number != 1 else ''} for {model}"]
        for where, words, kind, value in self.errors:
            if where:
                lines.append(".".join(where))
            lines.append(f"  {words} [type={kind}, input_value={_short(value)}, input_type={type(value).__name__}]")
            if not kind.startswith("path_"):
                lines.append(f"    For further information visit https://errors.pydantic.dev/2.11/v/{kind}")
        return "\n".join(lines)


def _short(value: Any) -> str:
    # pydantic cuts the repr by bytes, never through a character
    raw = repr(value).encode("utf-8", "backslashreplace")
    if len(raw) <= 50:
        return raw.decode()
    return raw[:25].decode(errors="ignore") + "..." + raw[-24:].decode(errors="ignore")


def wrong(words: str, kind: str, value: Any) -> ValidationError:
    """A single error about the value itself."""
    return ValidationError(((), words, kind, value))


def text(value: Any, _base: Path) -> str:
    """A string; numbers are none."""
    if not isinstance(value, str):
        raise wrong("Input should be a valid string", "string_type", value)
    return value


def whole(value: Any, _base: Path) -> int:
    """An integer, from 3, 3.0, true, "3" or "3.0"."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise wrong("Input should be a finite number", "finite_number", value)
        if not value.is_integer():
            words = "Input should be a valid integer, got a number with a fractional part"
            raise wrong(words, "int_from_float", value)
        if not -(2**63) < value < 2**63:
            words = "Unable to parse input string as an integer, exceeded maximum size"
            raise wrong(words, "int_parsing_size", value)
        return int(value)
    if isinstance(value, str):
        if not _WHOLE.fullmatch(value.strip()):
            words = "Input should be a valid integer, unable to parse string as an integer"
            raise wrong(words, "int_parsing", value)
        return int(value.strip().partition(".")[0])
    raise wrong("Input should be a valid integer", "int_type", value)


def number(value: Any, _base: Path) -> float:
    """A float, from numbers, booleans and strings of digits."""
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            raise wrong("Input should be a valid number", "float_type", value) from None
    if isinstance(value, str):
        try:
            # Python reads the digits of every script, pydantic those of ASCII
            return float(value if value.isascii() else "")
        except ValueError:
            words = "Input should be a valid number, unable to parse string as a number"
            raise wrong(words, "float_parsing", value) from None
    raise wrong("Input should be a valid number", "float_type", value)


def switch(value: Any, _base: Path) -> bool:
    """A boolean, from 0, 1, "yes", "off" and their like."""
    if isinstance(value, str):
        key = value.lower()
    elif isinstance(value, (int, float)) and abs(value) < 2**63 and value == int(value):
        key = str(int(value))
    else:
        raise wrong("Input should be a valid boolean", "bool_type", value)
    if key not in _TRUE | _FALSE:
        raise wrong("Input should be a valid boolean, unable to interpret input", "bool_parsing", value)
    return key in _TRUE


def _path(value: Any, base: Path) -> Path:
    if not isinstance(value, (str, Path)):
        raise wrong("Input is not a valid path for <class 'pathlib.Path'>", "path_type", value)
    return base / value


def file(value: Any, base: Path) -> str:
    """The absolute path of a file that exists, `..` kept as it is."""
    path = _path(value, base)
    if not path.is_file():
        raise wrong("Path does not point to a file", "path_not_file", value)
    return str(path)


def folder(value: Any, base: Path) -> str:
    """The absolute path of a folder that exists."""
    path = _path(value, base)
    if not path.is_dir():
        raise wrong("Path does not point to a directory", "path_not_directory", value)
    return str(path)


def file_or_folder(value: Any, base: Path) -> str:
    """A union of two: both errors are told, each under the name of its validator."""
    try:
        return file(value, base)
    except ValidationError as no_file:
        try:
            return folder(value, base)
        except ValidationError as no_folder:
            one = no_file.under(f"function-after[validate_file(), {_PATH_SCHEMA}]")
            two = no_folder.under(f"function-after[validate_directory(), {_PATH_SCHEMA}]")
            raise ValidationError(*one.errors, *two.errors) from None


def wholes(value: Any, base: Path) -> list[int]:
    """A list of integers; every wrong member is told."""
    if not isinstance(value, list):
        raise wrong("Input should be a valid list", "list_type", value)
    good: list[int] = []
    bad: list[Error] = []
    for index, member in enumerate(value):
        try:
            good.append(whole(member, base))
        except ValidationError as error:
            bad += error.under(str(index)).errors
    if bad:
        raise ValidationError(*bad)
    return good


def one_of(*choices: Any) -> Check:
    """A Literal: equal to one of the choices (so 1.0 and true are 1)."""
    names = [repr(choice) for choice in choices]
    words = f"Input should be {', '.join(names[:-1])} or {names[-1]}"

    def check(value: Any, _base: Path) -> Any:
        for choice in choices:
            if value == choice:
                return choice
        raise wrong(words, "literal_error", value)

    return check


def at_least(check: Check, low: int) -> Check:
    """The number must be `low` or more."""
    return _bounded(check, lambda got: got >= low, f"greater than or equal to {low}", "greater_than_equal")


def at_most(check: Check, high: int) -> Check:
    """The number must be `high` or less; NaN is not."""
    return _bounded(check, lambda got: got <= high, f"less than or equal to {high}", "less_than_equal")


def above(check: Check, low: int) -> Check:
    """The number must be more than `low`."""
    return _bounded(check, lambda got: got > low, f"greater than {low}", "greater_than")


def _bounded(check: Check, holds: Callable[[Any], bool], words: str, kind: str) -> Check:
    def bounded(value: Any, base: Path) -> Any:
        got = check(value, base)
        # pydantic looks at the upper bound first, so that NaN is told as too large
        if not holds(got):
            raise wrong(f"Input should be {words}", kind, value)
        return got

    return bounded


def optional(check: Check) -> Check:
    """null is allowed."""
    return lambda value, base: None if value is None else check(value, base)


def fields(value: dict[str, Any], base: Path, table: dict[str, tuple[Check, Any]]) -> dict[str, Any]:
    """All fields of a table with defaults filled in; every wrong one is told (extra keys are not looked at)."""
    good: dict[str, Any] = {}
    bad: list[Error] = []
    for key, (check, default) in table.items():
        if key not in value:
            if default is REQUIRED:
                bad.append(((key,), "Field required", "missing", value))
            else:
                good[key] = default
            continue
        try:
            good[key] = check(value[key], base)
        except ValidationError as error:
            bad += error.under(key).errors
    if bad:
        raise ValidationError(*bad)
    return good
