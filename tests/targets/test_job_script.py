"""job.sh as it runs: exit codes, secrets, one start, stopping, the time limit, and what is seen of it later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from real_processes import Process
from target_jobs import Jobs, exit_code, has, keeper, keepers, processes, until

from cosmos_core.targets import script as script_module
from cosmos_core.targets.jobdir import Evidence, JobDir

linux = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes by /proc")


@pytest.fixture(autouse=True)
def _shells(shell: str) -> None:
    """Every test here is run by every shell."""


def ended(job: JobDir) -> int:
    """The job's exit code, waited for."""
    until(lambda: exit_code(job) is not None)
    code = exit_code(job)
    assert code is not None
    return code


def log(job: JobDir) -> str:
    return Path(job.at("run.log")).read_text(encoding="utf-8")


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_is_the_commands(jobs: Jobs, code: int) -> None:
    job = jobs.script(f"echo out; echo err >&2; exit {code}")
    assert job.look() == Evidence(state="idle")
    job.start({})
    assert ended(job) == code
    assert job.look() == Evidence(state="ended", exit_code=code)
    assert log(job) == "out\nerr\n"
    assert job.started_at() is not None


def test_a_command_killed_by_a_signal_says_which(jobs: Jobs) -> None:
    job = jobs.script("kill -9 $(exec sh -c 'echo $PPID')")
    job.start({})
    assert ended(job) == 128 + signal.SIGKILL


def test_a_command_that_is_not_there(jobs: Jobs) -> None:
    job = jobs.job("/no/such/program")
    job.start({})
    assert ended(job) == 127
    assert "/no/such/program" in log(job)


def test_a_folder_to_work_in_that_is_not_there(jobs: Jobs) -> None:
    job = jobs.script("cd /no/such/folder || exit 125")
    job.start({})
    assert ended(job) == 125


TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=40)
NASTY = [
    "",
    " ",
    "'",
    '"',
    "\n",
    "a\nb\n",
    "$(touch x)",
    "`id`",
    "$HOME",
    "\\",
    "\\n",
    "😀",
    "*",
    "-n",
    "a'b\"c",
    "%s",
    "\t\r",
]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(TEXT | st.sampled_from(NASTY), min_size=1, max_size=12))
def test_any_argument_arrives_as_it_is(jobs: Jobs, words: list[str]) -> None:
    job = jobs.job("printf", "%s\\0", *words)
    job.start({})
    assert ended(job) == 0
    assert Path(job.at("run.log")).read_bytes() == b"".join(word.encode() + b"\0" for word in words)


def test_every_nasty_argument_arrives(jobs: Jobs) -> None:
    job = jobs.job("printf", "%s\\0", *NASTY)
    job.start({})
    assert ended(job) == 0
    assert Path(job.at("run.log")).read_bytes().decode() == "".join(f"{word}\0" for word in NASTY)


@pytest.mark.parametrize("name", ["with space", 'it\'s "quoted" $(here)', "läufe 😀", "-n"])
def test_a_folder_of_any_name(jobs: Jobs, name: str) -> None:
    job = jobs.script('echo "$PWD"; sleep 60', name=name)
    job.start({})
    until(lambda: job.look().state == "alive" and Path(job.at("run.log")).exists() and log(job))
    assert log(job) == f"{job.path}\n"
    job.stop()
    assert job.look() == Evidence(state="ended", exit_code=143)


def test_secrets_reach_the_command_and_no_file(jobs: Jobs) -> None:
    secret = "hunter2 with 'quotes' and $(dollars) and = signs \\n"
    job = jobs.job(sys.executable, "-c", "import os; print(len(os.environ['HF_TOKEN']), os.environ['empty'] == '')")
    job.start({"HF_TOKEN": secret, "empty": ""})
    assert ended(job) == 0
    assert log(job) == f"{len(secret)} True\n"
    for file in Path(job.path).rglob("*"):
        assert b"hunter2" not in (str(file.readlink()).encode() if file.is_symlink() else b"")
        assert not file.is_file() or b"hunter2" not in file.read_bytes()


def test_secrets_may_have_any_name(jobs: Jobs) -> None:
    """The script's own variables are not the command's, and the other way round."""
    mine = {"job": "a", "dir": "/nowhere", "limit": "0", "grace": "x", "line": "b", "code": "9", "PATH": "/nowhere"}
    job = jobs.job(
        sys.executable, "-c", f"import os; print({{n: os.environ.get(n) for n in {sorted(mine)!r}}} == {mine!r})"
    )
    job.start(mine)
    assert ended(job) == 0
    assert log(job) == "True\n"


