"""A secret from env_file reaches the work and nothing else: no file, no record, no argument list, no word of ours."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab import Laptop, job_folder, whole
from real_parts import GpuHost, GpuHosts

from cosmos_core.config import Target
from cosmos_core.errors import ConfigError
from cosmos_core.runs.secrets import secrets_of

MakeLaptop = Callable[..., Laptop]

SECRET = "hf-canary/0123456789$(touch COSMOS-CANARY)"
WAYS = [("ada", "docker"), ("sue", "docker"), ("eve", "process"), (None, "process")]


def with_secret(mine: Laptop, host: GpuHost, line: str = f"HF_TOKEN={SECRET}") -> Path:
    """The target's env_file, which holds the secret."""
    file = mine.folder / "hf.env"
    file.write_text(f"# the hub's\n{line}\n")
    table = host.table.replace("runtime =", f'env_file = "{file}"\nenv = {{ ALSO = "${{ALSO_SECRET}}" }}\nruntime =')
    mine.config.write_text(f'default_target = "{host.name}"\n{table}')
    mine.env["ALSO_SECRET"] = SECRET
    return file


@contextmanager
def command_lines() -> Iterator[list[str]]:
    """Every command line that held the secret, of processes that began meanwhile; looked for every few milliseconds."""
    seen: list[str] = []
    done = threading.Event()
    before = {entry.name for entry in os.scandir("/proc")}

    def look() -> None:
        while not done.wait(0.003):
            for entry in os.scandir("/proc"):
                if entry.name.isdigit() and entry.name not in before:
                    try:
                        said = Path(entry.path, "cmdline").read_bytes()
                    except OSError:
                        continue
                    if b"hf-canary" in said:
                        seen.append(said.decode("utf-8", "replace"))

    looker = threading.Thread(target=look)
    looker.start()
    try:
        yield seen
    finally:
        done.set()
        looker.join()


def nowhere(*folders: Path, but: Path) -> None:
    """Assert that no file below holds it."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and path != but:
                assert b"hf-canary" not in path.read_bytes(), path
            assert "hf-canary" not in path.name


@pytest.mark.parametrize(("account", "runtime"), WAYS)
def test_a_run_and_everything_that_is_said_of_it(
    gpu_host: GpuHosts, laptop: MakeLaptop, account: str | None, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALSO_SECRET", SECRET)
    host = gpu_host(account, runtime)
    mine = laptop(host)
    file = with_secret(mine, host)
    asked = ("run", "--model", "transfer", "rain", "--video", mine.clip, "--weights.edge", "1")
    with command_lines() as seen:
        done = mine(*asked, "--progress", "jsonl", "--json")
        assert done.code == 0, done.err
        said = [done.out, done.err]
        for words in (
            (*asked, "--dry-run", "--json"),
            (*asked, "--dry-run", "--out", "files"),
            ("show", "@last", "--json"),
            ("show", "@last"),
            ("logs", "@last"),
            ("config",),
            ("config", "--json"),
            ("status", "--json"),
            ("targets",),
            ("targets", "check", host.name, "--smoke", "--report", "report.md"),
            ("targets", "check", host.name, "--json"),
            ("sync", "--json"),
        ):
            ended = mine(*words)
            assert ended.code in (0, 4), (words, ended.err)
            said += [ended.out, ended.err]
    assert not [text for text in said if "hf-canary" in text]
    assert seen == []
    run = mine.cosmos().store.run(str(done.document["id"]))
    whole(run, host)
    nowhere(mine.folder, host.work_dir, host.lock_dir, but=file)
    assert (job_folder(host, run) / "spec.json").exists()


@pytest.mark.parametrize("flag", [(), ("--debug",), ("--json",)], ids=["", "debug", "json"])
def test_errors_do_not_tell_it(gpu_host: GpuHosts, laptop: MakeLaptop, flag: tuple[str, ...]) -> None:
    """A host that cannot be used, a folder that is not ours, and Docker that is not there, each with its traceback."""
    host = gpu_host("eve", "process")
    mine = laptop(host)
    file = with_secret(mine, host)
    good = mine.config.read_text()
    for wrong, right in (
        ('host = "eve"', 'host = "no-such-host.invalid"'),
        (str(host.work_dir), "/proc/nowhere"),
        ('runtime = "process"', 'runtime = "docker"\ndocker = ["no-such-docker"]'),
        (str(host.repo), "/no/such/repository"),
    ):
        mine.config.write_text(good.replace(wrong, right))
        asked = ("run", "--model", "transfer", "rain", "--video", mine.clip, "--weights.edge", "1")
        ended = mine(*asked, *flag)
        assert ended.code != 0, (wrong, ended.out)
        assert "hf-canary" not in ended.out + ended.err
    nowhere(mine.folder, but=file)


@pytest.mark.parametrize(
    "line", [SECRET, f"export HF_TOKEN={SECRET}", f"HF TOKEN={SECRET}", f"={SECRET}", f"'{SECRET}'", f"{SECRET}=x"]
)
def test_a_file_that_is_written_wrongly_is_told_by_its_line_and_not_by_what_it_says(
    laptop: MakeLaptop, tmp_path: Path, line: str
) -> None:
    file = tmp_path / "hf.env"
    file.write_text(f"# the hub's\n\nGOOD=1\n{line}\n")
    with pytest.raises(ConfigError) as refused:
        secrets_of(Target(name="lab", work_dir="/w", env_file=str(file)))
    assert "hf-canary" not in refused.value.message + refused.value.hint
    assert f"{file}, line 4" in refused.value.message
    mine = laptop()
    mine.config.write_text(f'[targets.lab]\nwork_dir = "{tmp_path}/w"\nenv_file = "{file}"\n')
    for flag in ("--debug", "--json"):
        asked = ("run", "--model", "transfer", "x", "--video", mine.clip, "--weights.edge", "1", "--target", "lab")
        ended = mine(*asked, flag)
        assert ended.code != 0
        assert "hf-canary" not in ended.out + ended.err
    nowhere(mine.folder, but=file)


def test_names_without_a_value_are_those_of_our_own_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docker reads such files. A token that stands alone is a name that nobody set: it is told of, not handed on."""
    monkeypatch.setenv("SET_HERE", "value")
    file = tmp_path / "hf.env"
    file.write_text("SET_HERE\nA=b=c\nEMPTY=\n")
    assert secrets_of(Target(name="lab", work_dir="/w", env_file=str(file))) == {
        "SET_HERE": "value",
        "A": "b=c",
        "EMPTY": "",
    }
    file.write_text("hf_canary0123456789\n")
    with pytest.raises(ConfigError) as refused:
        secrets_of(Target(name="lab", work_dir="/w", env_file=str(file)))
    assert "hf_canary" not in refused.value.message + refused.value.hint
