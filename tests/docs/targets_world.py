"""The machines of docs/targets.md: what the page calls them, and what plays them here."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import warm_cosmos
from attrs import define, field
from real_accounts import Accounts
from real_dockerd import Dockerd
from real_gpus import Gpus, Stubs
from real_processes import HANG_S, environment_of, everything, kill_all
from real_session import open_folder
from real_ssh_home import SshHome
from real_sshd import Sshd

from cosmos_core.demo import make_clip
from cosmos_transfer.standin.repository import lay_out

PAGE = Path(__file__).resolve().parents[2] / "docs" / "targets.md"
ADDRESSES = {"rented": "203.0.113.7", "gateway": "gateway.example.org", "gpu-lab": "gpu-lab.example.org"}
LOGINS = {"rented": "eve", "gateway": "eve", "gpu-lab": "ada"}
USERS = {"rented": "ubuntu", "gpu-lab": "ada"}
NODES = ("rented-1", "lab7")  # as the page's machines call themselves; here both are this one

_SLOWLY = "STANDIN_STEP_SECONDS=0.05\n"  # time to look at runs that are under way


@define
class World:
    """Paths and names of the page, and those they stand for. Commands of the page run as they are, but for these."""

    folder: Path
    """Where the commands are typed."""
    place: Path
    """The host's."""
    home: SshHome
    servers: Mapping[str, Sshd]
    """By the page's name for the host."""
    dockerd: Dockerd
    descriptors: tuple[int, ...]
    """What a warm `cosmos` needs."""
    real: Mapping[str, str] = field(factory=dict)

    def substituted(self, text: str) -> str:
        """What the page says, as it is meant here."""
        for page, here in self.real.items():
            text = re.sub(rf"(?<![\w./~-]){re.escape(page)}(?![\w.-])", here, text)
        return text

    def environ(self) -> dict[str, str]:
        """What the commands are given."""
        told = {
            "COSMOS_HOME": str(self.home.folder / "data"),
            "PATH": os.pathsep.join(
                (str(self.folder.parent / "bin"), str(Path(sys.executable).parent), os.environ["PATH"])
            ),
            "COLUMNS": "110",
            "NO_COLOR": "1",
            "SHELL": "/bin/sh",  # for `script`
        }
        return {**os.environ, **told}

    def shell(self, command: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        """One command of the page; both streams are told as one. With an `answer` it has a terminal to ask on."""
        here = self.substituted(command)
        argv = ["script", "-qec", here, "/dev/null"] if answer else ["sh", "-c", here]
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=self.environ(),
            input=f"{answer}\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=HANG_S,
            pass_fds=self.descriptors,
        )
        said = done.stdout.replace("\r", "")
        if answer:  # the terminal shows it as it comes, which is before the question
            said = said.removeprefix(f"{answer}\n").replace("]: ", f"]: {answer}\n", 1)
        return subprocess.CompletedProcess(argv, done.returncode, said)

    def put(self, name: str, text: str) -> None:
        """A file of the page beside the commands."""
        more = _SLOWLY if name.endswith(".env") else ""
        if name.endswith(".toml") and "lock_dir" not in text:
            text = re.sub(r"^(work_dir = .*)$", r'\1\nlock_dir = "/run/lock/cosmos"', text, flags=re.MULTILINE)
        (self.folder / name).write_text(self.substituted(text) + more, encoding="utf-8")

    def know(self, ssh_config: str) -> None:
        """A block of ~/.ssh/config, with the addresses and users that the names have here."""
        lines: list[str] = []
        for line in ssh_config.splitlines():
            word, _, value = line.strip().partition(" ")
            if word == "Host":
                name = value
                lines.append(line)
            elif word == "HostName":
                assert value == ADDRESSES[name]
                lines += ["    HostName 127.0.0.1", f"    Port {self.servers[name].port}"]
            elif word == "User":
                account = self.home.accounts[LOGINS[name]]
                lines += [f"    User {account.user}", f"    IdentityFile {account.key}"]
            else:
                lines.append(line)
        file = self.home.folder / ".ssh" / "config.d" / "page.conf"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def event(self, name: str) -> None:
        """Something that happens between two commands of the page."""
        host, _, what = name.partition(" ")
        server = self.servers[host]
        events: dict[str, Callable[[], object]] = {
            "cannot be reached": server.stop,
            "can be reached again": server.start,
            "has another key": server.change_host_key,
        }
        events[what]()

    def plain(self, text: str) -> str:
        """What was said, or what the page shows, without what differs from one time to the next."""
        for page, here in sorted(self.real.items(), key=lambda pair: -len(pair[1])):
            text = text.replace(here, page)
        for name, server in self.servers.items():
            for written in (f"[127.0.0.1]:{server.port}", f"127.0.0.1:{server.port}", f"127.0.0.1, port {server.port}"):
                text = text.replace(written, ADDRESSES[name])
        for name, user in USERS.items():
            text = text.replace(self.home.accounts[LOGINS[name]].user, user)
        text = re.sub(rf"\b({'|'.join((*NODES, re.escape(socket.gethostname())))})\b", "NODE", text)
        text = re.sub(r"\b(rs|ps|jb)_[a-z0-9]+", r"\1_", text)
        text = re.sub(r"SHA256:[\w+/]+", "SHA256:", text)
        text = re.sub(r"^(ok  (system|docker)) .*$", r"\1", text, flags=re.MULTILINE)
        text = text.replace(f", {_SLOWLY.partition('=')[0]}", "")
        text = re.sub(r"\d{4}-\d\d-\d\d", "DATE", text)
        text = re.sub(r"\b[0-9a-f]{12,64}\b", "DIGEST", text)
        text = re.sub(r"[kM]B/s\b", "B/s", text)  # as fast as the machine happens to be
        return re.sub(r"\b\d[\d.]*(?= ?([kMG]i?B|s|B)\b)", "N", text)


