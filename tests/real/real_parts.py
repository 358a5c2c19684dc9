"""Fixtures that give tests a GPU host: sshd with accounts, Docker with an image, GPUs that are played.

Each part starts when a test first wants it, once for all workers, and ends with the tests. One that cannot start is
a failure in CI, and elsewhere a skip that says why.
"""

from __future__ import annotations

import compileall
import contextlib
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import pytest
import real_postgres
import real_sshd
from real_accounts import Account, Accounts
from real_disk import small_disk as mounted_disk
from real_dockerd import Dockerd
from real_dockerd import shared as _shared_dockerd
from real_gpus import Gpus, Stubs
from real_hosts import GpuHost, GpuHosts, HostFolder
from real_postgres import Postgres
from real_processes import Process
from real_session import IN_CI, Missing, Session, open_folder
from real_ssh_home import SshHome
from real_sshd import Sshd

from cosmos_transfer.standin.repository import lay_out

__all__ = [
    "Account",
    "Accounts",
    "Dockerd",
    "GpuHost",
    "GpuHosts",
    "Gpus",
    "HostFolder",
    "MakeDockerd",
    "MakePostgres",
    "MakeSshd",
    "Postgres",
    "SshHome",
    "Sshd",
    "Stubs",
]

T = TypeVar("T")
_SESSION = pytest.StashKey[Session]()


def pytest_configure(config: pytest.Config) -> None:
    """Name the folder of the parts; workers of one run are told the same."""
    told = getattr(config, "workerinput", {}).get("real_parts")
    config.stash[_SESSION] = Session(Path(told[0]), Process(told[1], told[2])) if told else Session.new()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker the folder of the parts."""
    session = node.config.stash[_SESSION]
    node.workerinput["real_parts"] = (str(session.folder), session.owner.pid, session.owner.born)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the parts, once all workers are gone."""
    if hasattr(config, "workerinput"):
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient Ctrl-C would leave users and daemons behind
    try:
        config.stash[_SESSION].end()
    finally:
        signal.signal(signal.SIGINT, before)


def real(start: Callable[[], T]) -> T:
    """What `start` answers; where the part is missing: a failure in CI, elsewhere a skip."""
    try:
        return start()
    except Missing as missing:
        reason = str(missing)
    if IN_CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def real_session(pytestconfig: pytest.Config) -> Session:
    """The run of the tests that the parts belong to."""
    return pytestconfig.stash[_SESSION]


@pytest.fixture(scope="session")
def accounts(real_session: Session) -> Accounts:
    """The people on the host: ada, bob, eve and sue."""
    return real(lambda: Accounts.of(real_session))


@pytest.fixture(scope="session")
def stubs(real_session: Session) -> Stubs:
    """The stand-in `nvidia-smi` with four idle GPUs, the same for all tests."""
    return real(lambda: Stubs.of(real_session))


@pytest.fixture(scope="session")
def shared_sshd(real_session: Session, accounts: Accounts, stubs: Stubs) -> Sshd:
    """The server for all tests that leave it alone."""
    return real(lambda: real_sshd.shared(real_session, "sshd", stubs))


@pytest.fixture(scope="session")
def jump_sshd(real_session: Session, accounts: Accounts, stubs: Stubs) -> Sshd:
    """A host on the way to the other; to be left alone."""
    return real(lambda: real_sshd.shared(real_session, "jump", stubs))


class MakeSshd(Protocol):
    """Starts a server of the test's own."""

    def __call__(self, *options: str, gpus: Gpus | None = None) -> Sshd:
        """`options` are lines of sshd_config that are put last; with `gpus`, nvidia-smi sees those."""


@pytest.fixture
def sshd(real_session: Session, accounts: Accounts, stubs: Stubs) -> Iterator[MakeSshd]:
    """A maker of servers that the test may stop, cut off and change."""
    made: list[Sshd] = []

    def make(*options: str, gpus: Gpus | None = None) -> Sshd:
        seen = Stubs(stubs.folder, gpus.file) if gpus else stubs
        made.append(real(lambda: Sshd.make(real_session, seen, *options)))
        return made[-1]

    yield make
    for server in made:
        server.remove()


