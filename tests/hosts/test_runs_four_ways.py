"""The same run as a process and in a container, here and over SSH: the same outputs, record and words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab import Laptop, and_long, containers, job_folder, until, whole
from real_parts import GpuHosts

from cosmos_core.documents import run_document

MakeLaptop = Callable[..., Laptop]

WAYS = [
    ("eve", "process"),
    ("bob", "docker"),
    (None, "process"),
    (None, "docker"),
    ("ada", "docker"),
    ("sue", "docker"),
]
AGREE = [(None, "process"), (None, "docker"), ("eve", "process"), ("ada", "docker")]


@pytest.mark.parametrize(("account", "runtime"), [*WAYS[:2], *and_long(*WAYS[2:])])
def test_a_run_is_whole(gpu_host: GpuHosts, laptop: MakeLaptop, account: str | None, runtime: str) -> None:
    host = gpu_host(account, runtime)
    run = laptop(host).run()
    whole(run, host)
    assert run.metadata["toolkit_version"] == "1.5.0"
    assert len(run.metadata["gpus"]) == 1
    assert not run.simulated
    assert run.started_at
    assert run.completed_at
    if runtime == "docker":
        assert run.metadata["image_digest"].startswith("sha256:")
        until(lambda: not containers(host, run))
        assert b"It holds no code" in (job_folder(host, run) / "run.log").read_bytes()  # the entrypoint spoke


@pytest.mark.parametrize("alias", ["ada-by-jump", "ada-by-include"])
def test_the_way_leads_where_ssh_says(gpu_host: GpuHosts, laptop: MakeLaptop, alias: str) -> None:
    host = gpu_host("ada", "docker", alias=alias)
    whole(laptop(host).run(), host)


def test_they_agree(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    """Whatever way a run goes, a reader of its record and of its screen sees the same."""
    told: list[tuple[dict[str, Any], str, dict[str, bytes]]] = []
    for account, runtime in AGREE:
        host = gpu_host(account, runtime)
        mine = laptop(host, name=host.name)
        done = mine(
            "run", "--model", "transfer", "rain", "--video", mine.clip, "--weights.edge", "1", "--set", "seed=7"
        )
        assert done.code == 0, done.err
        cosmos = mine.cosmos()
        run = cosmos.store.run(cosmos.resolve("@last"))
        whole(run, host)
        document = run_document(run)
        for name in ("execution_config", "job_id", "metadata"):
            del document[name]
        files = {
            name: Path(path).read_bytes()
            for name, path in run.outputs.files.items()
            if name not in ("console", "debug")  # they tell the time
        }
        shown = mine("show", run.id).out
        told.append((document, shown, files))
    for name in told[0][0]:
        first, *others = [_plain(document[name]) for document, _, _ in told]
        assert others == [first] * 3, name
    for name in told[0][2]:
        first, *others = [_plain(files[name]) for _, _, files in told]
        assert others == [first] * 3, name
    first, *others = [_plain(shown.partition("where it came from")[0]) for _, shown, _ in told]
    assert others == [first] * 3


def _plain(what: object) -> str:
    """What is told, without what differs from one run to the next: ids, times, places, sizes of files with ids."""
    text = what.decode("utf-8", "replace") if isinstance(what, bytes) else str(what)
    text = re.sub(r"(rs|ps|jb)_[a-z0-9]+", r"\1_", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?(\s+\(\d+ s ago\))?", "TIME", text)
    text = re.sub(r"(/[\w.-]+)+/", "/", text)
    text = re.sub(r"(here|ada|eve)-(process|docker)", "TARGET", text)
    text = re.sub(r"[0-9a-f]{64}", "DIGEST", text)
    text = re.sub(r"'bytes': \d+|[\d.]+ [kM]?B(/s)?", "BYTES", text)  # of files that name the work directory
    return re.sub(r"(took|seconds_per_chunk)\W+[\d.]+( s)?", r"\1", text)
