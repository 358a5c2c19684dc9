"""A GPU host as a target of a configuration, in each of the four ways to run something there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field, frozen
from real_accounts import Account, Accounts
from real_dockerd import IMAGE, Dockerd
from real_gpus import PLAYS, SYSTEM_PATH, Stubs
from real_processes import command_of, environment_of, everything, kill_all
from real_session import open_folder

TOOLKIT = "cosmos-transfer2.5"


@frozen(kw_only=True)
class GpuHost:
    """A target: where it is, as whom, and how jobs run there."""

    name: str
    account: Account | None
    """Whose login over SSH; None: this machine, as root."""
    alias: str | None
    """The name in ~/.ssh/config; None: this machine."""
    runtime: str
    work_dir: Path
    """Nobody made it yet, but the account may."""
    repo: Path
    lock_dir: Path
    """The test's own, one for all its hosts: everybody may write there."""
    gpus: int | tuple[int, ...]
    docker: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(factory=dict)
    """Further keys of the target, as the configuration names them."""

    @property
    def prefix(self) -> tuple[str, ...]:
        """What is put before a process's command: the system's python on every host, so that all ways agree."""
        return ("env", f"PATH={self.repo}/bin:{SYSTEM_PATH}")

    @property
    def table(self) -> str:
        """The target's part of a cosmos.toml."""
        target = {
            **({"host": self.alias} if self.alias else {}),
            "work_dir": str(self.work_dir),
            "runtime": self.runtime,
            **({"docker": self.docker} if self.runtime == "docker" else {}),
            "gpus": self.gpus,
            "lock_dir": str(self.lock_dir),
            **self.more,
        }
        if self.runtime == "docker":
            toolkit: dict[str, Any] = {"repo": str(self.repo), "image": IMAGE}
        else:
            toolkit = {"repo": str(self.repo), "prefix": self.prefix}
        return "\n".join(
            (
                f"[targets.{self.name}]",
                *_lines(target),
                "",
                f'[targets.{self.name}.toolkits."{TOOLKIT}"]',
                *_lines(toolkit),
                "",
            )
        )


@define
class HostFolder:
    """What a test has on the host: a folder that every account can enter, and one in the home of each."""

    path: Path
    accounts: Accounts

    def of(self, account: Account) -> Path:
        """The test's own folder in the account's home, where there may be none yet."""
        return account.home / self.path.name

    def leave(self) -> None:
        """Kill the processes that know of this test by their command line or environment, and remove the folders."""
        name = self.path.name
        kill_all(
            lambda: (
                pid for pid in everything() if pid != os.getpid() and name in command_of(pid) + environment_of(pid)
            )
        )
        for folder in (self.path, *(self.of(account) for account in self.accounts)):
            shutil.rmtree(folder, ignore_errors=True)


@define
class GpuHosts:
    """Makes targets of one test: they share its repository and its lock directory."""

    place: HostFolder
    stubs: Stubs
    request: pytest.FixtureRequest
    repo: Path
    _used: list[Dockerd] = field(factory=list, init=False)
    _shown: set[str] = field(factory=set, init=False)

    def __call__(
        self,
        account: str | None = "ada",
        runtime: str = "docker",
        *,
        name: str | None = None,
        gpus: int | tuple[int, ...] = 4,
        alias: str | None = None,
        work_dir: Path | None = None,
        dockerd: Dockerd | None = None,
        **more: Any,
    ) -> GpuHost:
        """A target of an account's over SSH, or (None) of this machine; `more` are further keys of it."""
        who = self.place.accounts[account] if account else None
        self._show_gpus(over_ssh=account is not None)
        docker: tuple[str, ...] = ()
        if runtime == "docker":
            daemon: Dockerd = dockerd or self.request.getfixturevalue("shared_dockerd")
            self._used.append(daemon)
            docker = (*(("sudo",) if account == "sue" else ()), *daemon.docker)
        return GpuHost(
            name=name or "-".join((account or "here", runtime)),
            account=who,
            alias=alias or account,
            runtime=runtime,
            work_dir=work_dir or (self.place.of(who) if who else self.place.path / "work"),
            repo=self.repo,
            lock_dir=self._lock_dir(),
            gpus=gpus,
            docker=docker,
            more=more,
        )

    def _lock_dir(self) -> Path:
        folder = open_folder(self.place.path / "locks")
        folder.chmod(0o1777)
        return folder

    def _show_gpus(self, *, over_ssh: bool) -> None:
        """Let nvidia-smi there see the test's own GPUs, where it asked for the fixture `gpus`."""
        own = "gpus" in self.request.fixturenames
        if over_ssh:
            home = self.request.getfixturevalue("ssh_home")
            if own and "there" not in self._shown:
                make_sshd = self.request.getfixturevalue("sshd")
                home.lead_to(make_sshd(gpus=self.request.getfixturevalue("gpus")))
                self._shown.add("there")
        elif "here" not in self._shown:
            file = self.request.getfixturevalue("gpus").file if own else self.stubs.gpus
            monkeypatch = self.request.getfixturevalue("monkeypatch")
            monkeypatch.setenv(PLAYS, str(file))
            monkeypatch.setenv("PATH", f"{self.stubs.folder}{os.pathsep}{os.environ['PATH']}")
            self._shown.add("here")

    def leave(self) -> None:
        """Remove containers that work in folders of the test."""
        for daemon in set(self._used):
            said = daemon("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Mounts}}").stdout.splitlines()
            if mine := [line.split()[0] for line in said if self.place.path.name in line]:
                daemon("rm", "--force", "--volumes", *mine)


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in table.items()]


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)  # strings, numbers, booleans and lists look alike in both