@pytest.fixture
def ssh_home(
    accounts: Accounts, shared_sshd: Sshd, jump_sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SshHome:
    """A HOME of the test's own, from which `ada`, `bob`, `eve`, `sue` and more can be reached by ssh."""
    home = SshHome.make(tmp_path / "client", accounts, shared_sshd, jump_sshd)
    monkeypatch.setenv("HOME", str(home.folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return home


@pytest.fixture(scope="session")
def shared_dockerd(real_session: Session, accounts: Accounts) -> Dockerd:
    """The daemon for all tests that leave it alone, with the image in it."""
    return real(lambda: _shared_dockerd(real_session))


class MakeDockerd(Protocol):
    """Starts a daemon of the test's own, in about two seconds with the image and one without."""

    def __call__(self, *, live_restore: bool = False, with_image: bool = True) -> Dockerd: ...


@pytest.fixture
def dockerd(real_session: Session, accounts: Accounts) -> Iterator[MakeDockerd]:
    """A maker of daemons that the test may stop, kill and start again."""
    made: list[Dockerd] = []

    def make(*, live_restore: bool = False, with_image: bool = True) -> Dockerd:
        made.append(real(lambda: Dockerd.make(real_session, live_restore=live_restore, with_image=with_image)))
        return made[-1]

    yield make
    for daemon in made:
        daemon.remove()


@pytest.fixture(scope="session")
def shared_postgres(real_session: Session) -> Postgres:
    """The PostgreSQL server for all tests that leave it alone; each makes databases of its own there."""
    return real(lambda: real_postgres.shared(real_session))


class MakePostgres(Protocol):
    """Starts a PostgreSQL server of the test's own, in about a second."""

    def __call__(self) -> Postgres: ...


@pytest.fixture
def postgres(real_session: Session) -> Iterator[MakePostgres]:
    """A maker of PostgreSQL servers that the test may stop, kill and start again."""
    made: list[Postgres] = []

    def make() -> Postgres:
        made.append(real(lambda: Postgres.make(real_session)))
        return made[-1]

    yield make
    for server in made:
        server.remove()


@pytest.fixture
def host_folder(real_session: Session, accounts: Accounts) -> Iterator[HostFolder]:
    """The test's own place on the host."""
    place = HostFolder(open_folder(real_session.folder / "tests" / f"t{uuid4().hex[:8]}"), accounts)
    yield place
    place.leave()


@pytest.fixture
def gpus(host_folder: HostFolder, stubs: Stubs) -> Gpus:
    """Four idle GPUs of the test's own; a server sees them that was made with them: `sshd(gpus=gpus)`."""
    mine = Gpus(host_folder.path / "gpus.json")
    mine.write()
    return mine


@pytest.fixture
def small_disk(host_folder: HostFolder) -> Iterator[Callable[[int, Account], Path]]:
    """A maker of disks: `small_disk(MIB, account)` is one of so many MiB in the account's home, empty and theirs."""
    with contextlib.ExitStack() as disks:

        def make(mib: int, account: Account) -> Path:
            point = account.home / f"{host_folder.path.name}-disk"
            return real(lambda: disks.enter_context(mounted_disk(point, mib, account)))

        yield make


@pytest.fixture(scope="session")
def compiled_toolkit(real_session: Session) -> Path:
    """The stand-in, laid out as NVIDIA's repository and compiled: its jobs, which write no bytecode, need not do it."""
    folder = real_session.folder / "cosmos-transfer2.5"

    def start() -> dict[str, str]:
        lay_out(open_folder(folder))
        compileall.compile_dir(folder / ".standin", quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        return {}

    real_session.once("toolkit", start)
    return folder


@pytest.fixture
def toolkit_repo(host_folder: HostFolder, compiled_toolkit: Path) -> Path:
    """A copy of the test's own: root's, readable for all, without a .venv."""
    folder = open_folder(host_folder.path / "cosmos-transfer2.5")
    shutil.copytree(compiled_toolkit, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def gpu_host(
    request: pytest.FixtureRequest, host_folder: HostFolder, stubs: Stubs, toolkit_repo: Path
) -> Iterator[GpuHosts]:
    """A maker of targets: `gpu_host("ada", "docker").table` goes into a cosmos.toml."""
    hosts = GpuHosts(host_folder, stubs, request, toolkit_repo)
    yield hosts
    hosts.leave()
