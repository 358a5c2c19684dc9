"""What runs leave in the data folder of this machine, and nobody needs any more: parts of downloads, encoded videos."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from attrs import frozen

from cosmos_core.config import Config
from cosmos_core.errors import NotFound
from cosmos_core.runs.frames import Frames, are_gone
from cosmos_core.runs.remains import remains_in
from cosmos_core.store import Store
from cosmos_core.store.records import UNFINISHED, Filter, FramesRecord

Kind = Literal["part", "sequence"]
KIND_WORDS: dict[Kind, str] = {
    "part": "partial download",
    "sequence": "encoded image sequence",
}
Reason = Literal["unfinished", "pictures gone"]
KEPT_WORDS: dict[Reason, str] = {  # of encoded image sequences
    "unfinished": "of a run that is not finished",
    "pictures gone": "whose pictures are gone",
}

_IDLE_S = 3600.0  # what was written just now somebody may be at, or about to use


@frozen(kw_only=True)
class Leftover:
    """A file that may go: without it a later `fetch` begins anew, and a later run encodes the pictures again."""

    path: Path
    kind: Kind
    bytes: int


@frozen(kw_only=True)
class Leftovers:
    """What would go from the data folder, and what stays for which reason; `older_s` is how it was chosen."""

    folder: Path
    files: tuple[Leftover, ...]
    kept: tuple[tuple[Path, Reason], ...]
    older_s: float | None

    @property
    def bytes(self) -> int:
        """How much room it would make."""
        return sum(file.bytes for file in self.files)

    def of(self, kind: Kind) -> list[Leftover]:
        """Those of a kind."""
        return [file for file in self.files if file.kind == kind]

    def count_kept(self) -> Counter[Reason]:
        """How many stay for which reason."""
        return Counter(reason for _, reason in self.kept)


def find_leftovers(config: Config, store: Store, frames: Frames, *, older_s: float | None = None) -> Leftovers:
    """What may go from this machine. Removes nothing."""
    idle_s = max(older_s or 0.0, _IDLE_S)
    files = [_leftover(part, "part") for part in _parts(config.outputs_dir, store) if _is_idle(part, idle_s)]
    kept: list[tuple[Path, Reason]] = []
    for video in sorted(frames.folder.glob("[!.]*.mp4")):
        if not _is_idle(video, idle_s):
            continue
        if reason := _why_kept(video, store, frames):
            kept.append((video, reason))
        else:
            files.append(_leftover(video, "sequence"))
    return Leftovers(folder=config.home, files=tuple(filter(None, files)), kept=tuple(kept), older_s=older_s)


def remove_leftovers(plan: Leftovers, now: Leftovers) -> tuple[Leftover, ...]:
    """Remove what a plan names, as far as it still may go `now`; what is gone."""
    gone = []
    for file in plan.files:
        if file in now.files:
            with suppress(OSError):
                file.path.unlink()
                gone.append(file)
    return tuple(gone)


def _parts(outputs: Path, store: Store) -> Iterator[Path]:
    """Of runs that ended: others go on with them."""
    with suppress(FileNotFoundError):
        for folder in sorted(outputs.iterdir()):
            with suppress(NotFound):
                if next(folder.rglob(".*.part"), None) and (run := store.run(folder.name)).ended:
                    yield from remains_in(folder, run)


def _why_kept(video: Path, store: Store, frames: Frames) -> Reason | None:
    digest, _ = frames.look(video)
    made_from: list[FramesRecord] = []
    # where pictures were rendered again the old video is of no use: their prompts are refused
    for prompt in store.inputs_by_digest(digest):
        mine = [record.frames for record in prompt.inputs if record.frames and record.path == str(video)]
        if mine and store.runs(Filter(prompt=prompt.id, status=UNFINISHED, limit=1)).items:
            return "unfinished"
        made_from += mine
    return "pictures gone" if any(map(are_gone, made_from)) else None


def _is_idle(file: Path, seconds: float) -> bool:
    try:
        return time.time() - file.stat().st_mtime > seconds
    except OSError:
        return False


def _leftover(file: Path, kind: Kind) -> Leftover | None:
    try:
        found = os.lstat(file)
    except OSError:
        return None
    return Leftover(path=file, kind=kind, bytes=found.st_blocks * 512)  # a part may be sparse