def make_world(
    folder: Path, place: Path, home: SshHome, accounts: Accounts, dockerd: Dockerd, repo: Path, gpus: Gpus
) -> World:
    """Set the page's machines up; `place` is a folder of the test's own on the host, and `folder` one here."""
    work = folder / "work"
    work.mkdir()
    make_clip(work / "street.mp4")
    shims = folder / "bin"
    shims.mkdir()
    _program(shims / "ssh", f'exec {shutil.which("ssh")} -q -F {home.config} "$@"')  # it takes ~ from the password file
    programs = open_folder(place / "bin")
    smi = Stubs.of(accounts.session).folder / "nvidia-smi"
    shutil.copy(smi, programs / "nvidia-smi")
    _program(programs / "nvidia-container-runtime-hook", "exit 0")  # the daemon has it, too
    _program(programs / "uv", f'exec {repo}/bin/uv "$@"')
    _program(programs / "docker", f'exec {shutil.which("docker")} -H unix://{dockerd.socket} "$@"')
    servers = {name: Sshd.make(accounts.session, Stubs(programs, gpus.file)) for name in ADDRESSES}
    home.known_hosts.write_text("", encoding="utf-8")
    eve, ada = accounts["eve"], accounts["ada"]
    clips, weights = open_folder(place / "clips"), open_folder(place / "hf")
    make_clip(clips / "street.mp4")
    labs = open_folder(place / "opt" / "cosmos-transfer2.5")
    lay_out(labs)
    locks = open_folder(place / "locks")
    locks.chmod(0o1777)
    real = {
        "/home/ubuntu/cosmos-transfer2.5": repo,
        "/home/ubuntu/.cache": eve.home / ".cache",
        "/home/ubuntu/cosmos": eve.home / place.name,
        "/opt/cosmos-transfer2.5": labs,
        "/usr/bin/nvidia-container-runtime-hook": programs / "nvidia-container-runtime-hook",
        "/data/ada": ada.home / place.name,
        "/data/hf": weights,
        "/data/clips": clips,
        "/run/lock/cosmos": locks,
        "/home/me/data": home.folder / "data",
        "/home/me/.ssh": home.folder / ".ssh",
        "/home/me/work": work,
    }
    warm = warm_cosmos.on_path(shims)
    return World(work, place, home, servers, dockerd, warm, {page: str(here) for page, here in real.items()})


def end(world: World) -> None:
    """Nothing of it goes on."""
    kill_all(lambda: (pid for pid in everything() if pid != os.getpid() and world.place.name in environment_of(pid)))
    if found := world.dockerd("ps", "--all", "--quiet", "--filter", "label=cosmos.job").stdout.split():
        world.dockerd("rm", "--force", "--volumes", *found)
    for server in world.servers.values():
        server.remove()


def _program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)
