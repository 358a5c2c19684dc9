"""The values that cross the plugin contract: frozen, keyword-only, and new fields always have defaults.

A plugin turns a `Request` into `Problem`s, a `Job` into a `Bundle` and a `Command`, and a `Result` into
`Outputs`. None of these values can open a connection, a database or a clock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from attrs import evolve, field, frozen

from cosmos_core.declared import Draft as Draft
from cosmos_core.declared import InputSlot as InputSlot
from cosmos_core.declared import ModelInfo as ModelInfo
from cosmos_core.declared import NoParameters as NoParameters
from cosmos_core.declared import Toolkit as Toolkit
from cosmos_core.declared import parameter as parameter

P = TypeVar("P")
_HALF = 8 << 20  # of what is read of a log: nobody has gigabytes in mind who reads one whole

PYTHON = "{python}"
"""Placeholder in `Command.argv`: `python` in a toolkit's own environment, the host's `python3` where there is
no repository, the interpreter that runs us for a stand-in on this machine."""


# -- what is asked; None means not known yet -------------------------------------------------------------------


@frozen(kw_only=True)
class Media:
    """What a look into a media file showed. Sizes in pixels as displayed (`rotation` applied).

    None: not known, or not for this kind.
    """

    kind: str  # video image tensor json text unknown
    width: int | None = None
    height: int | None = None
    frames: int | None = None  # decoded and counted, not what the header says
    fps: float | None = None  # on average
    pixel: str | None = None  # pixel format, ffmpeg's name
    codec: str | None = None
    rotation: int | None = None  # degrees clockwise the player has to turn the stored picture
    nominal_fps: float | None = None  # ffmpeg's guess at the rate that was meant; other than `fps`: it varies
    promised: int | None = None  # frames by the header; other than `frames`: trimmed without re-encoding, or damaged
    sound: bool | None = None
    hdr: str | None = None  # PQ or HLG
    interlaced: bool | None = None
    pixel_aspect: float | None = None  # width of a pixel by its height; 1 where pixels are square
    array: str | None = None  # name of the array in an .npz
    shape: tuple[int, ...] | None = None  # of that array
    dtype: str | None = None  # of that array, NumPy's name: |u1


@frozen(kw_only=True)
class Input:
    """One input file of a request. It carries no path, so a hook cannot open it."""

    slot: str
    name: str  # the file's own name, `street.mp4`
    sha256: str | None = None
    media: Media | None = None
    first_frame: int | None = None  # number of the first picture, where it is made of an image sequence


@frozen(kw_only=True)
class Site:
    """A target as one toolkit sees it."""

    target: str
    toolkit: str
    workdir: str | None = None
    version: str | None = None
    gpus: int | None = None
    gpu_mem_gb: float | None = None
    settings: Any = None
    secrets: tuple[str, ...] = ()  # names of the secrets it can give


@frozen(kw_only=True)
class Request(Generic[P]):
    """One run as it is asked for. `given` names the parameters that the user set; the rest are defaults."""

    id: str  # [a-z0-9_]; every file stem is made of it
    model: str
    toolkit: str
    text: str = ""
    inputs: tuple[Input, ...] = ()
    parameters: P = field(default=None)  # None until the toolkit is known
    given: tuple[str, ...] = ()
    gpus: int | None = None
    site: Site | None = None

    def one(self, slot: str) -> Input | None:
        """The input in `slot`, or None."""
        return next((item for item in self.inputs if item.slot == slot), None)

    def all(self, slot: str) -> tuple[Input, ...]:
        """Every input in `slot`, in the order given."""
        return tuple(item for item in self.inputs if item.slot == slot)

    def under(self, stem: str) -> dict[str, Input]:
        """The inputs of a family by their last word: `under("mask")` is `{"edge": Input}`."""
        return {i.slot.removeprefix(f"{stem}."): i for i in self.inputs if i.slot.startswith(f"{stem}.")}


@frozen(kw_only=True)
class Problem:
    """Something wrong with a request: the field, what is wrong, and what to do about it."""

    field: str
    message: str
    hint: str
    code: str
    severity: Literal["error", "warning"] = "error"


# -- where it is done; known last, stored with the job ---------------------------------------------------------


@frozen(kw_only=True)
class Job(Generic[P]):
    """One or more requests of equal target, toolkit, GPUs and batch key, plus the folder they share."""

    requests: tuple[Request[P], ...]
    dir: str = "/job"  # as the script sees it

    @classmethod
    def of(cls, *requests: Request[P], dir: str = "/job") -> Job[P]:  # noqa: A002  the field's own name
        """The job of these requests, each with a canonical site if it has none yet."""
        return cls(requests=tuple(r if r.site else _on_a_canonical_site(r) for r in requests), dir=dir)

    def path(self, rel: str) -> str:
        """`rel` below the job's folder, as the script sees it."""
        return f"{self.dir}/{rel}"

    @property
    def site(self) -> Site:
        """The site that all requests of the job share."""
        site = self.requests[0].site
        if site is None:
            raise ValueError("a job's requests have a site; build it with Job.of()")
        return site


