"""`cosmos targets check`: everything that is wrong is found in one go, with its remedy, and nothing is changed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab import Laptop, and_long
from real_parts import Account, GpuHost, GpuHosts, Gpus, MakeDockerd, SshHome

MakeLaptop = Callable[..., Laptop]
USABLE, FAILED, PROBLEM = 0, 1, 4


def checked(mine: Laptop, code: int, *words: str) -> dict[str, Any]:
    """The document of a check of `lab` that ends with that code."""
    done = mine("targets", "check", "lab", "--json", *words)
    assert done.code == code, done.out + done.err
    document: dict[str, Any] = done.document
    assert document["usable"] is (code != PROBLEM)
    return document


def of_grade(document: dict[str, Any], grade: str) -> dict[str, dict[str, Any]]:
    """The findings of a grade by their subject."""
    return {one["subject"]: one for one in document["findings"] if one["grade"] == grade}


def edited(mine: Laptop, old: str, new: str) -> Laptop:
    """The same laptop with something else in its configuration."""
    text = mine.config.read_text()
    assert old in text
    mine.config.write_text(text.replace(old, new))
    return mine


def one_line(text: str) -> str:
    return " ".join(text.split())


def with_table(mine: Laptop, line: str) -> Laptop:
    """The same laptop with one more line for its target."""
    return edited(mine, "[targets.lab]\n", f"[targets.lab]\n{line}\n")


def everything_below(*folders: Path) -> set[Path]:
    return {path for folder in folders for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("account", "runtime"),
    [
        ("ada", "docker"),
        ("bob", "process"),
        (None, "process"),
        *and_long(("eve", "process"), ("sue", "docker"), (None, "docker")),
    ],
)
def test_a_good_host_is_usable_and_left_as_it_was(
    gpu_host: GpuHosts, laptop: MakeLaptop, account: str | None, runtime: str
) -> None:
    host = gpu_host(account, runtime, name="lab")
    places = [host.lock_dir, host.repo]  # the home is shared with other tests; that work_dir is not made is seen below
    before = everything_below(*places)

    document = checked(laptop(host), USABLE)

    good = of_grade(document, "ok")
    assert {"clock", "programs", "work_dir", "space", "lock_dir", "gpus", "cosmos-transfer2.5"} <= set(good)
    assert ({"ssh", "reached", "host key", "login", "logout"} <= set(good)) is (account is not None)
    assert ({"docker", "image"} <= set(good)) is (runtime == "docker")
    assert "version 1.5.0" in good["cosmos-transfer2.5"]["seen"]
    assert "4 x NVIDIA H100" in good["gpus"]["seen"]
    assert of_grade(document, "problem") == {}
    assert everything_below(*places) - before == set()
    assert not host.work_dir.exists()


def test_all_that_is_wrong_is_found_at_once(gpu_host: GpuHosts, gpus: Gpus, laptop: MakeLaptop) -> None:
    host = gpu_host("ada", "docker", name="lab", gpus=(0, 7), mounts=["/nowhere/hf"])
    mine = laptop(host)
    edited(mine, "cosmos-transfer2.5:latest", "cosmos-transfer2.5:gone")
    edited(mine, f'work_dir = "{host.work_dir}"', 'work_dir = "/proc/cosmos"')
    edited(mine, f'lock_dir = "{host.lock_dir}"', 'lock_dir = "/root/locks"')
    with_table(mine, f'env_file = "{mine.folder / "secrets.env"}"')
    (host.repo / "examples" / "inference.py").unlink()

    found = of_grade(checked(mine, PROBLEM), "problem")

    assert set(found) == {"image", "work_dir", "lock_dir", "gpus", "secrets", "mounts", "cosmos-transfer2.5"}
    assert "docker pull" in found["image"]["remedy"] or "pull" in found["image"]["remedy"]
    assert "/proc/cosmos cannot be made" in found["work_dir"]["seen"]
    assert "install -d -m 700" in found["work_dir"]["remedy"]
    assert "/root/locks" in found["lock_dir"]["seen"]
    assert "install -d -m 1777" in found["lock_dir"]["remedy"]
    assert "gpus = [0, 7]" in found["gpus"]["seen"]
    assert "examples/inference.py" in found["cosmos-transfer2.5"]["seen"]
    assert "mkdir -p /nowhere/hf" in found["mounts"]["remedy"]
    assert all(one["remedy"] for one in found.values())
    told = mine("targets", "check", "lab")
    assert told.code == PROBLEM
    assert told.out.count("\nx   ") == len(found)
    assert "not usable: 7 problems" in told.out


def test_docker_that_may_not_be_used(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    mine = edited(laptop(gpu_host("sue", "docker", name="lab")), '"sudo", ', "")

    document = checked(mine, PROBLEM)

    found = of_grade(document, "problem")["docker"]
    assert "may not use Docker" in found["seen"]
    assert "group docker" in found["remedy"]
    assert "images" in of_grade(document, "not looked at")


def test_docker_that_is_away_or_not_there(gpu_host: GpuHosts, laptop: MakeLaptop, dockerd: MakeDockerd) -> None:
    daemon = dockerd(with_image=False)
    host = gpu_host("ada", "docker", name="lab", dockerd=daemon)
    mine = laptop(host)
    assert "image" in of_grade(checked(mine, PROBLEM), "problem")
    daemon.stop()
    assert "does not answer" in of_grade(checked(mine, PROBLEM), "problem")["docker"]["seen"]
    edited(mine, 'docker = ["docker", ', 'docker = ["dokker", ')
    assert "no dokker" in of_grade(checked(mine, PROBLEM), "problem")["docker"]["seen"]


def test_a_repository_that_is_not_there_and_one_that_is_old(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("eve", "process", name="lab")
    mine = laptop(host)
    file = host.repo / "cosmos_transfer2" / "__about__.py"
    file.write_text(file.read_text().replace('__version__ = "1.5.0"', '__version__ = "1.3.1"'))
    old = of_grade(checked(mine, USABLE), "warning")["cosmos-transfer2.5"]
    assert "1.3.1" in old["seen"]
    host.repo.rename(host.repo.with_name("elsewhere"))
    gone = of_grade(checked(mine, PROBLEM), "problem")["cosmos-transfer2.5"]
    assert f"{host.repo} is not there" in gone["seen"]


def test_a_program_that_a_process_begins_with(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("eve", "process", name="lab")
    mine = edited(laptop(host), 'prefix = ["env", ', 'prefix = ["uvv", ')

    found = of_grade(checked(mine, PROBLEM), "problem")["cosmos-transfer2.5"]

    assert "`uvv`" in found["seen"]
    assert host.account
    there = host.account.home / ".local" / "bin" / "uvv"
    for folder in (there.parent.parent, there.parent):  # eve's own, as other tests will want them
        folder.mkdir(exist_ok=True)
        os.chown(folder, host.account.uid, -1)
    there.write_text("#!/bin/sh\n")
    there.chmod(0o755)
    try:
        checked(mine, USABLE)  # where `uv` puts itself, which is on no PATH but that of people who log in
    finally:
        there.unlink()


def test_a_toolkit_that_nobody_knows(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    mine = edited(laptop(gpu_host("eve", "process", name="lab")), '"cosmos-transfer2.5"]', '"cosmos-transfer2"]')

    found = of_grade(checked(mine, PROBLEM), "problem")["cosmos-transfer2"]

    assert "cosmos-transfer2.5" in found["remedy"]


def test_a_little_disk(
    gpu_host: GpuHosts, laptop: MakeLaptop, small_disk: Callable[[int, Account], Path], ssh_home: SshHome
) -> None:
    disk = small_disk(1, ssh_home.accounts["eve"])
    mine = laptop(gpu_host("eve", "process", name="lab", work_dir=disk / "work"))
    little = of_grade(checked(mine, USABLE), "warning")["space"]
    assert "free for" in little["seen"]
    assert ssh_home.ssh("eve", f"head -c 2000000 /dev/zero > {disk}/file").returncode
    full = of_grade(checked(mine, PROBLEM), "problem")["work_dir"]
    assert "No space left" in full["seen"]


def test_somebody_elses_work_dir_and_one_that_is_open_to_all(
    gpu_host: GpuHosts, laptop: MakeLaptop, ssh_home: SshHome
) -> None:
    host = gpu_host("eve", "process", name="lab")
    mine = laptop(host)
    ssh_home.ssh("eve", f"mkdir -m 755 {host.work_dir}")
    open_to_all = of_grade(checked(mine, USABLE), "warning")["work_dir"]
    assert "mode 755" in open_to_all["seen"]
    os.chown(host.work_dir, 0, 0)
    host.work_dir.chmod(0o777)
    theirs = of_grade(checked(mine, PROBLEM), "problem")["work_dir"]
    assert "belongs to root" in theirs["seen"]


def test_a_lock_dir_that_not_all_can_use(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("eve", "process", name="lab")
    assert host.account
    os.chown(host.lock_dir, host.account.uid, -1)
    host.lock_dir.chmod(0o755)
    assert "1777" in of_grade(checked(laptop(host), USABLE), "warning")["lock_dir"]["remedy"]


def test_gpus_that_others_use_and_a_driver_that_is_gone(gpu_host: GpuHosts, gpus: Gpus, laptop: MakeLaptop) -> None:
    mine = laptop(gpu_host("eve", "process", name="lab"))
    gpus.occupy(1, os.getpid(), 70000)
    others = of_grade(checked(mine, USABLE), "warning")["gpus"]
    assert f"GPU 1 by pid {os.getpid()}" in others["seen"]
    assert "gpus = [0, 2, 3]" in others["remedy"]
    gpus.lose_driver()
    assert "driver" in of_grade(checked(mine, PROBLEM), "problem")["gpus"]["seen"]


def test_gpus_that_are_too_small_are_told(gpu_host: GpuHosts, gpus: Gpus, laptop: MakeLaptop) -> None:
    for gpu in gpus.gpus:
        gpu.memory_total = 24564
    gpus.write()
    warned = of_grade(checked(laptop(gpu_host("eve", "process", name="lab")), USABLE), "warning")
    assert "65.4 GB" in warned["cosmos-transfer2.5"]["seen"]


def test_secrets_are_named_and_never_shown(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("ada", "docker", name="lab", env={"HF_HOME": "/tmp/hf"}, mounts=["/tmp"])
    mine = laptop(host)
    assert "token" in of_grade(checked(mine, USABLE), "warning")
    secrets = mine.folder / "secrets.env"
    secrets.write_text("HF_TOKEN=hf_verysecret\n")
    secrets.chmod(0o644)
    with_table(mine, f'env_file = "{secrets}"')
    document = checked(mine, USABLE)
    assert "chmod 600" in of_grade(document, "warning")["secrets"]["remedy"]
    assert {"token", "checkpoints"} <= set(of_grade(document, "ok"))
    assert "/tmp/hf" in of_grade(document, "ok")["checkpoints"]["seen"]
    secrets.chmod(0o600)
    document = checked(mine, USABLE)
    assert "HF_TOKEN" in of_grade(document, "ok")["secrets"]["seen"]
    assert "hf_verysecret" not in str(document) + mine("targets", "check", "lab").out


def test_what_cannot_be_reached_is_not_looked_at(gpu_host: GpuHosts, laptop: MakeLaptop, ssh_home: SshHome) -> None:
    host = gpu_host("ada", "docker", name="lab")
    mine = laptop(host)
    sshd = ssh_home.sshd
    ssh_home.lead_to(sshd, known=False)
    unknown = checked(mine, PROBLEM)
    assert "cosmos targets trust lab" in of_grade(unknown, "problem")["host key"]["remedy"]
    assert any("docker" in subject for subject in of_grade(unknown, "not looked at"))
    ssh_home.known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {ssh_home.jump.host_key}\n")
    changed = of_grade(checked(mine, PROBLEM), "problem")["host key"]
    assert "has changed" in changed["seen"]
    ssh_home.lead_to(sshd)
    config = ssh_home.config.read_text()
    ssh_home.config.write_text(config.replace("keys/ada", "keys/eve"))
    refused = of_grade(checked(mine, PROBLEM), "problem")["login"]
    assert "refused the login" in refused["seen"]
    ssh_home.config.write_text(config.replace(f"Port {sshd.port}", "Port 1"))
    assert "reached" in of_grade(checked(mine, PROBLEM), "problem")
    ssh_home.config.write_text("Host ada\n    Nonsense yes\n")
    assert "ssh" in of_grade(checked(mine, PROBLEM), "problem")


def test_a_jump_host_is_named(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    document = checked(laptop(gpu_host("ada", "docker", name="lab", alias="ada-by-jump")), USABLE)
    assert "through jump" in of_grade(document, "ok")["ssh"]["seen"]


def test_missing_programs_are_named_with_their_packages(
    gpu_host: GpuHosts, laptop: MakeLaptop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = laptop(gpu_host(None, "process", name="lab"))
    few = tmp_path / "few"
    few.mkdir()
    for folder in os.environ["PATH"].split(":"):
        for program in Path(folder).iterdir() if Path(folder).is_dir() else ():
            if program.name not in ("flock", "find", "nvidia-smi") and not (few / program.name).exists():
                (few / program.name).symlink_to(program)
    monkeypatch.setenv("PATH", str(few))

    found = of_grade(checked(mine, PROBLEM), "problem")["programs"]

    assert "find, flock" in found["seen"]
    assert "findutils util-linux" in found["remedy"]


@pytest.mark.parametrize(("seconds", "code", "grade"), [(5, USABLE, "warning"), (-300, PROBLEM, "problem")])
def test_a_clock_that_is_wrong_is_told(
    gpu_host: GpuHosts,
    laptop: MakeLaptop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: int,
    code: int,
    grade: str,
) -> None:
    mine = laptop(gpu_host(None, "process", name="lab"))
    date = tmp_path / "wrong" / "date"
    date.parent.mkdir()
    date.write_text(f"#!/bin/sh\necho $(($(PATH=/usr/bin:/bin; exec date +%s) + {seconds}))\n")
    date.chmod(0o755)
    monkeypatch.setenv("PATH", f"{date.parent}:{os.environ['PATH']}")
    found = of_grade(checked(mine, code), grade)["clock"]
    assert ("ahead of" if seconds > 0 else "behind") in found["seen"]
    assert "set-ntp" in found["remedy"]


def test_leftovers_are_counted(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    mine = laptop(gpu_host("ada", "docker", name="lab"))
    mine.run()
    found = [one["seen"] for one in checked(mine, USABLE)["findings"] if one["subject"] == "leftovers"]
    assert found[0].startswith("1 job of ours that ended")
    assert "`cosmos clean --target lab` removes" in found[0]


def test_the_simulator_and_an_unknown_name(laptop: MakeLaptop) -> None:
    mine = laptop()
    assert mine("targets", "check", "simulator").code == USABLE
    done = mine("targets", "check", "simulater")
    assert done.code == 2
    assert "did you mean 'simulator'?" in done.err
    done = mine("targets", "chek", "simulator")
    assert done.code == 2
    assert "did you mean 'check'?" in done.err
    assert mine("targets", "--json", "check", "simulator").document["usable"]
    assert {"simulator"} == {item["name"] for item in mine("targets", "--json").document["items"]}


# -- the smallest jobs ---------------------------------------------------------------------------------------------


def report_of(mine: Laptop, host: GpuHost) -> str:
    """The report that lies in the laptop's folder."""
    (file,) = mine.folder.glob("cosmos-report-lab-*.md")
    assert re.fullmatch(r"cosmos-report-lab-\d{4}-\d\d-\d\d\.md", file.name)
    return file.read_text(encoding="utf-8")


