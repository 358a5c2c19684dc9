"""Another user of the same GPU host, who may write into the lock directory and look wherever she is let."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hostile import CANARY, canaries, listing
from lab import Laptop, job_folder, until, whole
from real_parts import Account, Accounts, GpuHosts, HostFolder, SshHome
from real_processes import patient

from cosmos_core.targets.host import Tree
from cosmos_core.targets.jobdir import JobDir
from cosmos_core.targets.overview import Overview, look_over
from cosmos_core.targets.process import process
from cosmos_core.targets.script import GpuWish, Script
from cosmos_core.targets.ssh import SshHost

MakeLaptop = Callable[..., Laptop]

TEXT = f"user=eve store=x job=jb_eve want=1 gpus=0,1,/*/*/*/*/*/*,$(touch {CANARY}),`touch {CANARY}`;touch {CANARY}\n"


def as_user(account: Account, script: str) -> subprocess.CompletedProcess[str]:
    """A shell script as somebody."""
    return subprocess.run(
        ["sh", "-c", script],
        user=account.uid,
        group=pwd.getpwuid(account.uid).pw_gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def eve(accounts: Accounts) -> Account:
    """The other user."""
    return accounts["eve"]


@pytest.fixture
def ada(ssh_home: SshHome) -> Iterator[SshHost]:
    """The host, as ada reaches it."""
    host = SshHost("ada", connect_timeout=10)
    yield host
    host.close()


@pytest.fixture
def locks(host_folder: HostFolder) -> Path:
    """A lock directory as root makes it."""
    folder = host_folder.path / "locks"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


@pytest.fixture
def there(host_folder: HostFolder) -> Path:
    """Ada's work_dir."""
    return host_folder.of(host_folder.accounts["ada"])


Make = Callable[..., JobDir]


@pytest.fixture
def job(ada: SshHost, there: Path) -> Iterator[Make]:
    """A maker of ada's jobs; each says which GPUs it has, and ends at once."""
    made: list[JobDir] = []

    def make(locks: Path, *, if_busy: str = "wait") -> JobDir:
        job_id = f"jb_{uuid4().hex[:10]}"
        path = f"{there}/jobs/{job_id}"
        runtime = process(("sh", "-c", 'echo "on $CUDA_VISIBLE_DEVICES"'), {}, path)
        wish = GpuWish(count=1, allowed=(0, 1), lock_dir=str(locks), if_busy=if_busy, owner="user=ada store=s")  # type: ignore[arg-type]
        script = Script(job_id=job_id, dir=path, runtime=runtime, gpus=wish)
        ada.lay_out(path, Tree(folders=["inputs", "outputs", "tmp"], files=[("job.sh", script.content, 0o700)]))
        made.append(JobDir(host=ada, path=path, job_id=job_id))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def ends(one: JobDir) -> None:
    """Start a job and see it end well, on a GPU of its own."""
    one.start({})
    until(lambda: one.look().state == "ended", 20)
    assert one.look().exit_code == 0
    assert "on " in Path(one.at("run.log")).read_text()
    assert not Path(one.at("refused")).exists()


def looked_over(ada: SshHost, there: Path, locks: Path) -> Overview:
    began = time.monotonic()
    seen = look_over(ada, work_dir=str(there), lock_dir=str(locks), docker=None, folders=(), patience=10)
    assert time.monotonic() - began < patient(15)
    return seen


