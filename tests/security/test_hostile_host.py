"""A host whose answers are lies: a run on it pauses, fails or ends, in words; nothing is written outside its folder."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hostile import POISON, listing
from lab import Laptop, until
from real_processes import patient

from cosmos_core.errors import CosmosError
from cosmos_core.store.records import RunRecord
from cosmos_core.targets.host import Completed, Span, Stat
from cosmos_core.targets.local import LocalHost

MakeLaptop = Callable[..., Laptop]
Paths = Sequence[str]


class Liar(LocalHost):
    """This machine, but for what a test makes of its answers once the job has ended."""

    def __init__(self) -> None:
        self.lies = False
        self.listed: Callable[[Mapping[str, int]], Mapping[str, int]] = lambda found: found
        self.looked: Callable[[Mapping[str, Stat]], Mapping[str, Stat]] = lambda found: found
        self.told: Callable[[Completed], Completed] = lambda done: done
        self.content: Callable[[Span, bytes], bytes] = lambda span, data: data

    def list(self, path: str) -> Mapping[str, int]:
        return self.listed(super().list(path)) if self.lies else super().list(path)

    def stat(self, paths: Paths) -> Mapping[str, Stat]:
        return self.looked(super().stat(paths)) if self.lies else super().stat(paths)

    def run(self, argv: Sequence[str], **how: Any) -> Completed:
        done = super().run(argv, **how)
        return self.told(done) if self.lies else done

    def read(self, spans: Sequence[Span]) -> Sequence[bytes]:
        found = super().read(spans)
        return [self.content(span, data) for span, data in zip(spans, found, strict=True)] if self.lies else found


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch) -> Liar:
    """The host of every target."""
    host = Liar()
    monkeypatch.setattr("cosmos_core.targets.hosts.LocalHost", lambda: host)
    return host


def lied_to(mine: Laptop, liar: Liar, *, at_once: bool = False) -> RunRecord | CosmosError:
    """A run whose host tells lies once its job has ended (or from the start); what became of it, in words."""
    cosmos = mine.cosmos()
    run = mine.store_run(cosmos)
    before = listing(mine.folder.parent)
    started, memory = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    liar.lies = at_once
    seen: RunRecord | CosmosError
    try:
        cosmos.start(run.id)
        if not at_once:
            job = Path(cosmos.store.job(cosmos.store.run(run.id).job_id or "").dir)
            until((job / "exit_code").exists)
            liar.lies = True
        seen = cosmos.follow(run.id)
    except CosmosError as error:
        seen = error
    assert time.monotonic() - started < patient(40)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) >> 10 < 1000
    new = listing(mine.folder.parent).keys() - before.keys()
    home = str(mine.folder / "home")
    assert all(path.startswith(home) for path in new)
    outputs = Path(home) / "outputs"
    assert {path.name for path in outputs.iterdir()} <= {run.id}
    for path in (path for path in new if not path.startswith(f"{home}/simulator")):
        assert path.startswith((str(outputs), f"{home}/cosmos.db")), path
    return seen


ESCAPES = {
    "up": "../../../../../../tmp/cosmos-escaped",
    "up and down": "deep/../../../escaped.mp4",
    "absolute": "/etc/cosmos-escaped",
    "home": "~/escaped",
    "nothing": "",
    "itself": ".",
    "above": "..",
    "newline": "a\nb",
    "poison": POISON,
    "too long": "x" * 5000,
    "too deep": "x/" * 3000 + "x",
}


@pytest.mark.parametrize("name", ESCAPES.values(), ids=ESCAPES)
def test_names_that_lead_elsewhere(laptop: MakeLaptop, liar: Liar, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a plugin's pattern takes everything."""
    monkeypatch.setattr("cosmos_core.runs.collect.matching", lambda pattern, paths: tuple(paths))
    liar.listed = lambda found: {**found, name: 4}
    seen = lied_to(laptop(), liar)
    assert not Path("/tmp/cosmos-escaped").exists()
    assert not Path("/etc/cosmos-escaped").exists()
    assert isinstance(seen, CosmosError) or seen.paused or seen.ended