def before_python(host: GpuHost, command: str) -> None:
    """Let the toolkit's python do something first."""
    python = host.repo / "bin" / "python"
    python.rename(python.with_name("python-played"))
    python.write_text(f'#!/bin/sh\n{command}\nexec "$(dirname "$0")/python-played" "$@"\n')
    python.chmod(0o755)


@pytest.mark.parametrize(("account", "runtime"), [("ada", "docker"), ("eve", "process")])
def test_smoke_runs_the_smallest_job_and_writes_a_report(
    gpu_host: GpuHosts, laptop: MakeLaptop, account: str, runtime: str
) -> None:
    host = gpu_host(account, runtime, name="lab", env={"STANDIN_STEP_SECONDS": "0", "HF_HOME": "${HF_PLACE}"})
    mine = laptop(host, HF_PLACE="/tmp/hf", HOME=os.environ["HOME"])
    secrets = mine.folder / "secrets.env"
    secrets.write_text("HF_TOKEN=hf_verysecret\n")
    with_table(mine, f'env_file = "{secrets}"')
    before_python(host, r'printf "\033[31mtoken %s\033[0m\n" "$HF_TOKEN"')

    done = mine("targets", "check", "lab", "--smoke")

    assert done.code == USABLE, done.out + done.err
    assert "1 of 1 toolkit ran to the end" in done.out
    (run,) = mine("list", "runs", "--tag", "smoke-test", "--json").document["items"]
    assert (run["status"], run["target"]) == ("completed", "lab")
    report = report_of(mine, host)
    assert report.startswith("# cosmos on lab: 1 of 1 smallest jobs completed\n")
    assert "## cosmos-transfer2.5: completed" in report
    assert run["id"] in report
    assert "exit code 0" in report
    assert re.search(r"seconds: preparing [\d.]+, uploading [\d.]+", report)
    assert "token ***" in report
    assert "\x1b" not in report
    assert "hf_verysecret" not in report + done.out + done.err
    assert host.account
    assert str(host.account.home) not in report
    assert os.environ["HOME"] not in report
    assert "| NVIDIA driver | 570.172.08 |" in report
    assert ("| Docker |" in report) is (runtime == "docker")
    assert "Generated video saved to" in report


