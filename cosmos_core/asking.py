"""What scripts may say to `Cosmos`, typed; and from there to a `Wish`, with words for what makes no sense."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from attrs import evolve

from cosmos_core.errors import UsageError
from cosmos_core.runs.wish import Wish
from cosmos_core.store.records import Filter, PromptRecord, RunRecord, Status
from cosmos_core.typed import nearest

if TYPE_CHECKING:
    from cosmos_core.handle import Handle
    from cosmos_core.runs.journey import OnChange

Ref: TypeAlias = "str | PromptRecord | RunRecord | Handle"
"""A prompt or run: its id, a unique prefix of it, `@last`, its name; or a record or handle of it."""
File: TypeAlias = str | Path
Inputs: TypeAlias = Mapping[str, File | Sequence[File]]
"""Files by input: local paths, `rs_...[:NAME]`, `TARGET:/abs/path`; a list where an input takes many."""


class PromptWords(TypedDict, total=False):
    """What can be said of a prompt beside its text, inputs and parameters."""

    name: str
    tags: Sequence[str]
    toolkit: str
    strict: bool  # warnings refuse
    input_fps: int | float | str | Mapping[str, int | float | str]  # of image sequences


class RunWords(PromptWords, total=False):
    """What can be said of a run."""

    text: str
    inputs: Inputs
    parameters: Mapping[str, Any]
    target: str
    gpus: int
    timeout_s: float
    if_busy: Literal["wait", "fail"]
    fetch: Literal["all", "results", "none"]
    copy_to: File
    overwrite: bool  # copy_to may replace a file


class FilterWords(TypedDict, total=False):
    """Which prompts or runs: the fields of `Filter`."""

    model: str
    status: Status | Literal["paused"]
    target: str
    group: str
    prompt: str
    tag: str
    since: datetime
    until: datetime
    limit: int
    after: str


def wish(method: str, **said: Any) -> Wish:
    """What was said to `method` as a wish. Raises UsageError for an unknown word or one of the wrong kind."""
    _only(method, said, Wish)
    if said.get("inputs") is not None:
        said["inputs"] = _pairs(said["inputs"])
    if isinstance(said.get("copy_to"), (str, Path)):
        said["copy_to"] = os.path.expanduser(said["copy_to"])  # noqa: PTH111  a slash at its end says a folder
    if isinstance(said.get("tags"), list):
        said["tags"] = tuple(said["tags"])
    return Wish(**{name: value for name, value in said.items() if value is not None})


def chosen(method: str, where: Filter | None, said: Mapping[str, Any]) -> Filter:
    """A filter with more said by keywords."""
    _only(method, said, Filter)
    return evolve(where or Filter(), **said)


def id_of(ref: object) -> str:
    """The id in what names a prompt or run."""
    found = ref if isinstance(ref, str) else getattr(ref, "id", None)
    if not isinstance(found, str):
        raise UsageError(f"an id is wanted, or a record that has one, not {ref!r:.60}", hint="see `cosmos list runs`")
    return found


def many(refs: object) -> list[Any] | None:
    """The items where several are named, None where it is one."""
    if isinstance(refs, str) or hasattr(refs, "id") or not isinstance(refs, Iterable):
        return None
    return list(refs)


def with_a_word(on_progress: OnChange | None) -> OnChange | None:
    """A callback whose own failure says what becomes of the run: it ends the following, and the run goes on."""
    if on_progress is None:
        return None
    if not callable(on_progress):
        raise UsageError(f"on_progress wants a function of a run, not {on_progress!r:.60}")
    call: Callable[[RunRecord], object] = on_progress

    def told(run: RunRecord) -> None:
        try:
            call(run)
        except Exception as error:
            error.add_note(
                f"on_progress raised this, so {run.id} ({run.status}) is not followed any more. Nothing of it is lost: "
                f"cosmos.wait({run.id!r}) or `cosmos sync` goes on with it."
            )
            raise

    return told


def _only(method: str, said: Mapping[str, Any], cls: type[Any]) -> None:
    known = list(inspect.signature(cls).parameters)
    for word in said:
        if word not in known:
            raise UsageError(f"{method} takes no {word!r}", hint=f"{nearest(word, known)}it takes {', '.join(known)}")


def _pairs(inputs: object) -> tuple[tuple[str, str], ...]:
    example = 'inputs={"video": "street.mp4"}'
    if not isinstance(inputs, Mapping):
        raise UsageError(f"inputs wants files by name, not {inputs!r:.60}", hint=example)
    pairs = []
    for slot, files in inputs.items():
        for file in [files] if isinstance(files, (str, Path)) or not isinstance(files, Iterable) else files:
            if not isinstance(slot, str) or not isinstance(file, (str, Path)):
                words = f"inputs[{slot!r:.60}] wants a path, or a list of paths, not {file!r:.60}"
                raise UsageError(words, hint=example)
            pairs.append((slot, str(file)))
    return tuple(pairs)
