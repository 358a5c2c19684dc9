"""What is wrong on the host or with the job: the right state, the right words, nothing lost and nothing half done."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import Laptop, and_long, job_folder, owned, until, whole
from real_accounts import Account
from real_parts import GpuHosts, MakeDockerd, MakeSshd, SshHome

from cosmos_core.store.records import RunRecord

MakeLaptop = Callable[..., Laptop]
ASKED = ("run", "--model", "transfer", "rain", "--weights.edge", "1", "--video")


def paused(mine: Laptop, words: str, hint: str, state: str) -> RunRecord:
    """Assert that a run was paused, with exit 4, its state and these words on the screen; the run."""
    done = mine(*ASKED, mine.clip, "--json")
    assert done.code == 4, done.err + done.out
    assert done.document["status"] == state
    assert re.search(words, done.document["paused"]["reason"]), done.document["paused"]
    shown = mine("show", done.document["id"]).out
    assert re.search(hint, " ".join(shown.split())), shown
    told = mine("attach", done.document["id"])
    assert told.code == 4
    assert re.search(words, " ".join(told.err.split())), told.err
    assert "cosmos sync" in told.err
    return mine.cosmos().store.run(done.document["id"])


# -- the toolkit's own failures ----------------------------------------------------------------------------------------


FAILURES = [
    ("blocked_prompt", "prompt_blocked"),  # exit 0
    ("crash", "killed"),
    ("blocked_video", "video_blocked"),
    ("out_of_memory", "out_of_memory"),
    ("missing_checkpoint", "checkpoint_missing"),
    ("gated_model", "gated_model"),
    ("cut_output", "unreadable_output"),
]


@pytest.mark.parametrize(
    ("account", "runtime", "order", "code"),
    [
        *(("eve", "process", *failure) for failure in FAILURES),
        *(("ada", "docker", *failure) for failure in FAILURES[:2]),
        *and_long(*(("ada", "docker", *failure) for failure in FAILURES[2:])),
    ],
)
def test_a_failure_of_the_toolkit(
    gpu_host: GpuHosts, laptop: MakeLaptop, account: str, runtime: str, order: str, code: str
) -> None:
    host = gpu_host(account, runtime, env={"STANDIN_FAIL": order, "STANDIN_STEP_SECONDS": "0"})
    mine = laptop(host)
    done = mine(*ASKED, mine.clip, "--json")
    assert done.code == 1, done.err
    assert (done.document["status"], done.document["error"]["code"]) == ("failed", code)
    cosmos = mine.cosmos()
    run = cosmos.store.run(done.document["id"])
    kept = cosmos.config.outputs_dir / run.id / "run.log"
    assert kept.read_bytes() == (job_folder(host, run) / "run.log").read_bytes() != b""
    owned(host, job_folder(host, run))
    assert list(host.lock_dir.glob("ticket.*")) == []


def test_memory_of_the_host_runs_out(gpu_host: GpuHosts, laptop: MakeLaptop, toolkit_repo: Path) -> None:
    """The kernel kills the container; only Docker knows why."""
    host = gpu_host("ada", "docker")
    script = toolkit_repo / "bin" / "python"
    script.write_text("#!/bin/sh\nexec python3 -c 'b = []\nwhile True: b.append(bytearray(1 << 20))'\n")
    limited = toolkit_repo.parent / "docker-with-little"
    limited.write_text(
        '#!/bin/sh\nfor word; do shift; set -- "$@" "$word"; [ "$word" != run ] || set -- "$@" --memory 32m; done\n'
        f'exec {" ".join(host.docker)} "$@"\n'
    )
    limited.chmod(0o755)
    mine = laptop(host)
    mine.config.write_text(re.sub(r"docker = \[.*\]", f'docker = ["{limited}"]', mine.config.read_text()))
    done = mine(*ASKED, mine.clip, "--json")
    assert (done.code, done.document["error"]["code"]) == (1, "out_of_memory"), done.err
    assert "host's memory" in done.document["error"]["hint"]


def test_the_time_limit(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("bob", "docker", env={"STANDIN_STEP_SECONDS": "60"})
    mine = laptop(host)
    done = mine(*ASKED, mine.clip, "--timeout", "1s", "--json")
    assert (done.code, done.document["error"]["code"]) == (1, "time_limit"), done.err
    owned(host, job_folder(host, mine.cosmos().store.run(done.document["id"])))


# -- what the host lacks -----------------------------------------------------------------------------------------------


def test_the_image_is_missing(gpu_host: GpuHosts, laptop: MakeLaptop, dockerd: MakeDockerd) -> None:
    daemon = dockerd(with_image=False)
    host = gpu_host("ada", "docker", dockerd=daemon)
    mine = laptop(host)
    run = paused(mine, "has no Docker image cosmos-transfer2.5", "docker .*(pull|load)", "uploading")
    assert not job_folder(host, run).exists()
    import real_image

    daemon.load(real_image.rootfs())
    assert mine("sync", "--follow").code == 0
    whole(mine.cosmos().store.run(run.id), host)


def test_the_daemon_is_down(gpu_host: GpuHosts, laptop: MakeLaptop, dockerd: MakeDockerd) -> None:
    daemon = dockerd()
    host = gpu_host("ada", "docker", dockerd=daemon)
    daemon.stop()
    mine = laptop(host)
    run = paused(mine, "Docker on .* does not answer", "systemctl start docker", "uploading")
    daemon.start()
    assert mine("sync", "--follow").code == 0
    whole(mine.cosmos().store.run(run.id), host)


def test_the_daemon_restarts_under_a_run(gpu_host: GpuHosts, laptop: MakeLaptop, dockerd: MakeDockerd) -> None:
    daemon = dockerd(live_restore=True)
    host = gpu_host("ada", "docker", dockerd=daemon, env={"STANDIN_STEP_SECONDS": "0.5"})
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = mine.store_run(cosmos)
    restarted: list[str] = []

    def restart(seen: RunRecord) -> None:
        if not restarted and seen.progress and seen.progress.message.startswith("sampling"):
            restarted.append(seen.id)
            daemon.restart()

    whole(cosmos.execute(run.id, restart), host)
    assert restarted


def test_docker_is_not_allowed(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    paused(laptop(gpu_host("eve", "docker")), "may not use Docker", "group docker.*sudo", "uploading")


def test_there_is_no_docker(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    mine = laptop(gpu_host("ada", "docker"))
    mine.config.write_text(re.sub(r"docker = \[.*\]", 'docker = ["/no/such/docker"]', mine.config.read_text()))
    paused(mine, "no /no/such/docker on", "install Docker there", "uploading")


def test_the_repository_is_missing(gpu_host: GpuHosts, laptop: MakeLaptop, toolkit_repo: Path) -> None:
    host = gpu_host("ada", "docker")
    toolkit_repo.rename(toolkit_repo.with_name("elsewhere"))
    mine = laptop(host)
    run = paused(mine, f"lacks {toolkit_repo}: the repository of cosmos-transfer2.5", "repo", "uploading")
    assert not toolkit_repo.exists()  # a mount made by Docker would be an empty folder of root's
    toolkit_repo.with_name("elsewhere").rename(toolkit_repo)
    assert mine("sync", "--follow").code == 0
    whole(mine.cosmos().store.run(run.id), host)


def test_more_gpus_than_there_are(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    mine = laptop(gpu_host("ada", "docker", gpus=2))
    done = mine(*ASKED, mine.clip, "--gpus", "3", "--json")
    assert done.code == 3
    assert done.document["error"]["problems"][0]["field"] == "gpus"
    assert mine("list", "runs", "-q").out == ""


def test_the_disk_there_is_full(
    gpu_host: GpuHosts, laptop: MakeLaptop, small_disk: Callable[[int, Account], Path], tmp_path: Path
) -> None:
    ada = gpu_host("ada").account
    assert ada
    disk = small_disk(2, ada)
    (disk / "ballast").write_bytes(bytes((2 << 20) - 8192))
    os.chown(disk / "ballast", ada.uid, -1)
    host = gpu_host("ada", "docker", name="small", work_dir=disk / "cosmos")
    mine = laptop(host)
    run = paused(mine, "no space left", "make room", "uploading")
    assert not list(disk.rglob("*.part"))
    (disk / "ballast").unlink()
    assert mine("sync", "--follow").code == 0
    whole(mine.cosmos().store.run(run.id), host)


def test_the_disk_there_fills_up_under_the_job(
    gpu_host: GpuHosts, laptop: MakeLaptop, small_disk: Callable[[int, Account], Path], toolkit_repo: Path
) -> None:
    """The toolkit fails by itself; that it ended, and how, is written down all the same."""
    eve = gpu_host("eve", "process").account
    assert eve
    disk = small_disk(2, eve)
    host = gpu_host("eve", "process", name="small", work_dir=disk / "cosmos")
    (toolkit_repo / "bin" / "python").write_text(
        "#!/bin/sh\necho filling\ncat /dev/zero > outputs/zeros\necho full >&2\nexit 7\n"
    )
    mine = laptop(host)
    mine.config.write_text(mine.config.read_text())
    done = mine(*ASKED, mine.clip, "--json")
    assert done.code == 1, done.err
    assert (done.document["status"], done.document["error"]["code"]) == ("failed", "exit_code")
    assert "exit code 7" in done.document["error"]["message"]
    assert "filling" in mine("logs", "@last").out


def test_the_work_dir_is_somebody_elses(gpu_host: GpuHosts, laptop: MakeLaptop, host_folder: object) -> None:
    theirs = gpu_host("bob", "process")
    host = gpu_host("eve", "process", name="intruder", work_dir=theirs.work_dir / "cosmos")
    theirs.work_dir.mkdir(mode=0o700)
    paused(laptop(host), f"cannot .*{theirs.work_dir}.*[Pp]ermission denied", "permissions", "uploading")


# -- getting there -----------------------------------------------------------------------------------------------------


def test_the_host_key_has_changed(gpu_host: GpuHosts, laptop: MakeLaptop, sshd: MakeSshd, ssh_home: SshHome) -> None:
    server = sshd()
    host = gpu_host("ada", "docker")
    ssh_home.lead_to(server)
    mine = laptop(host)
    assert mine(*ASKED, mine.clip).code == 0
    server.change_host_key()
    paused(mine, "host key.* changed", "cosmos targets trust ada-docker", "uploading")


def test_the_host_key_is_unknown(gpu_host: GpuHosts, laptop: MakeLaptop, sshd: MakeSshd, ssh_home: SshHome) -> None:
    server = sshd()
    host = gpu_host("ada", "docker")
    ssh_home.lead_to(server, known=False)
    paused(laptop(host), "SHA256:", "cosmos targets trust", "uploading")


def test_the_login_is_refused(gpu_host: GpuHosts, laptop: MakeLaptop, ssh_home: SshHome) -> None:
    host = gpu_host("ada", "docker")
    assert host.account
    ssh_home.config.write_text(ssh_home.config.read_text().replace(host.account.user, "cosmos-nobody"))
    paused(laptop(host), "refused the login of cosmos-nobody|cosmos-nobody.*refused", "ssh-copy-id", "uploading")


def test_nobody_listens_there(gpu_host: GpuHosts, laptop: MakeLaptop, sshd: MakeSshd, ssh_home: SshHome) -> None:
    server = sshd()
    host = gpu_host("ada", "docker")
    ssh_home.lead_to(server)
    server.stop()
    mine = laptop(host)
    run = paused(mine, "cannot be reached", "check the network", "uploading")
    server.start()
    assert mine("sync", "--follow").code == 0
    whole(mine.cosmos().store.run(run.id), host)


# -- GPUs --------------------------------------------------------------------------------------------------------------


def test_busy_and_not_willing_to_wait(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("eve", "process", gpus=1, env={"STANDIN_STEP_SECONDS": "0.5"})
    mine = laptop(host)
    first = mine(*ASKED, mine.clip, "--detach", "--json")
    assert first.code == 0
    hasty = mine(*ASKED, mine.clip, "--if-busy", "fail", "--json")
    assert hasty.code == 4
    assert "no GPU of" in hasty.document["paused"]["reason"]
    assert mine("wait", first.document["id"]).code == 0
    assert mine("sync", "--follow").code == 0
    cosmos = mine.cosmos()
    for document in (first.document, hasty.document):
        whole(cosmos.store.run(document["id"]), host)


def test_the_lock_directory_cannot_be_used(gpu_host: GpuHosts, laptop: MakeLaptop, host_folder: object) -> None:
    host = gpu_host("eve", "process")
    host.lock_dir.chmod(0o755)
    mine = laptop(host)
    run = paused(mine, "cannot be used to wait for GPUs", "install -d -m 1777", "queued")
    host.lock_dir.chmod(0o1777)
    assert mine("sync", "--follow").code == 0
    whole(mine.cosmos().store.run(run.id), host)


def test_nobody_knows_how_many_gpus_there_are(gpu_host: GpuHosts, laptop: MakeLaptop, gpus: object) -> None:
    from real_gpus import Gpus

    assert isinstance(gpus, Gpus)
    host = gpu_host("ada", "docker")
    mine = laptop(host)
    mine.config.write_text(mine.config.read_text().replace("gpus = 4\n", ""))
    done = mine(*ASKED, mine.clip, "--json")
    assert done.code == 0, done.err
    assert done.document["metadata"]["gpus"]
    gpus.lose_driver()
    paused(mine, "nvidia-smi on .* does not list any", "gpus = N", "uploading")
    assert until


# -- put right ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "right", "words", "state"),
    [
        ("mounts = ['/no/such/folder']\nruntime =", "runtime =", "/no/such/folder", "queued"),
        ('docker = ["/no/such/docker"]', None, "no /no/such/docker", "uploading"),
    ],
)
def test_what_is_corrected_in_the_configuration_counts(
    gpu_host: GpuHosts, laptop: MakeLaptop, wrong: str, right: str | None, words: str, state: str
) -> None:
    """Nothing of the job ever ran, so its folder is written anew by what the configuration says now."""
    host = gpu_host("ada", "docker")
    mine = laptop(host)
    as_it_should_be = mine.config.read_text()
    found = right or next(line for line in as_it_should_be.splitlines() if line.startswith("docker ="))
    mine.config.write_text(as_it_should_be.replace(found, wrong, 1))
    run = paused(mine, words, "there", state)
    synced = mine("sync", "--json")
    assert synced.code == 4  # sync tells of it, too
    assert re.search(words, synced.document["items"][0]["paused"]["reason"])
    mine.config.write_text(as_it_should_be)
    assert mine("sync", "--follow").code == 0
    done = mine.cosmos().store.run(run.id)
    whole(done, host)
    assert done.job_id == run.job_id
    assert done.execution_config["target"]["mounts"] == []
    assert done.execution_config["target"]["docker"] == list(host.docker)


def test_a_run_took_as_long_as_its_job_whenever_it_is_collected(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("eve", "process")
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = cosmos.start(mine.store_run(cosmos).id)
    ended = until(
        lambda: (job_folder(host, run) / "exit_code").exists() and (job_folder(host, run) / "exit_code").stat()
    )
    until(lambda: time.time() - ended.st_mtime > 1.5)  # nobody looks for a while
    done = cosmos.follow(run.id)
    whole(done, host)
    assert done.completed_at
    assert done.completed_at.timestamp() == pytest.approx(ended.st_mtime, abs=0.01)


def test_another_host_of_that_name_corrects_nothing(gpu_host: GpuHosts, laptop: MakeLaptop, toolkit_repo: Path) -> None:
    """Where the run goes was written down; the settings of a machine elsewhere are not its own."""
    host = gpu_host("ada", "docker", name="lab")
    moved = gpu_host("eve", "process", name="lab")
    toolkit_repo.rename(toolkit_repo.with_name("elsewhere"))
    mine = laptop(host)
    run = paused(mine, "the repository of cosmos-transfer2.5", "install it there", "uploading")
    toolkit_repo.with_name("elsewhere").rename(toolkit_repo)
    mine.configure(moved)
    assert mine("sync", "--follow").code == 0
    done = mine.cosmos().store.run(run.id)
    whole(done, host)
    assert done.execution_config["target"]["runtime"] == "docker"


def test_docker_is_away_and_the_waiters_keeper_is_dead(
    gpu_host: GpuHosts, laptop: MakeLaptop, dockerd: MakeDockerd
) -> None:
    daemon = dockerd()
    busy = gpu_host("eve", "process", gpus=(7,), env={"STANDIN_STEP_SECONDS": "60"})
    host = gpu_host("ada", "docker", gpus=(7,), dockerd=daemon)
    mine = laptop(host, busy)
    cosmos = mine.cosmos()
    ahead = cosmos.start(mine.store_run(cosmos, target=busy.name).id)
    run = cosmos.start(mine.store_run(cosmos).id)
    assert run.queue
    os.kill(int((job_folder(host, run) / "claim.1").readlink().name.split()[0]), 9)
    daemon.stop()
    stuck = cosmos.follow(run.id)
    assert stuck.paused
    assert re.search("Docker on .* does not answer", stuck.paused.reason)
    daemon.start()
    cosmos.cancel(ahead.id)
    whole(cosmos.follow(run.id), host)