def test_started_twice_runs_once(jobs: Jobs) -> None:
    job = jobs.script("echo here; sleep 0.2")
    job.start({})
    job.start({})
    assert ended(job) == 0
    job.start({})
    assert job.look() == Evidence(state="ended", exit_code=0)
    until(lambda: not keepers(job.path))
    assert log(job) == "here\n"


def test_racing_starters_run_once(jobs: Jobs) -> None:
    job = jobs.script("echo here")
    threads = [threading.Thread(target=job.start, args=({},)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended(job) == 0
    until(lambda: not keepers(job.path))
    assert log(job) == "here\n"


@linux
def test_stopping_ends_workers_in_sessions_of_their_own(jobs: Jobs) -> None:
    job = jobs.script("setsid sh -c 'setsid sleep 100 & echo up; sleep 100'")
    job.start({})
    until(lambda: len(processes(job.job_id)) >= 2 and "up" in log(job))
    job.stop()
    assert not processes(job.job_id)
    assert exit_code(job) not in (None, 0)
    assert has(job, "stopped")
    until(lambda: not keepers(job.path))


@linux
def test_stopping_ends_workers_that_do_not_carry_the_id_any_more(jobs: Jobs) -> None:
    """A program that sets its title writes it over its environment; here `env -i` plays that."""
    job = jobs.job("sh", "-c", "env -i /bin/sh -c 'echo $$ > worker; exec sleep 100' & setsid sleep 100")
    job.start({})
    worker = Path(job.path).parent.parent / "worker"
    found = Process.of(int(until(lambda: worker.exists() and worker.read_text())))
    assert found.pid not in processes(job.job_id)
    assert found.alive
    job.stop()
    assert not found.alive


@linux
def test_who_ignores_term_is_killed_after_the_grace(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_module, "GRACE_S", 1)
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(100)"
    job = jobs.job(sys.executable, "-c", deaf)
    job.start({})
    until(lambda: Path(job.at("run.log")).exists() and log(job) == "deaf\n")
    job.stop()
    assert not processes(job.job_id)
    assert exit_code(job) == 137


@linux
def test_what_the_command_leaves_behind_ends_with_it(jobs: Jobs) -> None:
    job = jobs.job("sh", "-c", "setsid sleep 100 & echo left")
    job.start({})
    assert ended(job) == 0
    assert not processes(job.job_id)


@linux
def test_only_that_job_is_stopped(jobs: Jobs) -> None:
    one, other = jobs.job("sleep", "100"), jobs.job("sleep", "100")
    one.start({})
    other.start({})
    until(lambda: processes(one.job_id) and processes(other.job_id))
    one.stop()
    assert not processes(one.job_id)
    assert processes(other.job_id)
    assert other.look().state == "alive"


def test_stopped_before_its_start_it_never_starts(jobs: Jobs) -> None:
    job = jobs.script("echo here")
    job.stop()
    assert job.look() == Evidence(state="ended", exit_code=143)
    job.start({})
    until(lambda: not keepers(job.path))
    assert not has(job, "started")
    assert not has(job, "run.log")


def test_stopping_what_has_ended_leaves_it_as_it_was(jobs: Jobs) -> None:
    job = jobs.script("exit 3")
    job.start({})
    assert ended(job) == 3
    job.stop()
    assert job.look() == Evidence(state="ended", exit_code=3)
    assert not has(job, "stopped")


def test_the_time_limit(jobs: Jobs) -> None:
    job = jobs.job("sleep", "100", limit=0.4)
    job.start({})
    assert ended(job) == 143
    assert has(job, "timed_out")


def test_within_the_time_limit(jobs: Jobs) -> None:
    job = jobs.job("true", limit=600)
    job.start({})
    assert ended(job) == 0
    until(lambda: not keepers(job.path), seconds=5)
    assert not has(job, "timed_out")


def kill_keeper(job: JobDir) -> None:
    os.kill(keeper(job), signal.SIGKILL)
    until(lambda: keeper(job) not in keepers(job.path))


def kill_waiter(job: JobDir) -> None:
    """Kill the shell that waits for the work and would write down how it ends."""
    pid = int(Path(job.at("waiter")).readlink().name.split()[0])
    os.kill(pid, signal.SIGKILL)
    until(lambda: pid not in keepers(job.path))


def orphan(jobs: Jobs) -> JobDir:
    """A job whose shells were all killed, and whose work goes on."""
    job = jobs.job("sleep", "100")
    job.start({})
    until(lambda: processes(job.job_id))
    kill_keeper(job)
    kill_waiter(job)
    assert job.look().state == "alive"
    return job


@linux
def test_the_shells_are_killed_and_the_work_lives(jobs: Jobs) -> None:
    job = orphan(jobs)
    for pid in processes(job.job_id):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not processes(job.job_id))
    assert job.look() == Evidence(state="gone")
    job.start({})
    until(lambda: not keepers(job.path))
    assert job.look() == Evidence(state="gone")


@linux
@pytest.mark.parametrize("code", [0, 7])
@pytest.mark.parametrize("when", ["while it works", "after its end"])
def test_how_the_work_ends_is_known_though_its_keeper_was_killed(jobs: Jobs, code: int, when: str) -> None:
    job = jobs.script(f"setsid sleep 100 & until [ -e {jobs.folder}/on ]; do sleep 0.05; done; echo done; exit {code}")
    job.start({})
    until(lambda: len(processes(job.job_id)) >= 2)
    kill_keeper(job)
    assert job.look() == Evidence(state="untended")
    if when == "while it works":
        job.start({})
        until(lambda: Path(job.at("claim.2")).is_symlink())
        assert job.look() == Evidence(state="alive")
    (jobs.folder / "on").touch()
    until(lambda: has(job, "work_code"))
    if when == "after its end":
        assert job.look() == Evidence(state="untended")
        job.start({})
    assert ended(job) == code
    assert log(job) == "done\n"
    until(lambda: not keepers(job.path))
    assert not processes(job.job_id)


@linux
def test_the_keeper_does_not_take_the_end_of_its_waiter_for_the_works(jobs: Jobs) -> None:
    job = jobs.job("sleep", "100")
    job.start({})
    until(lambda: processes(job.job_id))
    kill_waiter(job)
    assert job.look() == Evidence(state="alive")
    for pid in processes(job.job_id):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not keepers(job.path))
    assert job.look() == Evidence(state="gone")


