"""Reading a toolkit's own spec file as wishes."""

from __future__ import annotations

from pathlib import Path

from cosmos_core.errors import PluginError, Refused
from cosmos_core.models import Models
from cosmos_core.runs.wish import Wish
from cosmos_core.values import Draft, Problem

_MOST = 64 << 20  # many requests, and no dump of data under a wrong name


def read_spec(models: Models, path: Path, model: str | None) -> tuple[Wish, ...]:
    """A toolkit's own spec file as wishes, one for each sample in it; `model` where only that should try."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
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
    names = [model] if model else sorted(models)
    refusal = Refused(
        f"{path} is not a spec that {' or '.join(names)} can read",
        problems=[
            Problem(field="spec", message="no model reads it", hint="check the file, and --model", code="not_a_spec")
        ],
    )
    for name in names:
        try:
            drafts = models[name].read_spec(path)
        except PluginError as error:
            if isinstance(error.__cause__, ValueError):  # the plugin's own words on a file that it knows
                words = str(error.__cause__)
                refusal = Refused(
                    f"{path} cannot be used",
                    problems=[Problem(field="spec", message=words, hint="", code="bad_spec")],
                )
            elif model:
                raise
            continue  # a broken plugin breaks only itself
        if drafts is not None:
            return tuple(_wish_of(name, draft, path) for draft in drafts)
    raise refusal


def _wish_of(model: str, draft: Draft, spec: Path) -> Wish:
    return Wish(
        model=model,
        text=draft.text,
        name=draft.name or None,
        toolkit=draft.toolkit,
        inputs=tuple((slot, str(spec.parent / file)) for slot, file in draft.inputs),
        parameters=draft.parameters,
    )
