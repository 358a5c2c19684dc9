"""The real parts do what the tests of everything else take for granted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from real_parts import Account, Dockerd, GpuHosts, Gpus, HostFolder, MakeDockerd, MakeSshd, Sshd, SshHome
from real_processes import HANG_S, Process

from cosmos_core.config import Config
from cosmos_core.demo import make_clip

SPEC = {"name": "rain", "prompt": "heavy rain", "video_path": "street.mp4", "edge": {}, "num_steps": 2}
RUN = ("examples/inference.py", "-i", "spec.json", "-o", "outputs")


def a_job(repo: Path) -> Path:
    """Put a request into the repository, where the commands below work."""
    make_clip(repo / "street.mp4", frames=9, width=64, height=48)
    (repo / "spec.json").write_text(json.dumps(SPEC), encoding="utf-8")
    return repo


@pytest.mark.parametrize("name", ["ada", "bob", "eve", "sue"])
def test_everybody_can_log_in(ssh_home: SshHome, name: str) -> None:
    done = ssh_home.ssh(name, "id -un; pwd; nvidia-smi -L | wc -l")
    assert done.returncode == 0, done.stderr
    account = ssh_home.accounts[name]
    assert done.stdout.splitlines()[-3:] == [account.user, str(account.home), "4"]


@pytest.mark.parametrize(("name", "shell"), [("ada", "bash"), ("bob", "tcsh")])
def test_shells_that_print(ssh_home: SshHome, name: str, shell: str) -> None:
    done = ssh_home.ssh(name, "echo $0")
    said, asked = done.stdout.splitlines()
    assert said
    assert asked.endswith(shell)
    assert "lab" in done.stderr  # the server's banner
    assert "rc: " in done.stderr  # and what the start-up file complains of


@pytest.mark.parametrize("alias", ["ada-by-jump", "ada-by-include"])
def test_other_ways_to_the_host(ssh_home: SshHome, jump_sshd: Sshd, alias: str) -> None:
    assert ssh_home.ssh(alias, "id -un").stdout.splitlines()[-1] == ssh_home.accounts["ada"].user
    assert (ssh_home.accounts["eve"].user in jump_sshd.log) >= ("jump" in alias)


def test_a_server_that_comes_and_goes(ssh_home: SshHome, sshd: MakeSshd) -> None:
    mine = sshd()
    ssh_home.lead_to(mine)
    command = ssh_home.popen("eve", "echo $$; exec sleep 60")
    assert command.stdout is not None
    asleep = Process.of(int(command.stdout.readline()))
    assert mine.drop_connections() >= 2
    command.communicate(timeout=HANG_S)
    assert command.returncode == 255
    assert asleep.alive  # what was started outlives the connection
    mine.stop()
    assert "Connection refused" in ssh_home.ssh("eve", "true").stderr
    mine.start()
    assert ssh_home.ssh("eve", "true").returncode == 0
    mine.change_host_key()
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in ssh_home.ssh("eve", "true").stderr


def test_gpus_of_a_tests_own(gpu_host: GpuHosts, gpus: Gpus, ssh_home: SshHome) -> None:
    gpu_host("bob")
    gpus.occupy(2, pid=4711, memory_mib=70000)
    query = "nvidia-smi --query-gpu=index,name,memory.total,memory.used,utilization.gpu --format=csv,noheader,nounits"
    assert ssh_home.ssh("bob", query).stdout.splitlines()[-2:] == [
        "2, NVIDIA H100 80GB HBM3, 81559, 70004, 97",
        "3, NVIDIA H100 80GB HBM3, 81559, 4, 0",
    ]
    apps = "nvidia-smi --query-compute-apps=gpu_uuid,pid,used_memory --format=csv"
    header, row = ssh_home.ssh("bob", apps).stdout.splitlines()[-2:]
    assert header == "gpu_uuid, pid, used_gpu_memory [MiB]"
    assert row == f"{gpus.gpus[2].uuid}, 4711, 70000 MiB"
    unknown = ssh_home.ssh("bob", "nvidia-smi --query-gpu=device_minor --format=csv")
    assert unknown.returncode == 2
    assert unknown.stdout.endswith('Field "device_minor" is not a valid field to query.\n\n')
    gpus.lose_driver()
    assert ssh_home.ssh("bob", "nvidia-smi").returncode == 9


def mounted(repo: Path, *, environment: bool = True) -> tuple[str | Path, ...]:
    return ("run", "--rm", "-v", f"{repo}:/workspace", *(("-v", "/workspace/.venv") if environment else ()))


@pytest.mark.parametrize(
    "head", [("python",), ("torchrun", "--nproc_per_node=2", "--master_port=12341")], ids=lambda head: head[0]
)
def test_the_toolkit_runs_in_the_image(shared_dockerd: Dockerd, toolkit_repo: Path, head: tuple[str, ...]) -> None:
    repo = a_job(toolkit_repo)
    done = shared_dockerd(*mounted(repo), "-e", "STANDIN_STEP_SECONDS=0", "cosmos-transfer2.5:latest", *head, *RUN)
    assert done.returncode == 0, done.stderr
    assert "Cosmos-Transfer2.5" in done.stdout.splitlines()[2]  # the image's banner
    assert (repo / "outputs" / "rain.mp4").stat().st_size > 0
    assert (repo / "outputs" / "rain.mp4").owner() == "root"


def test_the_image_is_nothing_without_its_environment(shared_dockerd: Dockerd, toolkit_repo: Path) -> None:
    done = shared_dockerd(*mounted(toolkit_repo, environment=False), "cosmos-transfer2.5", "python", *RUN)
    assert done.returncode == 1
    assert "/workspace/.venv is hidden by a mount" in done.stderr


def test_containers_get_the_gpus_they_ask_for(ssh_home: SshHome, shared_dockerd: Dockerd) -> None:
    run = """run --rm --gpus '"device=0,2"' cosmos-transfer2.5 printenv NVIDIA_VISIBLE_DEVICES"""
    for name, before in (("ada", ""), ("bob", ""), ("sue", "sudo -n ")):
        done = ssh_home.ssh(name, f"{before}{' '.join(shared_dockerd.docker)} {run}")
        assert done.stdout.splitlines()[-1] == "0,2", done.stderr
    assert "permission denied" in ssh_home.ssh("sue", f"{' '.join(shared_dockerd.docker)} ps").stderr
    assert "permission denied" in ssh_home.ssh("eve", f"{' '.join(shared_dockerd.docker)} ps").stderr


@pytest.mark.parametrize("live_restore", [True, False])
def test_a_daemon_that_comes_and_goes(dockerd: MakeDockerd, live_restore: bool) -> None:
    mine = dockerd(live_restore=live_restore)
    assert (
        mine("run", "-d", "--name", "job", "--stop-timeout", "0", "cosmos-transfer2.5", "sleep", "60").returncode == 0
    )
    mine.stop()
    assert mine("ps").returncode == 1
    mine.start()
    assert mine("inspect", "--format", "{{.State.Running}}", "job").stdout.strip() == str(live_restore).lower()


def test_a_small_disk_is_soon_full(ssh_home: SshHome, small_disk: Callable[[int, Account], Path]) -> None:
    disk = small_disk(1, ssh_home.accounts["eve"])
    done = ssh_home.ssh("eve", f"head -c 2000000 /dev/zero > {disk}/file")
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize(
    ("account", "runtime"), [(None, "process"), (None, "docker"), ("eve", "process"), ("sue", "docker")]
)
def test_targets_are_configuration(gpu_host: GpuHosts, tmp_path: Path, account: str | None, runtime: str) -> None:
    host = gpu_host(account, runtime, name="lab", gpus=(0, 1), connect_timeout=2.0, env={"HF_HOME": "/data/hf"})
    (tmp_path / "cosmos.toml").write_text(host.table, encoding="utf-8")
    target = Config.load(tmp_path / "cosmos.toml", {}).target("lab")
    assert (target.host, target.runtime, target.gpus, target.connect_timeout) == (account, runtime, (0, 1), 2.0)
    assert target.docker[0] == ("sudo" if account == "sue" else "docker")
    site = target.site_of("cosmos-transfer2.5")
    assert site is not None
    assert Path(site.repo or "", "bin", "python").is_file()


def test_a_process_on_the_host_runs_the_toolkit(gpu_host: GpuHosts, ssh_home: SshHome, host_folder: HostFolder) -> None:
    host = gpu_host("eve", "process")
    a_job(host.repo)
    words = (*host.prefix, "python", *RUN[:-1], str(host.work_dir / "outputs"))
    done = ssh_home.ssh("eve", f"umask 077; mkdir {host.work_dir}; cd {host.repo} && {' '.join(words)}")
    assert done.returncode == 0, done.stderr
    assert (host.work_dir / "outputs" / "rain.mp4").stat().st_size > 0
