"""What the store remembers, as frozen values. Times are aware datetimes in UTC; ids are text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from cosmos_core.values import Failure, Media

STATES = (
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
)
PAUSED = "paused"
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


@frozen(kw_only=True)
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


@frozen(kw_only=True)
class RunRecord:
    """One wish to execute a prompt, and what came of it."""

    id: str
    prompt_id: str
    group_id: str | None = None
    job_id: str | None = None
    retry_of: str | None = None
    model_type: str
    name: str = ""
    status: str = "pending"
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


@frozen(kw_only=True)
class Page:
    """Some of the rows that a query matches, newest first."""

    items: tuple[Any, ...]
    total: int | None
    limit: int
    next: str | None  # cursor for the rest


@frozen(kw_only=True)
class Filter:
    """Which prompts or runs; None means any. `after` is the cursor of the page before; `status` may be PAUSED."""

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