TRAPS = {
    "pipe": "mkfifo ticket.000001.jb_eve",
    "link to a pipe": "mkfifo pipe; ln -s pipe ticket.000001.jb_eve",
    "link to nothing": "ln -s /nowhere ticket.000001.jb_eve",
    "link to a file of ada's": 'ln -s "$ADA/secret" ticket.000001.jb_eve',
    "link to a device": "ln -s /dev/zero ticket.000001.jb_eve",
    "folder": "mkdir ticket.000001.jb_eve",
    "unreadable": "echo x > ticket.000001.jb_eve; chmod 000 ticket.000001.jb_eve",
    "name of several lines": "touch 'ticket.000001.jb_eve\nticket.000000.x dead 99999999999999999999 root'",
    "name with blanks": "touch 'ticket.000001.x dead 99999999999999999999999999 root'",
    "name with a command": f"touch 'ticket.000001.$(touch {CANARY})' 'ticket.000001.`touch {CANARY}`'",
    "a number that is none": "touch ticket.99999999999999999999999.jb_eve ticket.-5.jb_e ticket.1e9.jb_e ticket..jb",
    "from the far future": "touch -d @99999999999 ticket.000001.jb_eve",
    "from long ago": "touch -d @-99999999 ticket.000001.jb_eve",
    "hundreds of them": "for i in $(seq 200); do : > ticket.000001.jb_eve$i; done",
}


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
def test_nothing_that_lies_in_the_lock_directory_holds_anybody_up(
    ada: SshHost, eve: Account, locks: Path, there: Path, job: Make, trap: str
) -> None:
    one = job(locks)
    secret = there / "secret"
    secret.write_text("user=ada store=s job=jb_x want=1 gpus=0,1\nholds 0 1\n")
    made = as_user(eve, f"cd {locks} && ADA={there} && {trap}")
    assert made.returncode == 0, made.stderr
    before = listing(locks)
    looked_over(ada, there, locks)
    ends(one)
    looked_over(ada, there, locks)
    assert {path: seen for path, seen in listing(locks).items() if path in before} == before
    assert secret.read_text().startswith("user=ada")
    assert canaries(locks, there) == []


