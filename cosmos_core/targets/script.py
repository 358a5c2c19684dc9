"""job.sh, put together for one job: what it is told, and the parts of it that this job needs."""

from __future__ import annotations

import math
import re
import shlex
from importlib import resources
from typing import Literal

from attrs import frozen

_PLACE = re.compile("@(SETTINGS|RUNTIME|LINE)@")
GRACE_S = 10  # from the first signal to KILL

_NO_LINE = "take_gpus() { :; }\nleave_line() { :; }\nplace_in_line() { false; }"


@frozen(kw_only=True)
class Runtime:
    """How the work is done, as the parts of a shell script."""

    kind: Literal["process", "docker"]
    work: str  # the body of the function that is, or starts, the work
    settings: str = ""


@frozen(kw_only=True)
class GpuWish:
    """How many GPUs a job waits for, and in which line."""

    count: int
    allowed: tuple[int, ...]
    lock_dir: str
    if_busy: Literal["wait", "fail"]
    owner: str  # words of a ticket: `user=ada store=...`


@frozen(kw_only=True)
class Script:
    """What one job.sh is told."""

    job_id: str
    dir: str
    runtime: Runtime
    gpus: GpuWish | None = None  # None: it needs none, or none has to be waited for
    time_limit_s: float | None = None

    @property
    def content(self) -> bytes:
        """The script."""
        settings = [
            f"job={shlex.quote(self.job_id)}",
            f"dir={shlex.quote(self.dir)}",
            f"limit={'' if self.time_limit_s is None else math.ceil(self.time_limit_s)}",
            f"grace={GRACE_S * 10}",  # in tenths
            self.runtime.settings,
        ]
        if self.gpus is not None:
            settings += [
                f"want={self.gpus.count}",
                f"gpus={shlex.quote(' '.join(map(str, self.gpus.allowed)))}",
                f"line={shlex.quote(self.gpus.lock_dir)}",
                f"if_busy='{self.gpus.if_busy}'",
                f"owner={shlex.quote(self.gpus.owner)}",
            ]
        settings.append(f"work() {{\n{self.runtime.work}\n}}")
        parts = {
            "SETTINGS": "\n".join(filter(None, settings)),
            "RUNTIME": _part(f"{self.runtime.kind}.sh"),
            "LINE": _part("line.sh") if self.gpus is not None else _NO_LINE,
        }
        # all at once: a word of the command may look like a place, too
        return _PLACE.sub(lambda place: parts[place[1]], _part("job.sh")).encode()


def _part(name: str) -> str:
    return (resources.files("cosmos_core.targets") / name).read_text(encoding="utf-8")
