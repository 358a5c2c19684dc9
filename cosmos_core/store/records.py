"""What the store remembers, as frozen values. Times are aware datetimes in UTC; ids are text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import NoneType
from typing import Any, Generic, Literal, TypeVar, get_args

from attrs import field, frozen

from cosmos_core.errors import UnknownName, UsageError
from cosmos_core.typed import nearest
from cosmos_core.values import Failure, Media

R = TypeVar("R")
_LONG = 60  # characters of a prompt worth showing in a repr

Status = Literal[
    "pending",
    "uploading",
    "queued",
    "running",
    "downloading",
    "parsing",
    "completed",
    "failed",
    "cancelled",
    "lost",
]
STATES = get_args(Status)
PAUSED = "paused"
UNFINISHED = "unfinished"  # to choose by: whatever has not ended
"""Not a state: a run stands still in one. Yet people ask for such runs as if it were."""
UNBEGUN = ("pending", "uploading", "queued")
"""Nothing of the run's own work was seen to run yet."""
TERMINAL = ("completed", "failed", "cancelled", "lost")


@frozen(kw_only=True)
class FramesRecord:
    """The image sequence that an input's video was encoded from."""

    pattern: str  # absolute, on this machine: `/shots/010/d.####.png`
    first: int
    last: int
    rate: str  # frames a second, exact: `24`, `24000/1001`
    sha256: str  # over the digests of the pictures, in order
    lossless: bool

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return self.last - self.first + 1


@frozen(kw_only=True)
class InputRecord:
    """An input as its prompt remembers it: exactly one of `path`, `remote` and `run_id` says where it is."""

    slot: str
    ref: str  # as the user wrote it
    name: str
    path: str | None = None  # absolute, on this machine
    target: str | None = None
    remote: str | None = None  # absolute, on `target`
    run_id: str | None = None  # an output of that run ...
    artifact: str | None = None  # ... by its name
    sha256: str | None = None
    bytes: int | None = None
    media: Media | None = None
    frames: FramesRecord | None = None  # what the video at `path` was made from


@frozen(kw_only=True, repr=False)
class PromptRecord:
    """Text, inputs and parameters for one model type; never changed once stored."""

    id: str
    model_type: str
    prompt_text: str
    name: str = ""
    inputs: tuple[InputRecord, ...] = ()
    parameters: Mapping[str, Any] = field(factory=dict)  # what was given, nested, JSON
    model_config: Mapping[str, Any] = field(factory=dict)  # {"toolkit": ...} if one was asked for
    created_at: datetime
    parent_id: str | None = None
    tags: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The prompt's JSON document, as `cosmos show --json` prints it."""
        from cosmos_core.documents import prompt_document

        return prompt_document(self)

    def __repr__(self) -> str:
        text = self.prompt_text if len(self.prompt_text) <= _LONG else self.prompt_text[: _LONG - 3] + "..."
        return f"<prompt {self.id} for {self.model_type}{_named(self.name)}: {text!r}>"


@frozen(kw_only=True)
class Paused:
    """Why a run stands still though nothing of its job failed."""

    since: datetime
    reason: str
    hint: str = ""


@frozen(kw_only=True)
class Queue:
    """The place of a run in its host's line for GPUs, when it was last looked at."""

    position: int  # 1: next
    ahead: int  # jobs that wait before it


@frozen(kw_only=True)
class ProgressRecord:
    """One row of progress; `stage` is preparing, uploading, queued, inference or downloading."""

    timestamp: datetime
    stage: str
    percentage: float | None  # 0..100 of the stage; None where it cannot be known
    message: str = ""

    def __str__(self) -> str:
        share = "" if self.percentage is None else f"{self.percentage:.0f} %"
        return " ".join(filter(None, (self.stage, share, self.message)))


@frozen(kw_only=True)
class Artifact:
    """One output file of a run."""

    name: str
    role: str  # result control log data
    remote: str  # absolute, on the target
    path: str | None = None  # absolute, on this machine; None until fetched
    bytes: int | None = None
    sha256: str | None = None
    media: Media | None = None


@frozen(kw_only=True)
class RunOutputs:
    """The outputs of a run: local paths by artifact name, and what they mean."""

    files: Mapping[str, str]
    values: Mapping[str, Any]
    artifacts: tuple[Artifact, ...]


@frozen(kw_only=True)
class Link:
    """An output of one run (`parent_id`) that is an input of another."""

    parent_id: str
    artifact: str
    slot: str