@pytest.mark.parametrize("size", [0, 1, 10**6, 2**62], ids=str)
def test_sizes_that_do_not_fit(laptop: MakeLaptop, liar: Liar, size: int) -> None:
    liar.listed = lambda found: dict.fromkeys(found, size)
    seen = lied_to(laptop(), liar)
    assert isinstance(seen, RunRecord)
    assert seen.paused or seen.ended


def test_files_that_are_not_there(laptop: MakeLaptop, liar: Liar) -> None:
    liar.listed = lambda found: {f"gone-{name}": size for name, size in found.items()}
    seen = lied_to(laptop(), liar)
    assert isinstance(seen, RunRecord)
    assert seen.status == "failed"  # what the plugin requires is not among them


def test_hundred_thousand_names(laptop: MakeLaptop, liar: Liar) -> None:
    liar.listed = lambda found: {**found, **{f"deep/{number:09}.png": 1 for number in range(100_000)}}
    seen = lied_to(laptop(), liar)
    assert isinstance(seen, RunRecord)
    assert seen.status == "completed"


GARBAGE = {
    "nothing": b"",
    "words": b"no number\n",
    "escapes": POISON.encode(),
    "endless digits": b"9" * 5000,
    "minus minus": b"ended --5\n",
    "a number too large": b"ended 99999999999999999999\n",
    "no utf-8": b"ended \xff\xfe\n",
    "a hundred megabytes": b"ended 0\n" * (100 << 17),
    "a state of its own": b"victorious 1\n",
    "ended without a code": b"ended\n",
    "waiting for ever": b"waiting 999999999\n",
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_what_job_sh_says_makes_no_sense(laptop: MakeLaptop, liar: Liar, answer: bytes) -> None:
    liar.told = lambda done: evolve(done, out=answer)
    liar.content = lambda span, data: b"" if span.path.endswith(("exit_code", "started")) else data
    mine = laptop()
    cosmos = mine.cosmos()
    run = mine.store_run(cosmos)
    cosmos.start(run.id)
    liar.lies = True
    seen = cosmos.mover.go_on(run.id, "now")
    assert seen.status in ("queued", "running", "lost", "downloading")
    liar.lies = False
    assert cosmos.follow(run.id).status == "completed"  # nothing of it is spoilt


def test_times_out_of_the_calendar(laptop: MakeLaptop, liar: Liar) -> None:
    for when in (2**63 - 1, -(2**63), 0):
        liar.looked = lambda found, when=when: {path: evolve(one, mtime_ns=when) for path, one in found.items()}  # type: ignore[misc]
        seen = lied_to(laptop(name=f"at-{when}"), liar, at_once=True)
        assert isinstance(seen, CosmosError) or seen.paused or seen.ended


@pytest.mark.parametrize("data", [b"\x1b]0;x\x07" * 1000, b"\xff" * 100_000, b"\0" * (1 << 20)], ids=range(3))
def test_a_log_of_anything(laptop: MakeLaptop, liar: Liar, data: bytes) -> None:
    given = iter((data,))
    liar.content = lambda span, real: (
        next(given, b"") if span.path.endswith("run.log") and not real else real[: span.limit]
    )
    seen = lied_to(laptop(), liar, at_once=True)
    assert isinstance(seen, RunRecord)
    assert seen.ended or seen.paused


@pytest.mark.parametrize("code", [b"no number\n", b"9" * 16, b"\xff\n", b"--5\n", b"1e3\n", b"0x7\n"], ids=str)
def test_exit_codes_that_are_no_numbers(laptop: MakeLaptop, liar: Liar, code: bytes) -> None:
    liar.content = lambda span, data: code[: span.limit] if span.path.endswith("exit_code") else data
    seen = lied_to(laptop(), liar)
    assert isinstance(seen, CosmosError) or seen.paused or seen.ended


def test_gpus_that_are_no_numbers(laptop: MakeLaptop, liar: Liar) -> None:
    liar.content = lambda span, data: b"zero one" if span.path.endswith("/gpus") else data
    seen = lied_to(laptop(), liar, at_once=True)
    assert isinstance(seen, CosmosError) or seen.paused or seen.ended
