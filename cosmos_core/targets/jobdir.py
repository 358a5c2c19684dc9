"""A job's directory on its host: written once, started once, looked at as often as one likes."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from typing import Literal

from attrs import frozen

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Host

GRACE_S = 10  # from TERM to KILL

State = Literal["absent", "unclaimed", "alive", "ended", "gone"]
_UNENDED: dict[str, State] = {"unclaimed": "unclaimed", "alive": "alive", "gone": "gone"}


@frozen(kw_only=True)
class Evidence:
    """What a host tells of a job. Only "ended" has an exit code; "gone" left none."""

    state: State
    exit_code: int | None = None


@frozen(kw_only=True)
class JobDir:
    """`<work_dir>/jobs/<job id>/` on a host."""

    host: Host
    path: str
    job_id: str

    def at(self, rel: str) -> str:
        """A path below it."""
        return f"{self.path}/{rel}"

    def make(self) -> None:
        """The folder with what every job has; outputs/ and tmp/ start empty."""
        for folder in ("", "/inputs", "/outputs", "/tmp"):  # noqa: S108  a folder of the job's own
            self.host.mkdir(self.path + folder)

    def write_script(self, work: str, time_limit_s: float | None) -> None:
        """job.sh around the runtime's `work`; its presence says that the folder is complete."""
        settings = "\n".join(
            (
                f"job={shlex.quote(self.job_id)}",
                f"dir={shlex.quote(self.path)}",
                f"limit={'' if time_limit_s is None else math.ceil(time_limit_s)}",
                f"grace={GRACE_S * 10}",
                "work() {",
                work,
                "}",
            )
        )
        template = (resources.files("cosmos_core.targets") / "job.sh").read_text(encoding="utf-8")
        self.host.put(template.replace("@SETTINGS@", settings).encode(), self.at("job.sh"), mode=0o700)

    def start(self, secrets: Mapping[str, str]) -> None:
        """Start the job unless somebody has; secrets travel on standard input and stay in memory."""
        lines = "".join(f"{name}={value}\n" for name, value in secrets.items())
        done = self.host.run(("sh", self.at("job.sh"), "start"), stdin=lines.encode(), new_session=True)
        if done.exit_code:
            raise TargetUnusable(
                f"job.sh did not start on {self.host.name}: {done.err.decode(errors='replace').strip()}"
            )

    def look(self) -> Evidence:
        """What became of it."""
        if self.host.stat(self.at("job.sh")) is None:
            return Evidence(state="absent")
        done = self.host.run(("sh", self.at("job.sh"), "look"))
        state, _, code = done.text.partition(" ")
        if state == "ended":
            return Evidence(state="ended", exit_code=int(code))
        if state in _UNENDED:
            return Evidence(state=_UNENDED[state])
        raise TargetUnusable(
            f"job.sh on {self.host.name} gave no answer: {done.err.decode(errors='replace').strip() or done.text!r}",
            transient=True,
        )

    def ended(self) -> int | None:
        """The exit code if there is one: the cheap look, for those who look often."""
        text = self.host.read(self.at("exit_code"))
        return int(text) if text.strip() else None

    def started_at(self) -> datetime | None:
        """When the command began, by the host's clock; None if it has not."""
        found = self.host.stat(self.at("started"))
        return datetime.fromtimestamp(found.mtime_ns / 1e9, UTC) if found else None

    def has(self, mark: Literal["stopped", "timed_out", "started"]) -> bool:
        """Whether job.sh left that mark."""
        return self.host.stat(self.at(mark)) is not None

    def stop(self) -> None:
        """End the whole job and only that job: TERM, wait, KILL. Nothing that never started ever will."""
        self.host.run(("sh", self.at("job.sh"), "stop"))
