"""Reads parameters and settings by what their attrs classes declare; finds every fault before it answers.

Codes of the problems: `unknown_key`, `given_twice`, `missing_key`, `wrong_type`, `not_finite`,
`out_of_range`, `not_a_choice`, `invalid`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

import attrs
from attrs import NOTHING, frozen

from cosmos_core.typed import (
    Limits,
    WrongValue,
    closest,
    from_json,
    is_mapping,
    is_supported,
    members,
    metavar,
    nearest,
    read_value,
    text_form,
    to_json,
)

if TYPE_CHECKING:
    from cosmos_core.values import Problem

__all__ = ["Key", "Reading", "closest", "faults", "keys", "nearest", "read", "text_form", "unstructure"]

_MANY = 12  # more names than this help nobody inside a hint
_LONG = 40  # characters of a default worth showing


@frozen(kw_only=True)
class Key:
    """One parameter, its dotted name, and what the declaration says of it."""

    name: str
    type: Any
    default: Any  # attrs.NOTHING where it has to be given
    help: str = ""
    unit: str = ""
    ge: float | None = None
    le: float | None = None
    choices: tuple[Any, ...] = ()

    @property
    def text(self) -> str:
        """Type, default and range for a reader: `INTEGER  [default: 35; 1..]`."""
        limits = Limits(self.ge, self.le, self.choices)
        default = "" if self.default in (None, NOTHING, "", (), {}) else text_form(self.default)
        default = default if len(default) <= _LONG else default[: _LONG - 3] + "..."
        notes = [
            f"default: {default}{' ' * bool(self.unit)}{self.unit}" if default else self.unit,
            limits.range,
        ]
        if self.default is NOTHING:
            notes.insert(0, "required")
        shown = "; ".join(note for note in notes if note)
        return metavar(self.type, limits) + (f"  [{shown}]" if shown else "")


@frozen(kw_only=True)
class Reading:
    """What was read: the filled instance (None if there are errors), and what of it was given."""

    instance: Any
    given: tuple[str, ...]  # dotted names of keys
    values: Mapping[str, Any]  # nested, JSON, only what was given; reads back to the same
    problems: tuple[Problem, ...]


class _Field(NamedTuple):
    name: str
    alias: str  # what the class's constructor calls it
    type: Any
    nested: Any  # the attrs class, where the field is one
    default: Any
    metadata: Mapping[str, Any]
    limits: Limits


def _look_at(cls: Any) -> tuple[_Field, ...]:
    hints = get_type_hints(cls)
    return tuple(
        _Field(
            name=a.name,
            alias=a.alias or a.name,
            type=hints[a.name],
            nested=next((m for m in members(hints[a.name]) if attrs.has(m)), None),
            default=a.default.factory() if isinstance(a.default, attrs.Factory) else a.default,  # type: ignore[arg-type]
            metadata=a.metadata,
            limits=Limits(a.metadata.get("ge"), a.metadata.get("le"), tuple(a.metadata.get("choices", ()))),
        )
        for a in attrs.fields(cls)
        if a.init
    )


_fields: Callable[[Any], tuple[_Field, ...]] = cache(_look_at)


def keys(cls: type[Any]) -> tuple[Key, ...]:
    """Every key of a parameters or settings class, nested classes flattened to dotted names."""
    return tuple(_keys(cls, "", None))


def _keys(cls: type[Any], prefix: str, base: Any) -> Iterable[Key]:
    for field in _fields(cls):
        default = field.default if base is None else getattr(base, field.name)
        if field.nested:
            yield from _keys(field.nested, f"{prefix}{field.name}.", None if default is NOTHING else default)
            continue
        about = {name: field.metadata.get(name, "") for name in ("help", "unit")}
        yield Key(name=prefix + field.name, type=field.type, default=default, **about, **field.limits._asdict())


def faults(cls: Any) -> tuple[str, ...]:
    """What keeps a class from being a parameters or settings class, in words; empty if nothing does."""
    return _of_the_fields(cls) or tuple(words for key in keys(cls) for words in _of_the_default(key))


def _of_the_default(key: Key) -> Iterable[str]:
    if key.ge is not None and key.le is not None and key.ge > key.le:
        yield f"{key.name} has the range {key.ge}..{key.le}, which holds nothing"
        return
    try:
        same = read_value(key.type, to_json(key.default), Limits(key.ge, key.le, key.choices)) == key.default
    except WrongValue as wrong:
        yield f"the default of {key.name} {wrong.message}"
        return
    if not same and not (isinstance(key.default, str) and str in members(key.type)):
        yield f"the default of {key.name}, {key.default!r}, is {_a(key.default)}, not {metavar(key.type)}"


def _a(value: Any) -> str:
    return f"a {type(value).__name__}"


def _of_the_fields(cls: Any) -> tuple[str, ...]:
    if not (isinstance(cls, type) and attrs.has(cls)):
        return (f"{cls!r} is not an attrs class",)
    try:
        fields = _fields(cls)
    except (NameError, TypeError, AttributeError) as error:
        return (f"the annotations of {cls.__name__} cannot be read: {error}",)
    found = []
    for field in fields:
        if field.default is NOTHING:
            found.append(f"{cls.__name__}.{field.name} has no default")
        if field.nested:
            if set(members(field.type)) - {field.nested, NoneType}:
                found.append(f"{cls.__name__}.{field.name}: a nested class may only be joined with None")
            found += _of_the_fields(field.nested)
        elif not is_supported(field.type):
            found.append(f"{cls.__name__}.{field.name} has a type that cannot be read: {field.type}")
    return tuple(found)


def unstructure(instance: Any) -> dict[str, Any]:
    """All values of an instance as nested JSON, defaults included; `read` reads it back to the same."""
    document = {}
    for field in _fields(type(instance)):
        value = getattr(instance, field.name)
        document[field.name] = unstructure(value) if field.nested and value is not None else to_json(value)
    return document


def read(
    cls: type[Any],
    values: Mapping[str, Any],
    *,
    known_elsewhere: Mapping[str, Sequence[str]] | None = None,
    field_prefix: str = "",
) -> Reading:
    """Read `values` (nested and dotted keys, text or JSON values) by what `cls` declares.

    `known_elsewhere` is the key names of other toolkits, by toolkit, to say where an unknown key belongs;
    `field_prefix` comes before the key in each problem's `field`. Never raises for what is in `values`.
    """
    reader = _Reader(tuple(key.name for key in keys(cls)), known_elsewhere or {}, field_prefix)
    document: dict[str, Any] = {}
    instance = reader.instance(cls, values.items(), "", None, document)
    problems = tuple(reader.problems)
    return Reading(
        instance=None if problems else instance,
        given=tuple(reader.given),
        values=document,
        problems=problems,
    )


class _Reader:
    def __init__(self, names: Sequence[str], elsewhere: Mapping[str, Sequence[str]], field_prefix: str) -> None:
        self.names = names
        self.elsewhere = elsewhere
        self.field_prefix = field_prefix
        self.problems: list[Problem] = []
        self.given: list[str] = []

    def instance(
        self,
        cls: type[Any],
        pairs: Iterable[tuple[Any, Any]],
        prefix: str,
        base: Any,
        document: dict[str, Any],
    ) -> Any:
        """One class from its keys; `document` receives what was given. None when that cannot be."""
        grouped: dict[str, list[tuple[str, Any]]] = {}
        for key, value in pairs:
            head, _, rest = str(key).partition(".")
            grouped.setdefault(head, []).append((rest, value))
        before = len(self.problems)
        arguments: dict[str, Any] = {}
        for field in _fields(cls):
            entries = grouped.pop(field.name, [])
            default = field.default if base is None else getattr(base, field.name)
            try:
                if entries:
                    arguments[field.alias] = self._field(field, entries, prefix, default, document)
                elif default is NOTHING:
                    raise WrongValue("has to be given", code="missing_key")
            except WrongValue as fault:
                self._problem(prefix + field.name, fault.message, fault.hint, fault.code)
        for head, entries in grouped.items():
            for rest, _ in entries:
                self._unknown(prefix + head + ("." + rest if rest else ""))
        if len(self.problems) > before:
            return None
        try:
            return cls(**arguments) if base is None else attrs.evolve(base, **arguments)
        except Exception as error:  # noqa: BLE001  a validator of the class's own, and it is a plugin's
            kind = "" if isinstance(error, (ValueError, TypeError)) else f"{type(error).__name__}: "
            self._problem(prefix.rstrip("."), f"{kind}{error}", "", "invalid")
            return None

    def _field(
        self,
        field: _Field,
        entries: list[tuple[str, Any]],
        prefix: str,
        default: Any,
        document: dict[str, Any],
    ) -> Any:
        name = prefix + field.name
        if field.nested:
            return self._nested(field, entries, name, default, document)
        kind = next((m for m in members(field.type) if is_mapping(m)), None)
        if kind is not None and any(rest for rest, _ in entries):
            value: Any = self._merged(kind, entries)
        else:
            for rest, _ in entries:
                if rest:
                    self._unknown(f"{name}.{rest}")
            whole = [value for rest, value in entries if not rest]
            if not whole:
                return default
            if len(whole) > 1:
                raise _twice()
            value = whole[0]
        result = read_value(field.type, value, field.limits)
        document[field.name] = to_json(result)
        self.given.append(name)
        return result

    def _nested(
        self, field: _Field, entries: list[tuple[str, Any]], name: str, default: Any, document: dict[str, Any]
    ) -> Any:
        pairs: list[tuple[Any, Any]] = []
        for rest, value in entries:
            if rest:
                pairs.append((rest, value))
                continue
            if NoneType in members(field.type) and (value is None or value in ("none", "null")):
                if len(entries) > 1:
                    raise _twice()
                document[field.name] = None
                self.given.append(name)
                return None
            try:
                pairs.extend(_keys_and_values(value).items())
            except WrongValue as fault:  # goes on, for what else may be wrong
                inner = ", ".join(f"{name}.{f.name}" for f in _fields(field.nested)[:_MANY])
                self._problem(name, fault.message, f"there is {inner}", fault.code)
        inside: dict[str, Any] = {}
        base = None if default is NOTHING else default
        result = self.instance(field.nested, pairs, f"{name}.", base, inside)
        if inside or not pairs:
            document[field.name] = inside
        return result

    def _merged(self, kind: Any, entries: list[tuple[str, Any]]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for rest, value in entries:
            more = {rest: value} if rest else value
            if isinstance(more, str):
                more = from_json(more, dict, "a JSON object")
            if not isinstance(more, Mapping):
                raise WrongValue(f"wants {metavar(kind)}, or one key at a time")
            if merged.keys() & more.keys():
                raise _twice()
            merged.update(more)
        return merged

    def _unknown(self, name: str) -> None:
        homes = [home for home, names in self.elsewhere.items() if name in names]
        message = f"unknown here, known to {', '.join(homes)}" if homes else "unknown key"
        hint = nearest(name, self.names)
        if not hint and 0 < len(self.names) <= _MANY:
            hint = f"there is {', '.join(self.names)}"
        self._problem(name, message, hint.strip(), "unknown_key")

    def _problem(self, name: str, message: str, hint: str, code: str) -> None:
        from cosmos_core.values import Problem  # where nothing is wrong nobody waits for it

        self.problems.append(
            Problem(field=self.field_prefix + name, message=message, hint=hint, code=code, severity="error")
        )


def _keys_and_values(value: Any) -> Mapping[Any, Any]:
    whole = from_json(value, dict, "a JSON object") if isinstance(value, str) else value
    if not isinstance(whole, Mapping):
        raise WrongValue(f"wants keys of its own, not {text_form(value)}")
    return whole


def _twice() -> WrongValue:
    return WrongValue("is given twice", code="given_twice", hint="give it once, as KEY=VALUE or inside an object")