@linux
@pytest.mark.parametrize("lacking", ["readlink", "grep"])
def test_what_cannot_be_looked_at_is_not_called_gone(jobs: Jobs, tmp_path: Path, lacking: str) -> None:
    """A host that can start no more processes, here played by programs that fail."""
    job = orphan(jobs)
    broken = tmp_path / "broken" / lacking
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nkill -9 $PPID\n" if lacking == "grep" else "#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    environ = {**os.environ, "PATH": f"{broken.parent}:{os.environ['PATH']}"}
    told = subprocess.run(["sh", job.at("job.sh"), "look"], env=environ, capture_output=True, text=True, check=False)
    assert told.stdout == ""
    assert told.returncode


@linux
def test_stopping_what_has_lost_its_keeper_leaves_an_end(jobs: Jobs) -> None:
    job = jobs.job("sleep", "100")
    job.start({})
    until(lambda: processes(job.job_id))
    os.kill(keeper(job), signal.SIGKILL)
    job.stop()
    assert not processes(job.job_id)
    assert job.look() == Evidence(state="ended", exit_code=143)


@linux
def test_the_time_limit_holds_without_the_keeper_and_ends_with_the_work(jobs: Jobs) -> None:
    job = jobs.job("sleep", "100", limit=60)
    job.start({})
    until(lambda: processes(job.job_id))
    kill_keeper(job)
    for pid in processes(job.job_id):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not keepers(job.path), seconds=5)
    assert not has(job, "timed_out")


@linux
def test_a_restarted_machine_has_lost_the_job(jobs: Jobs) -> None:
    job = jobs.job("sleep", "100")
    job.start({})
    until(lambda: processes(job.job_id))
    pid, born, _ = Path(job.at("claim.1")).readlink().name.split()
    for worker in processes(job.job_id):
        os.kill(worker, signal.SIGKILL)
    until(lambda: exit_code(job) is not None)
    for name in ("exit_code", "work_code", "claim.1"):  # the power went before its end
        Path(job.at(name)).unlink()
    Path(job.at("claim.1")).symlink_to(f"{os.getpid()} {born} another-boot")
    assert job.look() == Evidence(state="gone")
    Path(job.at("claim.1")).unlink()
    Path(job.at("claim.1")).symlink_to(f"{pid} 1 {Path('/proc/sys/kernel/random/boot_id').read_text().strip()}")
    assert job.look() == Evidence(state="gone")


def test_a_signal_to_the_keeper_is_not_one_to_the_work(jobs: Jobs) -> None:
    job = jobs.script("sleep 0.4; exit 5")
    job.start({})
    until(lambda: has(job, "started"))
    os.kill(keeper(job), signal.SIGTERM)
    assert ended(job) == 5


def test_without_a_folder_there_is_nothing(jobs: Jobs) -> None:
    job = jobs.job("true")
    job.host.remove(job.path)
    assert job.look() == Evidence(state="absent")