def _on_a_canonical_site(request: Request[P]) -> Request[P]:
    return evolve(request, site=Site(target="", toolkit=request.toolkit))


@frozen(kw_only=True)
class FileToWrite:
    """A file for the job's folder."""

    path: str
    content: bytes


def shipped(package: str, name: str) -> bytes:
    """The bytes of a file that a package ships, such as a script of its own to put into a bundle."""
    from importlib import resources  # costs 15 ms, and most plugins ship no script

    return (resources.files(package) / name).read_bytes()


@frozen(kw_only=True)
class Place:
    """Where an input goes in the job's folder: `to` is a relative path, the link's name the plugin's choice."""

    input: Input
    to: str


@frozen(kw_only=True)
class Fetch:
    """Which outputs matter: a glob below `outputs/` and the role of what it matches."""

    pattern: str
    role: str  # result control log data
    name: str | None = None
    request: str | None = None
    required: bool = False


@frozen(kw_only=True)
class Bundle:
    """Everything a job needs in its folder, and what to bring back."""

    files: tuple[FileToWrite, ...] = ()
    places: tuple[Place, ...] = ()
    fetch: tuple[Fetch, ...] = ()
    needs: tuple[tuple[str, str], ...] = ()  # (path on the host, what to do if it is absent)
    batch_key: str | None = None


@frozen(kw_only=True)
class Resources:
    """What a command wants from its host."""

    gpus: int = 1
    gpu_mem_gb: float | None = None
    shm_gb: float | None = None
    minutes: float | None = None


@frozen(kw_only=True)
class Command:
    """The command that does the job: arguments as a tuple, never a shell string."""

    argv: tuple[str, ...]  # without the prefix; the core adds it
    env: Mapping[str, str | None] = field(factory=dict)  # None: unset
    secrets: tuple[str, ...] = ()  # names only
    cwd: str | None = None  # None: the toolkit's workdir, else the job's folder
    resources: Resources = Resources()


# -- what came of it -------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Failure:
    """Why a run failed, in words; with `transient`, the same run may well succeed next time."""

    code: str
    message: str
    hint: str = ""
    transient: bool = False


@frozen(kw_only=True)
class Progress:
    """What one line of a log tells. `doomed` asks the core to stop the job with that failure."""

    fraction: float | None = None  # 0..1 of the request (or of the job, without `request`)
    message: str = ""
    stage: str = "inference"
    request: str | None = None
    doomed: Failure | None = None


LineReader = Callable[[str], Progress | None]
"""Reads one decoded log line, colour codes removed; lines end at `\\n` or `\\r`."""


@frozen(kw_only=True)
class Result:
    """What a job left behind."""

    files: Mapping[str, int]  # everything below outputs/ there, fetched or not -> bytes
    folder: Path  # where the fetched files are
    log: Path
    exit_code: int | None

    def text(self, rel: str | None = None) -> str:
        """The log, or a fetched file below outputs/; empty if it is absent.

        Of one larger than 16 MiB the first and the last 8 MiB, with a line between them that says so.
        """
        path = self.log if rel is None else self.folder / rel
        try:
            with path.open("rb") as file:
                data = file.read(_HALF)
                rest = os.fstat(file.fileno()).st_size - len(data)
                if rest > _HALF:
                    data += f"\n[{rest - _HALF} bytes are left out here]\n".encode()
                    file.seek(-_HALF, os.SEEK_END)
                data += file.read(_HALF)
        except OSError:
            return ""
        return data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


@frozen(kw_only=True)
class Outputs:
    """What one request came to: words, values, scores, or the failure."""

    values: Mapping[str, Any] = field(factory=dict)
    scores: Mapping[str, float] = field(factory=dict)
    text: str | None = None
    failure: Failure | None = None
