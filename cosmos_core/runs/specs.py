"""Reading a toolkit's own spec file as wishes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cosmos_core.errors import PluginError, Refused
from cosmos_core.models import Models
from cosmos_core.runs.spec_words import why_not_read
from cosmos_core.runs.wish import Wish
from cosmos_core.texts import NotUtf8, decoded
from cosmos_core.values import Draft, Problem

_MOST = 64 << 20  # many requests, and no dump of data under a wrong name


def read_spec(models: Models, path: Path, model: str | None) -> tuple[Wish, ...]:
    """A toolkit's own spec file as wishes, one for each sample in it; `model` where only that should try."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is no plain file" if path.exists() else "does not exist"
        raise Refused(
            f"{path} {what}",
            problems=[Problem(field="spec", message=f"{path} {what}", hint="name a spec file", code="no_such_file")],
        )
    if path.stat().st_size > _MOST:
        words = f"it holds more than {_MOST >> 20} MiB"
        raise Refused(
            f"{path} is no spec: {words}",
            problems=[Problem(field="spec", message=words, hint="check the file", code="too_long")],
        )
    try:
        decoded(path.read_bytes())
    except NotUtf8 as wrong:
        raise Refused(
            f"{path} {wrong}",
            problems=[Problem(field="spec", message=f"{path} {wrong}", hint=wrong.hint, code="not_utf8")],
        ) from None
    except OSError as error:
        words = f"{path} cannot be read: {error.strerror}"
        raise Refused(
            words, problems=[Problem(field="spec", message=words, hint="check its permissions", code="unreadable")]
        ) from None
    names = [model] if model else sorted(models)
    refusal = None
    for name in names:
        try:
            drafts = models[name].read_spec(path)
        except PluginError as error:
            if isinstance(error.__cause__, ValueError):  # the plugin's own words on a file that it knows
                refusal = refusal or _refused(path, error.__cause__)
            elif model:
                raise
            continue  # a broken plugin breaks only itself
        if drafts is not None:
            return tuple(_wish_of(name, draft, path) for draft in drafts)
    raise refusal or _unknown(path, names)


def _refused(path: Path, error: ValueError) -> Refused:
    """What a plugin says of a file: a line for each fault, and notes (PEP 678) on what to do."""
    hint = " ".join(getattr(error, "__notes__", ()))
    *before, last = str(error).splitlines() or [""]
    problems = [Problem(field="spec", message=words, hint="", code="bad_spec") for words in before]
    problems.append(Problem(field="spec", message=last, hint=hint, code="bad_spec"))
    return Refused(f"{path} cannot be used", problems=problems)


def _unknown(path: Path, names: Iterable[str]) -> Refused:
    try:
        message, hint = why_not_read(path)
    except OSError as error:
        message, hint = f"{path} cannot be read: {error.strerror}", "check its permissions"
    problem = Problem(field="spec", message=message, hint=hint, code="not_a_spec")
    return Refused(f"{path} is not a spec that {' or '.join(names)} can read", problems=[problem])


def _wish_of(model: str, draft: Draft, spec: Path) -> Wish:
    return Wish(
        model=model,
        text=draft.text,
        name=draft.name or None,
        toolkit=draft.toolkit,
        inputs=tuple((slot, str(spec.parent / file)) for slot, file in draft.inputs),
        parameters=draft.parameters,
    )
