"""A GPU host on loopback for benchmarks: sshd, Docker with an image like NVIDIA's, and GPUs that are played.

They are those of the tests (tests/real), which need root on Linux, and leave nothing on the machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "real"))

from real_accounts import Accounts
from real_dockerd import IMAGE, Dockerd
from real_gpus import SYSTEM_PATH, Stubs
from real_session import Missing, Session, open_folder
from real_ssh_home import SshHome
from real_sshd import Sshd

from cosmos_transfer.standin.repository import lay_out

COSMOS = (sys.executable, "-m", "cosmos_core")
HOST = "ada"
TARGET = "gpu"


@frozen(kw_only=True)
class RealHost:
    """The host, and a client's home beside it. All of it goes when the benchmark ends."""

    session: Session
    accounts: Accounts
    sshd: Sshd
    dockerd: Dockerd
    client: SshHome
    repo: Path

    @property
    def home(self) -> Path:
        """The client's home, with its ssh configuration, its data and its cosmos.toml."""
        return self.client.folder

    @property
    def environ(self) -> dict[str, str]:
        """What programs of the client are given."""
        # An installed program has its bytecode; a shell that forbids writing it would time the compiler instead.
        left_out = ("PYTHONDONTWRITEBYTECODE", "SSH_AUTH_SOCK")
        plain = {name: value for name, value in os.environ.items() if name not in left_out}
        told = {"HOME": self.home, "COSMOS_HOME": self.home / "data", "COSMOS_CONFIG": self.home / "cosmos.toml"}
        return plain | {name: str(path) for name, path in told.items()}

    @property
    def ssh_options(self) -> tuple[str, ...]:
        """For OpenSSH's own programs, which take ~ from the password file, whatever HOME says."""
        return ("-q", "-F", str(self.client.config), "-o", "BatchMode=yes")

    def configure(self, *tables: str) -> None:
        """Write the client's configuration."""
        (self.home / "cosmos.toml").write_text("\n".join(tables), encoding="utf-8")

    def table(self, name: str = TARGET, *, gpus: int = 4, steps: float = 0, **more: object) -> str:
        """A target over SSH, in Docker unless `more` says otherwise; the stand-in pauses so long at each step."""
        target: dict[str, object] = {
            "host": HOST,
            "work_dir": str(self.accounts[HOST].home / "cosmos"),
            "runtime": "docker",
            "docker": self.dockerd.docker,
            "gpus": gpus,
            "lock_dir": str(self.session.folder / "locks"),
            **more,
        }
        prefix = () if target["runtime"] == "docker" else ("env", f"PATH={self.repo}/bin:{SYSTEM_PATH}")
        return "\n".join(
            (
                f"[targets.{name}]",
                *(f"{key} = {json.dumps(value)}" for key, value in target.items()),
                f'env = {{ STANDIN_STEP_SECONDS = "{steps}" }}',
                f'[targets.{name}.toolkits."cosmos-transfer2.5"]',
                f"repo = {json.dumps(str(self.repo))}",
                f"image = {json.dumps(IMAGE)}",
                f"prefix = {json.dumps(prefix)}",
                "",
            )
        )


@contextlib.contextmanager
def real_host(*sshd_options: str) -> Iterator[RealHost]:
    """Start the parts; `sshd_options` are lines of sshd_config. Ends the program where they cannot be had."""
    session = Session.new()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # then, too, nothing may be left
    try:
        accounts, stubs = Accounts.of(session), Stubs.of(session)
        sshd = Sshd.make(session, stubs, *sshd_options)
        client = SshHome.make(session.folder / "client", accounts, sshd, sshd)
        repo = open_folder(session.folder / "cosmos-transfer2.5")
        lay_out(repo)
        open_folder(session.folder / "locks").chmod(0o1777)
        dockerd = Dockerd.make(session)
        yield RealHost(session=session, accounts=accounts, sshd=sshd, dockerd=dockerd, client=client, repo=repo)
    except Missing as missing:
        sys.exit(str(missing))
    finally:
        session.end()


def spread(values: list[float], digits: int) -> str:
    """Median, and in brackets the smallest and the largest."""
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f} .. {max(values):.{digits}f}]"