def test_smoke_of_a_toolkit_that_fails(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("eve", "process", name="lab")
    mine = laptop(host)
    before_python(host, "echo 'torch.OutOfMemoryError: CUDA out of memory.'; exit 1")

    document = checked(mine, FAILED, "--smoke", "--report", "mine.md")

    (smoke,) = document["smoke"]
    assert (smoke["toolkit"], smoke["outcome"]) == ("cosmos-transfer2.5", "failed")
    assert smoke["exit_code"] == 1
    assert document["report"] == "mine.md"
    report = (mine.folder / "mine.md").read_text()
    assert "0 of 1 smallest jobs completed" in report
    assert "CUDA out of memory" in report
    assert "* error (" in report


def test_smoke_of_a_job_that_docker_refuses(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("ada", "docker", name="lab", shm_size="plenty")
    mine = laptop(host)

    done = mine("targets", "check", "lab", "--smoke")

    assert done.code == PROBLEM, done.out + done.err
    assert "0 of 1 toolkit" in done.out
    report = report_of(mine, host)
    assert "## cosmos-transfer2.5: paused" in report
    assert "* paused: " in report
    (run,) = mine("list", "runs", "--json").document["items"]
    assert mine("cancel", run["id"]).code == 0


def test_a_target_without_a_toolkit(laptop: MakeLaptop) -> None:
    mine = laptop()
    mine.config.write_text('default_target = "lab"\n[targets.lab]\ngpus = 0\n')
    told = mine("targets", "check", "lab")
    assert told.code == USABLE, told.out + told.err
    assert "no toolkit is configured, so no job can run yet" in one_line(told.out)
    assert "--smoke" not in told.out
    assert "no toolkit is configured, so no job was run" in one_line(mine("targets", "check", "lab", "--smoke").out)


def test_no_job_is_run_while_there_are_problems(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("eve", "process", name="lab")
    mine = laptop(host)
    host.repo.rename(host.repo.with_name("elsewhere"))
    document = checked(mine, PROBLEM, "--smoke")
    assert document["smoke"] == []
    assert "# cosmos on lab: 1 problem" in report_of(mine, host)
    assert mine("list", "runs", "--json").document["items"] == []


def test_smoke_of_the_simulator(laptop: MakeLaptop) -> None:
    mine = laptop()
    done = mine("targets", "check", "simulator", "--smoke", "--json")
    assert done.code == USABLE, done.out + done.err
    assert [smoke["outcome"] for smoke in done.document["smoke"]] == ["completed"]
    assert done.document["smoke"][0]["run"]["warnings"] == []


def test_a_report_without_smoke_is_refused(laptop: MakeLaptop) -> None:
    done = laptop()("targets", "check", "simulator", "--report", "here.md")
    assert done.code == 2
    assert "--smoke --report here.md" in done.err


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_the_questions_are_understood_by_every_shell(shell: str, tmp_path: Path) -> None:
    if not Path(f"/usr/bin/{shell.split()[0]}").exists() and not Path(f"/bin/{shell.split()[0]}").exists():
        pytest.skip(f"there is no {shell}")
    from cosmos_core.targets.overview import part

    (tmp_path / "line").mkdir()
    words = [*shlex.split(shell), "-c"]
    asked = ["sh", "MARK", str(tmp_path / "work"), str(tmp_path / "line"), "3", "", "store", "", "program:tar"]
    done = subprocess.run([*words, part("check.sh"), *asked], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("MARK end\n"), done.stdout + done.stderr
    assert "\nlinked\n" in done.stdout
    assert "\nlocked\n" in done.stdout
    assert re.search(r"MARK program tar /\S+tar", done.stdout)
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == [tmp_path / "line"]
