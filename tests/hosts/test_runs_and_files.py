"""Files on their way: what a host has is not sent again, what lies there is used there, what is wanted comes here."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from lab import Laptop, job_folder, whole
from real_parts import GpuHosts

from cosmos_core.demo import make_clip
from cosmos_core.store.records import RunRecord
from cosmos_core.targets.ssh import SshHost

MakeLaptop = Callable[..., Laptop]


def stages(mine: Laptop, *words: str | Path) -> tuple[dict[str, object], list[dict[str, object]]]:
    """A run's document and what its progress told."""
    done = mine("run", "--model", "transfer", "rain", "--weights.edge", "1", *words, "--progress", "jsonl", "--json")
    assert done.code == 0, done.err
    return done.document, [json.loads(line) for line in done.err.splitlines()]


def test_an_input_is_sent_once_with_a_percentage_and_a_rate(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("ada", "docker")
    mine = laptop(host)
    big = make_clip(mine.folder / "big.mp4", frames=24, width=640, height=360)
    _, told = stages(mine, "--video", big)
    sent = [line for line in told if line["stage"] == "uploading" and line["percentage"] is not None]
    assert sent[-1]["percentage"] == 100
    assert "/s" in str(sent[-1]["message"])
    shutil.copy(big, mine.folder / "same.mp4")  # another name, and a new time
    _, told = stages(mine, "--video", mine.folder / "same.mp4")
    assert not [line for line in told if line["stage"] == "uploading" and line["percentage"] is not None]
    cached = [path for path in (host.work_dir / "inputs").rglob("*") if path.is_file()]
    assert len(cached) == 1
    assert cached[0].stat().st_nlink == 3  # the cache's own name, and one for each job
    assert cached[0].stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize(("account", "runtime"), [("ada", "docker"), ("eve", "process")])
def test_a_file_that_is_there_is_used_where_it_lies(
    gpu_host: GpuHosts, laptop: MakeLaptop, account: str, runtime: str
) -> None:
    host = gpu_host(account, runtime)
    assert host.account
    there = host.account.home / f"{host.work_dir.name}-data" / "a street.mp4"
    there.parent.mkdir()
    mine = laptop(host)
    shutil.copy(mine.clip, there)
    for path in (there.parent, there):
        os.chown(path, host.account.uid, -1)
    before = there.stat()
    document, told = stages(mine, "--video", f"{host.name}:{there}")
    assert not [line for line in told if line["stage"] == "uploading" and line["percentage"] is not None]
    cosmos = mine.cosmos()
    run = cosmos.store.run(str(document["id"]))
    whole(run, host)
    after = there.stat()
    assert (after.st_nlink, after.st_uid, after.st_mtime_ns) == (1, before.st_uid, before.st_mtime_ns)
    assert not (host.work_dir / "inputs").exists()
    (record,) = cosmos.prompt(run.prompt_id).inputs
    assert record.media
    assert (record.media.frames, record.media.width, record.bytes) == (9, 64, before.st_size)
    absent = mine("run", "--model", "transfer", "x", "--weights.edge", "1", "--video", f"{host.name}:/no/such.mp4")
    assert absent.code == 3
    assert "/no/such.mp4 does not exist" in absent.err
    shutil.rmtree(there.parent)


def test_a_result_goes_on_without_coming_here(
    gpu_host: GpuHosts, laptop: MakeLaptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = gpu_host("ada", "docker")
    mine = laptop(host)
    first = mine.run()
    whole(first, host)
    sent: list[object] = []
    put = SshHost.put
    monkeypatch.setattr(SshHost, "put", lambda self, *words, **named: sent.append(words) or put(self, *words, **named))
    cosmos = mine.cosmos()
    prompt = cosmos.create_prompt("transfer", "fog", inputs={"video": "@last"}, parameters={"weights.vis": 1})
    second = cosmos.run(prompt.id)
    whole(second, host)
    assert sent == []
    assert [(link.parent_id, link.artifact) for link in second.parents] == [(first.id, "video")]


def test_nothing_comes_here_until_it_is_wanted(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("eve", "process")
    mine = laptop(host)
    document, _ = stages(mine, "--video", mine.clip, "--fetch", "none")
    assert document["status"] == "completed"
    here = mine.folder / "home" / "outputs" / str(document["id"])
    assert not list(here.glob("*.mp4"))
    assert (here / "run.log").stat().st_size > 0
    shown = mine("show", str(document["id"])).out
    assert "not fetched" in shown
    printed = mine("path", str(document["id"]))
    assert printed.code == 0, printed.err
    assert Path(printed.out.strip()).read_bytes() == _result(mine, host.work_dir, document).read_bytes()
    assert mine("fetch", str(document["id"])).code == 0
    assert len(list(here.glob("*.mp4"))) == 2


def _result(mine: Laptop, work_dir: Path, document: dict[str, object]) -> Path:
    return work_dir / "jobs" / str(document["job_id"]) / "outputs" / f"{document['id']}.mp4"


def test_results_only(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("eve", "process")
    mine = laptop(host)
    document, _ = stages(mine, "--video", mine.clip, "--fetch", "results", "-o", mine.folder / "out.mp4")
    assert (mine.folder / "out.mp4").read_bytes() == _result(mine, host.work_dir, document).read_bytes()
    here = mine.folder / "home" / "outputs" / str(document["id"])
    assert len(list(here.glob("*.mp4"))) == 1


def test_secrets_are_nowhere_but_with_the_work(gpu_host: GpuHosts, laptop: MakeLaptop, toolkit_repo: Path) -> None:
    """A token from env_file reaches the toolkit, and lies in no file and no record on either side."""
    token = "hf_canary0123456789"
    script = toolkit_repo / "bin" / "python"
    script.rename(toolkit_repo / "bin" / "played")
    script.write_text('#!/bin/sh\necho "token of ${#HF_TOKEN}"\nexec "$(dirname "$0")/played" "$@"\n')
    script.chmod(0o755)
    for account, runtime in (("ada", "docker"), ("sue", "docker"), ("eve", "process")):
        host = gpu_host(account, runtime)
        mine = laptop(host, name=host.name)
        secrets = mine.folder / "hf.env"
        secrets.write_text(f"# the hub's\nHF_TOKEN={token}\n")
        mine.configure(host)
        table = mine.config.read_text().replace("runtime =", f'env_file = "{secrets}"\nruntime =')
        mine.config.write_text(table)
        run: RunRecord = mine.run()
        whole(run, host)
        assert f"token of {len(token)}" in b"".join(mine.cosmos().logs(run.id)).decode()
        mine.close()
        for path in (*mine.folder.rglob("*"), *host.work_dir.rglob("*"), *host.lock_dir.rglob("*")):
            if path.is_file() and path != secrets:
                assert token.encode() not in path.read_bytes(), path


def test_nobody_else_can_look_into_a_job(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("bob", "docker")
    run = laptop(host).run()
    whole(run, host)
    assert host.work_dir.stat().st_mode & 0o777 == 0o700
    assert job_folder(host, run).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("account", "runtime"), [("ada", "docker"), (None, "process")])
def test_a_result_that_never_came_here_goes_on_there(
    gpu_host: GpuHosts, laptop: MakeLaptop, account: str | None, runtime: str
) -> None:
    host = gpu_host(account, runtime)
    mine = laptop(host)
    first, _ = stages(mine, "--video", mine.clip, "--fetch", "none")
    second, told = stages(mine, "--video", "@last")
    assert not [line for line in told if line["stage"] == "uploading" and line["percentage"] is not None]
    cosmos = mine.cosmos()
    whole(cosmos.store.run(str(second["id"])), host)
    assert second["parents"] == [{"run_id": first["id"], "artifact": "video", "slot": "video"}]
    assert not list((mine.folder / "home" / "outputs" / str(first["id"])).glob("*.mp4"))
