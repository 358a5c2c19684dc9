"""Runs whose plugin fails, or is another than when they began: what is known without it stands."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from importlib import invalidate_caches
from pathlib import Path

import pytest
from run_life import Home, processes, until

from cosmos_core import Cosmos
from cosmos_core.errors import UsageError
from cosmos_core.store.records import RunRecord

PLUGIN = """
import sys
from cosmos_core import Bundle, Command, Fetch, ModelInfo, Outputs, Toolkit, hookimpl

class Tool:
    @hookimpl
    def describe(self):
        return ModelInfo(title="Tool", toolkits=(Toolkit(name="tool", runs_here={runs_here}),))

    @hookimpl
    def convert_inputs(self, job):
        {convert}
        return Bundle(fetch=(Fetch(pattern="words.txt", role="result", required=True),))

    @hookimpl
    def choose_script(self, job, bundle):
        return Command(argv=("sh", "-c", {command!r}))

    @hookimpl
    def parse_outputs(self, job, result):
        {parse}

tool = Tool()
"""
READS = "return Outputs(values={'words': (result.folder / 'words.txt').read_text()})"
WRITES = "echo hello > outputs/words.txt"

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`install(command=..., parse=..., convert=...)`: the model `tool`, in place of what it was before."""
    site = tmp_path / "site"
    info = site / "tool-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cosmos.models]\ntool = tool_plugin:tool\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two versions within one second are told apart

    def install(command: str = WRITES, parse: str = READS, convert: str = "pass", *, runs_here: bool = False) -> None:
        sys.modules.pop("tool_plugin", None)
        code = PLUGIN.format(command=command, parse=parse, convert=convert, runs_here=runs_here)
        (site / "tool_plugin.py").write_text(code)
        invalidate_caches()

    yield install
    sys.modules.pop("tool_plugin", None)


def stored(home: Home, cosmos: Cosmos | None = None) -> RunRecord:
    home.configure('[targets.here]\nwork_dir = "work"\ngpus = 0\n[targets.here.toolkits.tool]\n')
    cosmos = cosmos or home.cosmos()
    return cosmos.create_run(cosmos.create_prompt("tool", "words").id)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("echo no space left; exit 1", "exit_code"),
        ("true", "missing_output"),
        ("> outputs/words.txt", "empty_output"),
        ("kill -9 $$", "killed"),
    ],
)
def test_outputs_that_cannot_be_parsed_hide_no_failure(home: Home, install: Install, command: str, code: str) -> None:
    install(command, "raise ValueError('Expecting value: line 1')")
    run = stored(home)
    ended = home.cosmos().execute(run.id)
    assert ended.status == "failed"
    assert ended.paused is None
    assert ended.error
    assert ended.error.code == code
    (warning,) = ended.warnings
    assert warning.startswith("outputs: ")
    assert "Expecting value: line 1" in warning
    assert "tool" in warning


def test_good_outputs_that_cannot_be_parsed_wait_for_a_plugin_that_can(home: Home, install: Install) -> None:
    install(parse="raise ValueError('not yet')")
    run = home.cosmos().execute(stored(home).id)
    assert run.status == "parsing"
    assert run.paused
    assert "not yet" in run.paused.reason
    install()
    (run,) = home.cosmos().sync()
    assert run.status == "completed"
    assert run.values == {"words": "hello\n"}


def test_a_plugin_that_cannot_convert_any_more_still_tells_what_became_of_its_run(home: Home, install: Install) -> None:
    install(f"until [ -e {home.folder}/on ]; do sleep 0.05; done; {WRITES}")
    run = home.cosmos().start(stored(home).id)
    install(convert="raise ValueError('another version')")
    (home.folder / "on").touch()
    run = home.cosmos().follow(run.id)
    assert run.status == "completed", run.paused
    assert run.values == {"words": "hello\n"}


WAITS = "; until [ -e on ]; do sleep 0.05; done; exit 3"


@pytest.mark.parametrize(
    ("command", "parse", "told"),
    [
        (WRITES + WAITS, READS, "all files that it had to write are there"),
        ("true" + WAITS, READS, "without writing outputs/words.txt"),
        (WRITES + WAITS, "raise ValueError('hm')", "all files that it had to write are there"),
    ],
)
def test_what_is_lost_is_brought_here_and_looked_at(
    home: Home, install: Install, command: str, parse: str, told: str
) -> None:
    """Every shell of the job and its work are killed at once, as by a restart of the machine."""
    install(command, parse)
    run = home.cosmos().start(stored(home).id)
    folder = home.job_dir(run)
    if WRITES in command:
        until(lambda: (folder / "outputs" / "words.txt").exists() and (folder / "outputs" / "words.txt").read_text())
    kill_all(folder)
    cosmos = home.cosmos()
    (lost,) = cosmos.sync()
    assert lost.status == "lost"
    assert lost.error
    assert told in lost.error.message
    assert bool(lost.warnings) == ("raise" in parse or WRITES not in command)
    if WRITES in command:
        assert Path(cosmos.path(run.id)).read_text() == "hello\n"
        assert lost.values == ({} if "raise" in parse else {"words": "hello\n"})
        assert f"cosmos path {run.id}" in lost.error.hint
    assert [one.status for one in cosmos.sync()] == ["lost"]


def test_what_was_lost_before_can_be_fetched(home: Home, install: Install) -> None:
    """Its folder was away when it was looked for, and is back with what it holds."""
    install(WRITES + WAITS)
    run = home.cosmos().start(stored(home).id)
    folder = home.job_dir(run)
    until(lambda: (folder / "outputs" / "words.txt").exists())
    kill_all(folder)
    folder.rename(folder.with_name("away"))
    (lost,) = home.cosmos().sync()
    assert lost.artifacts == ()
    folder.with_name("away").rename(folder)
    assert [Path(artifact.path or "").name for artifact in home.cosmos().fetch(run.id).artifacts] == ["words.txt"]
    assert "are there" in home.cosmos().store.run(run.id).error.message  # type: ignore[union-attr]


def test_the_simulator_runs_nothing_for_real(home: Home, install: Install) -> None:
    """A toolkit that asks a paid service, say: it has no stand-in, and its command must not run."""
    install(f"touch {home.folder}/paid")
    cosmos = home.cosmos()
    prompt = cosmos.create_prompt("tool", "words")
    with pytest.raises(UsageError, match="runs nothing for real") as refused:
        cosmos.run(prompt.id)
    assert "[targets.here]" in refused.value.hint
    assert not cosmos.list_runs().items
    home.configure('[targets.simulator.toolkits.tool]\nrepo = "/opt/tool"\n')
    with pytest.raises(UsageError, match="runs nothing for real"):
        home.cosmos().run(prompt.id)
    assert not (home.folder / "paid").exists()


def test_the_simulator_runs_what_says_that_it_may(home: Home, install: Install) -> None:
    install(runs_here=True)
    cosmos = home.cosmos()
    run = cosmos.create_run(cosmos.create_prompt("tool", "words").id)
    install(f"touch {home.folder}/paid")
    paused = home.cosmos().execute(run.id)
    assert paused.paused
    assert "runs nothing for real" in paused.paused.reason
    install(runs_here=True)
    (done,) = home.cosmos().sync(follow=True)
    assert done.status == "completed"
    assert not done.simulated
    assert not (home.folder / "paid").exists()


def kill_all(folder: Path) -> None:
    shells = [int((folder / link).readlink().name.split()[0]) for link in ("claim.1", "waiter")]
    while alive := [*shells, *processes(folder.name)]:
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shells = []
