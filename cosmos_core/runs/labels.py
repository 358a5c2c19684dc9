"""Names and tags: what a new prompt or run takes over from what it was made from, and which names are none."""

from __future__ import annotations

from collections.abc import Iterable

from cosmos_core.runs.wish import Wish
from cosmos_core.store.records import PromptRecord, RunRecord
from cosmos_core.store.refs import SMOKE_TEST, looks_like_id
from cosmos_core.values import Problem

_LONGEST_NAME = 200


def faults_of(name: str | None) -> Iterable[Problem]:
    """What is wrong with a name that was asked for."""
    if name is None:
        return
    if len(name) > _LONGEST_NAME:
        words = f"{len(name)} characters are too many for a name"
        hint = f"at most {_LONGEST_NAME}; a long text belongs into the prompt"
        yield Problem(field="name", message=words, hint=hint, code="too_long")
    elif looks_like_id(name):
        words = f"{name} would be taken for an id"
        yield Problem(field="name", message=words, hint="choose a name without @ or rs_ at its start", code="invalid")


def name_of_run(wish: Wish, prompt: PromptRecord, source: RunRecord | None) -> str:
    """A name means one run: the one made from another has none unless it is given one."""
    return wish.name if wish.name is not None else "" if source else prompt.name


def name_of_prompt(wish: Wish) -> str:
    """Other words are another prompt, so it does not take over a name."""
    return wish.name or ""


def tags_of(wish: Wish, source: PromptRecord | RunRecord | None) -> tuple[str, ...]:
    """Those of what it was made from stay, so that what belongs together is found together."""
    inherited = (tag for tag in source.tags if tag != SMOKE_TEST) if source else ()
    return tuple(dict.fromkeys((*inherited, *wish.tags)))
