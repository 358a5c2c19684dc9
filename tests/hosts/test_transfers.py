"""Inputs of runs on their way: sent once whoever wants them, gone on with after a break, never used when damaged."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import evolve
from lab import Laptop, job_folder, until, whole
from real_link import Link
from real_parts import GpuHost, GpuHosts, SshHome
from real_processes import HANG_S

from cosmos_core.store.records import RunRecord

MakeLaptop = Callable[..., Laptop]
LARGE = 24 << 20
LAY_OUT = "cosmos_core.targets.ssh:SshHost.lay_out"


@pytest.fixture
def large_clip(clip: Path, tmp_path: Path) -> Path:
    """The clip with a box behind it that players pass over."""
    file = tmp_path / "large.mp4"
    file.write_bytes(clip.read_bytes() + struct.pack(">I4s", LARGE + 8, b"free") + os.urandom(LARGE))
    return file


@pytest.fixture
def link(ssh_home: SshHome) -> Iterator[Link]:
    """The way to the host, as wide as a home's."""
    way = Link(ssh_home.sshd.port, rate=12e6)
    ssh_home.lead_to(evolve(ssh_home.sshd, port=way.port))
    yield way
    way.close()


def words(video: Path) -> tuple[str | Path, ...]:
    return ("run", "--model", "transfer", "rain", "--weights.edge", "1", "--video", video, "--json")


def parts(host: GpuHost) -> list[Path]:
    return [file for file in (host.work_dir / "inputs").rglob("*.part") if file.stat().st_size > 4 << 20]


def brought(host: GpuHost) -> Path:
    (file,) = (path for path in (host.work_dir / "inputs").rglob("*") if not path.is_dir())
    return file


def input_of(host: GpuHost, run: RunRecord) -> Path:
    (file,) = (job_folder(host, run) / "inputs").iterdir()
    return file


def test_two_laptops_with_the_same_input_send_it_once(
    gpu_host: GpuHosts, laptop: MakeLaptop, link: Link, large_clip: Path
) -> None:
    host = gpu_host("ada", "docker")
    both = [laptop(host, name=name) for name in ("one", "other")]
    running = [mine.popen(*words(large_clip), "--progress", "jsonl") for mine in both]
    ended = [process.communicate(timeout=HANG_S) for process in running]
    assert [process.returncode for process in running] == [0, 0], ended
    for mine, (out, _) in zip(both, ended, strict=True):
        run = mine.cosmos().store.run(json.loads(out)["id"])
        whole(run, host)
        assert input_of(host, run).samefile(brought(host))
    assert brought(host).stat().st_nlink == 3
    assert link.sent < LARGE + (2 << 20)
    told = [{json.loads(line)["message"] for line in err.splitlines()} for _, err in ended]
    assert sum("waiting for the same file, sent by another run" in messages for messages in told) == 1


def test_a_client_killed_in_the_middle_has_sent_what_it_has_sent(
    gpu_host: GpuHosts, laptop: MakeLaptop, link: Link, large_clip: Path
) -> None:
    host = gpu_host("ada", "docker")
    mine = laptop(host)
    client = mine.popen(*words(large_clip))
    (part,) = until(lambda: parts(host))
    client.kill()
    client.communicate(timeout=HANG_S)
    until(lambda: link.idle)
    had = part.stat().st_size
    link.sent = 0
    assert mine("sync", "--follow").code == 0
    run = mine.cosmos().store.run(mine("show", "@last", "--json").document["id"])
    whole(run, host)
    assert input_of(host, run).read_bytes() == large_clip.read_bytes()
    assert link.sent < LARGE - had + (2 << 20)


def test_a_damaged_input_is_not_used(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("ada", "docker")
    mine = laptop(host)
    first = mine.run()
    whole(first, host)
    cached = brought(host)
    right = cached.read_bytes()
    cosmos = mine.cosmos()
    staged = mine.store_run(cosmos)
    mine.dies(staged.id, LAY_OUT, 2, "after")  # its folder is complete, with the input in it
    staged = cosmos.store.run(staged.id)
    assert input_of(host, staged).samefile(cached)
    cached.write_bytes(right[:-1] + b"?")
    run = cosmos.execute(staged.id)
    whole(run, host)
    assert input_of(host, run).read_bytes() == brought(host).read_bytes() == right
    whole(mine.run(), host)


def test_an_output_that_was_changed_there_is_not_gone_on_with(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    """What came here of it is sent instead."""
    host = gpu_host("ada", "docker")
    mine = laptop(host)
    first = mine.run()
    whole(first, host)
    result = Path(next(a.remote for a in first.artifacts if a.role == "result"))
    right = result.read_bytes()
    result.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    cosmos = mine.cosmos()
    prompt = cosmos.create_prompt("transfer", "fog", inputs={"video": "@last"}, parameters={"weights.vis": 1})
    second = cosmos.run(prompt.id)
    whole(second, host)
    assert input_of(host, second).read_bytes() == right