@frozen(kw_only=True, repr=False)
class RunRecord:
    """One wish to execute a prompt, and what came of it."""

    id: str
    prompt_id: str
    group_id: str | None = None
    job_id: str | None = None
    retry_of: str | None = None
    model_type: str
    name: str = ""
    status: Status = "pending"
    target: str
    toolkit: str
    simulated: bool = False
    created_at: datetime
    submitted_at: datetime | None = None  # None: only stored, nobody asked to run it
    started_at: datetime | None = None
    completed_at: datetime | None = None
    execution_config: Mapping[str, Any] = field(factory=dict)  # all effective settings, frozen
    values: Mapping[str, Any] = field(factory=dict)  # what the outputs mean
    text: str | None = None  # text that the model made
    metadata: Mapping[str, Any] = field(factory=dict)  # provenance
    warnings: tuple[str, ...] = ()
    paused: Paused | None = None
    queue: Queue | None = None  # None: it does not wait for GPUs
    cancel_requested_at: datetime | None = None
    reachable: bool | None = None
    checked_at: datetime | None = None
    error: Failure | None = None
    rating: int | None = None
    scores: Mapping[str, float] = field(factory=dict)
    tags: tuple[str, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    parents: tuple[Link, ...] = ()
    progress: ProgressRecord | None = None  # the latest
    first_step: ProgressRecord | None = None  # while it runs: the first that told of a share of the model's work

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self.status in TERMINAL

    @property
    def seen_at(self) -> datetime | None:
        """When somebody last looked at it, or heard of it; None for one that was never submitted."""
        if self.submitted_at is None:
            return None
        looks = (self.submitted_at, self.checked_at, self.progress.timestamp if self.progress else None)
        return max(look for look in looks if look is not None)

    @property
    def outputs(self) -> RunOutputs:
        """What came of it: fetched files by name, values, and every artifact."""
        files = {a.name: a.path for a in self.artifacts if a.path is not None}
        return RunOutputs(files=files, values=self.values, artifacts=self.artifacts)

    def to_dict(self) -> dict[str, Any]:
        """The run's JSON document, as `cosmos show --json` prints it."""
        from cosmos_core.documents import run_document

        return run_document(self)

    def __repr__(self) -> str:
        what = f"simulated {self.status}" if self.simulated else self.status
        stands = " (paused)" if self.paused else ""
        why = f": {self.error.message}" if self.error else ""
        return f"<run {self.id} {what}{stands}, {self.model_type} on {self.target}{_named(self.name)}{why}>"


@frozen(kw_only=True)
class JobRecord:
    """One execution on a host. `epoch` counts the movers: each taker of the lease adds one."""

    id: str
    target: str
    dir: str  # absolute, on the target
    created_at: datetime
    document: Mapping[str, Any] = field(factory=dict)  # the values.Job as JSON
    bundle: Mapping[str, Any] = field(factory=dict)  # the values.Bundle as JSON
    command: Mapping[str, Any] = field(factory=dict)  # the values.Command as JSON
    exit_code: int | None = None
    listing: Mapping[str, int] | None = None  # what lay under outputs/ -> bytes
    epoch: int = 0
    holder: str | None = None  # "machine:pid:start time" of the mover
    lease_until: datetime | None = None
    removed_at: datetime | None = None  # when its folder was removed from the host


@frozen(kw_only=True, repr=False)
class Page(Generic[R]):
    """Some of the prompts or runs that a query matches, newest first; `next` is the cursor for the rest."""

    items: tuple[R, ...]
    total: int | None
    limit: int
    next: str | None

    def __iter__(self) -> Iterator[R]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> R:
        return self.items[number]

    def __repr__(self) -> str:
        of = "" if self.total is None else f" of {self.total}"
        return f"<page of {len(self.items)}{of}: {', '.join(map(repr, self.items[:3]))}{', ...' * (len(self) > 3)}>"


@frozen(kw_only=True)
class Filter:
    """Which prompts or runs; None means any.

    `after` is the cursor of the page before, or its last id; `status` may be PAUSED or UNFINISHED.
    """

    model: str | None = None
    status: str | None = None
    target: str | None = None
    group: str | None = None
    prompt: str | None = None
    tag: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    after: str | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what can match nothing, so that an empty list means what it says."""
        if self.status is not None and self.status not in (*STATES, PAUSED, UNFINISHED):
            hint = f"{nearest(str(self.status), STATES)}states: {', '.join((*STATES, PAUSED, UNFINISHED))}"
            raise UnknownName(f"there is no state {self.status!r}", hint=hint)
        for name in ("model", "target", "group", "prompt", "tag", "after"):
            if not isinstance(getattr(self, name), (str, NoneType)):
                raise UsageError(f"{name} wants text, not {getattr(self, name)!r:.60}")
        for name in ("since", "until"):
            moment = getattr(self, name)
            if moment is not None and not isinstance(moment, datetime):
                hint = "such as datetime(2026, 11, 24, tzinfo=UTC)"
                raise UsageError(f"{name} wants a datetime with a time zone, not {moment!r:.60}", hint=hint)
        if type(self.limit) is not int:
            raise UsageError(f"limit wants a number of rows, not {self.limit!r:.60}")


def _named(name: str) -> str:
    return f" {name!r}" if name else ""
