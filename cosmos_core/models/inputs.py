"""The core's own rules on inputs: which slots there are, what belongs into them, and how many.

Codes of the problems: `unknown_input`, `missing_input`, `too_many`, `unreadable`, `wrong_kind`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cosmos_core.parameters import keys, nearest
from cosmos_core.values import Input, InputSlot, Problem, Request, Toolkit

_FAMILY = ".*"
_A = {"image": "an image", "json": "JSON", "text": "text"}


def slot_of(toolkit: Toolkit, name: str) -> InputSlot | None:
    """The slot that an input of that name goes into: its own, or a family's (`mask.edge` into `mask.*`)."""
    for slot in toolkit.inputs:
        stem = slot.name.removesuffix("*")
        if name == slot.name or (slot.name.endswith(_FAMILY) and name.startswith(stem) and name != stem):
            return None if name.endswith(_FAMILY) else slot
    return None


def check(toolkit: Toolkit, request: Request[Any], *, others: Iterable[Toolkit] = ()) -> tuple[Problem, ...]:
    """Everything wrong with a request's inputs; `others`: toolkits that may know a slot which it lacks.

    An input without `media` has not been looked at yet, and its kind is not judged.
    """
    by_slot: dict[str, list[Input]] = {}
    for item in request.inputs:
        by_slot.setdefault(item.slot, []).append(item)
    return (*_of_the_given(toolkit, by_slot, tuple(others)), *_of_the_missing(toolkit, by_slot))


def _of_the_given(
    toolkit: Toolkit, by_slot: Mapping[str, list[Input]], others: tuple[Toolkit, ...]
) -> Iterator[Problem]:
    for name, items in by_slot.items():
        slot = slot_of(toolkit, name)
        if slot is None:
            yield _unknown(toolkit, name, others)
            continue
        if len(items) > 1 and not slot.many:
            hint = f"give one of {', '.join(item.name for item in items)}"
            if len(items) > 3:
                hint = "give one; the frames of one video are given by their folder, or as d.####.png"
            yield Problem(field=name, message=f"takes one file, not {len(items)}", hint=hint, code="too_many")
        for item in items:
            if item.media is not None:
                yield from _of_the_kind(slot, item, item.media.kind)


def _of_the_kind(slot: InputSlot, item: Input, kind: str) -> Iterator[Problem]:
    wanted = " or ".join(_A.get(k, f"a {k}") for k in slot.kinds)
    if "any" in slot.kinds or kind in slot.kinds or (kind == "json" and "text" in slot.kinds):
        return
    if kind == "unknown":
        message = f"not a readable {' or '.join(slot.kinds)}: {item.name}"
        hint = "see whether it plays; it may be cut off, or something else under that name"
        yield Problem(field=item.slot, message=message, hint=hint, code="unreadable")
        return
    message = f"wants {wanted}; {item.name} is {_A.get(kind, f'a {kind}')}"
    frames = (
        ", or all of its frames by their folder or as d.####.png" if kind == "image" and "video" in slot.kinds else ""
    )
    yield Problem(field=item.slot, message=message, hint=f"give {wanted}{frames}", code="wrong_kind")


def _of_the_missing(toolkit: Toolkit, by_slot: Mapping[str, list[Input]]) -> Iterator[Problem]:
    for slot in toolkit.inputs:
        if slot.required and not any(slot_of(toolkit, name) is slot for name in by_slot):
            name = slot.name.replace("*", "NAME")
            message = f"{toolkit.name} needs {name}" + (f": {slot.help}" if slot.help else "")
            yield Problem(field=slot.name, message=message, hint=f"--input {name}=FILE", code="missing_input")


def _unknown(toolkit: Toolkit, name: str, others: tuple[Toolkit, ...]) -> Problem:
    homes = [other.name for other in others if slot_of(other, name)]
    names = [slot.name for slot in toolkit.inputs]
    family = next((n for n in names if n.removesuffix(_FAMILY) == name and n != name), None)
    if family:
        hint = f"say which: {family.replace('*', 'NAME')}"
    elif name in {key.name for key in keys(toolkit.parameters)}:
        hint = f"it is a parameter: --set {name}=VALUE"
    else:
        there = [n.replace("*", "NAME") for n in names]
        hint = nearest(name, names) + (f"inputs: {', '.join(there)}" if there else "it takes no inputs")
    message = f"unknown here, known to {', '.join(homes)}" if homes else "unknown input"
    return Problem(field=name, message=message, hint=hint, code="unknown_input")
