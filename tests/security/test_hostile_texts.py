"""Generated hostile texts and names go the whole way: they arrive as they were, and nothing of them is executed.

    HOSTILE_TEXTS=10000 HOSTILE_FAR=500 pytest tests/security/test_hostile_texts.py --timeout 3600

is the long mode. Every run carries twenty texts: the prompt, a parameter, its name, a file's name, and sixteen tags.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from hostile import PIECES, canaries, file_name, listing, texts
from lab import Laptop, job_folder, whole
from real_parts import GpuHosts

from cosmos_core import Cosmos
from cosmos_core.store.records import RunRecord
from cosmos_core.targets.host import Tree
from cosmos_core.targets.jobdir import JobDir
from cosmos_core.targets.local import LocalHost
from cosmos_core.targets.process import process
from cosmos_core.targets.script import Script

MakeLaptop = Callable[..., Laptop]

SEED = int(os.environ.get("HOSTILE_SEED", "20251125"))
HERE = int(os.environ.get("HOSTILE_TEXTS", "60"))
FAR = int(os.environ.get("HOSTILE_FAR", "40"))
A_RUN = 20


def wishes(seed: int, count: int) -> Iterator[list[str]]:
    """Texts, as many as a run takes at a time."""
    made = texts(seed, count)
    while some := list(islice(made, A_RUN)):
        yield [*some, *["rain"] * (A_RUN - len(some))]


def run_with(mine: Laptop, cosmos: Cosmos, some: list[str]) -> RunRecord:
    """Run with all of these texts; assert that they are kept as they were."""
    text, negative, name, clip, *tags = some
    video = mine.folder / "clips" / file_name(clip)
    video.parent.mkdir(exist_ok=True)
    if not video.exists():
        video.hardlink_to(mine.clip)
    words = {"name": name, "tags": tuple(tags)}
    prompt = cosmos.create_prompt(
        "transfer",
        text if text.strip() else f"rain{text}",
        inputs={"video": str(video)},
        parameters={"weights": {"edge": 0.5}, "num_steps": 1, "negative_prompt": negative},
        **words,
    )
    run = cosmos.create_run(prompt.id, **words)
    done = cosmos.execute(run.id)
    assert done.status == "completed", (some, done.error, done.paused)
    stored, kept = cosmos.prompt(prompt.id), cosmos.store.run(run.id)
    assert stored.prompt_text in (text, f"rain{text}")
    assert stored.parameters["negative_prompt"] == negative
    assert (kept.name, set(kept.tags)) == (name, set(tags))
    assert stored.inputs[0].name == video.name
    return done


def arrived(job: Path, some: list[str]) -> None:
    """Assert that the toolkit was handed the very texts."""
    spec = json.loads((job / "spec.json").read_text(encoding="ascii"))
    assert spec["prompt"] in (some[0], f"rain{some[0]}")
    assert spec["negative_prompt"] == some[1]
    assert re.fullmatch(r"inputs/rs_[a-z0-9]+-video\.mp4", spec["video_path"])
    assert {path.name for path in job.iterdir() if path.is_dir()} == {"inputs", "outputs", "tmp"}


def test_here(laptop: MakeLaptop, tmp_path: Path) -> None:
    mine = laptop()
    cosmos = mine.cosmos()
    beside = tmp_path.parent
    outside = listing(beside).keys()
    began, count = time.monotonic(), 0
    home = mine.folder / "home"
    for some in wishes(SEED, HERE):
        run = run_with(mine, cosmos, some)
        arrived(home / "simulator" / "jobs" / (run.job_id or ""), some)
        for artifact in run.artifacts:
            assert Path(artifact.path or "/").is_relative_to(home / "outputs" / run.id)
        count += len(some)
    new = {path for path in listing(beside).keys() - outside if not path.startswith(str(mine.folder))}
    assert new == set()
    assert {path.name for path in mine.folder.iterdir()} == {"home", "clips", "cosmos.toml"}
    assert canaries(mine.folder) == []
    print(f"{count} texts here in {time.monotonic() - began:.0f} s, seed {SEED}")


@pytest.mark.parametrize(("account", "runtime"), [("ada", "docker"), ("eve", "process")])
def test_far_away(gpu_host: GpuHosts, laptop: MakeLaptop, account: str, runtime: str) -> None:
    host = gpu_host(account, runtime)
    assert host.account
    mine = laptop(host)
    cosmos = mine.cosmos()
    began, count = time.monotonic(), 0
    around = listing(host.account.home.parent).keys()
    for some in wishes(SEED + 1, FAR):
        run = run_with(mine, cosmos, some)
        arrived(job_folder(host, run), some)
        whole(run, host)
        count += len(some)
    assert listing(host.account.home.parent).keys() - around == set()  # but for the test's own folder
    assert canaries(mine.folder, host.account.home, host.repo) == []
    print(f"{count} texts as {account} in {runtime} in {time.monotonic() - began:.0f} s, seed {SEED + 1}")


def test_words_of_a_command_and_of_its_environment(tmp_path: Path) -> None:
    """A plugin may put a text into a command; job.sh hands it on as the one word that it is."""
    all_of_it = [text for text in (*PIECES, *texts(SEED + 2, 300)) if "\0" not in text]
    argv = ("printf", "%s\\0", *all_of_it)
    env = {f"V{number}": text for number, text in enumerate(all_of_it)}
    path = tmp_path / "jobs" / "jb_words"
    (tmp_path / "a '$(touch COSMOS-CANARY)' b").mkdir()
    runtime = process(("sh", "-c", 'env -0 > "$0"; exec "$@"', str(path / "env"), *argv), env, str(path))
    script = Script(job_id="jb_words", dir=str(path), runtime=runtime)
    host = LocalHost()
    host.lay_out(str(path), Tree(folders=["inputs", "outputs", "tmp"], files=[("job.sh", script.content, 0o700)]))
    job = JobDir(host=host, path=str(path), job_id="jb_words")
    job.start({"SECRET": PIECES[0]})
    deadline = time.monotonic() + 20
    while job.look().state != "ended" and time.monotonic() < deadline:
        time.sleep(0.05)
    said = (path / "run.log").read_bytes().decode().split("\0")[:-1]
    assert said == all_of_it
    seen = dict(line.partition("=")[::2] for line in (path / "env").read_bytes().decode().split("\0")[:-1])
    assert {name: seen[name] for name in env} == env
    assert seen["SECRET"] == PIECES[0]
    assert canaries(tmp_path) == []


def test_every_text_that_a_text_file_cannot_hold_is_refused_in_words(laptop: MakeLaptop) -> None:
    mine = laptop()
    for text in ("\0", "a\0b", "\ud800"):
        done = mine("run", "--model", "transfer", "x", "--video", mine.clip, "--weights.edge", "1", "--set", "a=b")
        assert done.code == 3
        try:
            run = mine.run(text=text)
        except Exception as error:  # noqa: BLE001  whatever it is, it has to be one of ours
            assert type(error).__module__.startswith("cosmos_core"), error  # noqa: PT017
        else:
            assert run.ended