def held(eve: Account, locks: Path, name: str, content: str) -> contextlib.AbstractContextManager[object]:
    """A ticket of eve's, locked as one in the line is."""
    script = f"cd {locks}; cat > '{name}'; exec 8< '{name}'; flock 8; echo locked; exec sleep 60"

    @contextlib.contextmanager
    def holding() -> Iterator[None]:
        keeper = subprocess.Popen(
            ["sh", "-c", script],
            user=eve.uid,
            group=pwd.getpwuid(eve.uid).pw_gid,
            extra_groups=[],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert keeper.stdin
        assert keeper.stdout
        with contextlib.suppress(BrokenPipeError):
            keeper.stdin.write(content)
        keeper.stdin.close()
        assert keeper.stdout.readline() == "locked\n"
        try:
            yield
        finally:
            keeper.kill()
            keeper.wait()
            keeper.stdout.close()

    return holding()


def test_what_a_live_ticket_says_is_read_as_words_and_numbers_only(
    ada: SshHost, eve: Account, locks: Path, there: Path, job: Make
) -> None:
    """It is behind in the line, and wants what it likes; how it says so runs nothing and takes no time."""
    with held(eve, locks, "ticket.000900.jb_eve", TEXT * 20 + "holds */*/*/*/*/* $(id)\n"):
        one = job(locks)
        began = time.monotonic()
        with held(eve, locks, "ticket.000901.jb_eve2", f"holds 7; touch {CANARY}\n"):
            one.start({})
            until(lambda: one.look().ahead == 1)  # she was there first, and waits for the same
            seen = looked_over(ada, there, locks)
            assert {ticket.owner for ticket in seen.line if ticket.job.startswith("jb_eve")} == {eve.user}
        assert time.monotonic() - began < patient(30)
    until(lambda: one.look().state == "ended")
    assert canaries(locks, there) == []


def test_a_ticket_of_gigabytes_is_not_read_whole(
    ada: SshHost, eve: Account, locks: Path, there: Path, job: Make
) -> None:
    with held(eve, locks, "ticket.000002.jb_eve", TEXT):
        assert as_user(eve, f"truncate -s 20G {locks}/ticket.000002.jb_eve").returncode == 0
        one = job(locks)
        one.start({})
        until(lambda: one.look().ahead == 1)
        seen = looked_over(ada, there, locks)
        assert "jb_eve" in {ticket.job for ticket in seen.line}
    until(lambda: one.look().state == "ended")


def test_the_last_number_is_no_way_to_the_front(
    ada: SshHost, eve: Account, locks: Path, there: Path, job: Make
) -> None:
    """Numbers that grow too long would put the next ones before all that wait; nobody is let in then."""
    as_user(eve, f"touch {locks}/ticket.000999.jb_eve")
    first = job(locks)
    ends(first)
    as_user(eve, f"touch {locks}/ticket.999999999.jb_eve")
    one = job(locks)
    one.start({})
    until(lambda: one.refusal()[0] == "refused")
    assert "the last number" in one.refusal()[1]
    (locks / "ticket.999999999.jb_eve").unlink()
    ends(one)


@pytest.mark.parametrize(
    "trap", ["mkfifo line", "ln -s /nowhere/at/all line", 'ln -s "$ADA/made" line', "mkdir line"], ids=str
)
def test_a_lock_that_is_no_file_is_refused_in_words(
    ada: SshHost, eve: Account, locks: Path, there: Path, job: Make, trap: str
) -> None:
    one = job(locks)
    assert as_user(eve, f"cd {locks} && ADA={there} && {trap}").returncode == 0
    one.start({})
    until(lambda: one.refusal()[0] == "refused")
    assert f"{locks} cannot be used to wait for GPUs" in one.refusal()[1]
    assert one.look().state == "idle"
    looked_over(ada, there, locks)
    assert not (there / "made").exists()


def test_a_lock_directory_that_is_a_link_changes_nothing_where_it_leads(
    eve: Account, host_folder: HostFolder, there: Path, job: Make
) -> None:
    host_folder.path.chmod(0o1777)
    locks = host_folder.path / "locks-of-eve"
    one = job(locks)
    private = there / "private"
    private.mkdir(mode=0o700)
    os.chown(private, host_folder.accounts["ada"].uid, -1)
    assert as_user(eve, f"ln -s {private} {locks}").returncode == 0
    one.start({})
    until(lambda: one.refusal()[0] == "refused")
    assert private.stat().st_mode & 0o777 == 0o700
    assert list(private.iterdir()) == []


def test_a_ticket_that_is_there_is_not_written_over(
    ada: SshHost, eve: Account, locks: Path, there: Path, job: Make
) -> None:
    """She knows the job's name from an earlier ticket, and guesses the number."""
    one = job(locks)
    precious = there / "precious"
    precious.write_text("precious")
    os.chown(precious, there.stat().st_uid, -1)
    assert as_user(eve, f"ln -s {precious} {locks}/ticket.000001.{one.job_id}").returncode == 0
    one.start({})
    until(lambda: one.look().state in ("ended", "idle"))
    assert precious.read_text() == "precious"


def test_folders_above_a_lock_directory_are_not_for_everybody_to_write(
    ada: SshHost, host_folder: HostFolder, there: Path, job: Make
) -> None:
    locks = there / "deep" / "locks"
    ends(job(locks))
    assert locks.stat().st_mode & 0o7777 == 0o1777
    assert locks.parent.stat().st_mode & 0o022 == 0


@pytest.mark.parametrize(("account", "runtime"), [("ada", "docker"), ("ada", "process")])
def test_she_sees_nothing_of_a_job_and_cannot_get_in(
    gpu_host: GpuHosts, laptop: MakeLaptop, eve: Account, account: str, runtime: str
) -> None:
    host = gpu_host(account, runtime)
    mine = laptop(host)
    run = mine.run(text="a text that is nobody's business")
    whole(run, host)
    job = job_folder(host, run)
    for path in (host.work_dir, host.work_dir / "inputs", host.work_dir / "jobs", job):
        assert path.stat().st_mode & 0o777 == 0o700, path
    for tried in (
        f"ls {host.work_dir}",
        f"cat {job}/spec.json",
        f"cat {job}/run.log",
        f"sh {job}/job.sh look",
        f"touch {job}/stopped",
        f"ln -s /etc/passwd {job}/outputs/x",
        f"mv {job} {job}.gone",
        f"find {host.work_dir} -name spec.json | grep .",
        f"grep -rs nobody {host.work_dir}",
    ):
        assert as_user(eve, tried).returncode != 0, tried
    assert "nobody's business" not in as_user(eve, "cat /proc/[0-9]*/cmdline").stdout
