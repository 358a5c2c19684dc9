"""A command that asks for a secret that nobody gives is refused before anything is stored, or at least warned about."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cosmos_core import Bundle, Command, Cosmos, Job, ModelInfo, Refused, Toolkit, hookimpl
from cosmos_core.config import Config
from cosmos_core.models import Models
from cosmos_core.models.metadata import EntryPoint


class Tool:
    @hookimpl
    def describe(self):
        return ModelInfo(title="Tool", toolkits=(Toolkit(name="tool"),))

    @hookimpl
    def convert_inputs(self, job):
        return Bundle()

    @hookimpl
    def choose_script(self, job, bundle):
        return Command(argv=("true",), secrets=("SERVER_KEY", "HF_TOKEN"))


tool = Tool()

CONFIG = """
[targets.here]
[targets.far]
host = "gpu.example.org"
work_dir = "/data/cosmos"
[targets.docked]
runtime = "docker"
host = "gpu.example.org"
work_dir = "/data/cosmos"
{env_file}
"""


@pytest.fixture
def cosmos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SERVER_KEY", raising=False)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setitem(sys.modules, "the_tool", sys.modules[__name__])
    file = tmp_path / "cosmos.toml"
    file.write_text(CONFIG.format(env_file=""))
    with Cosmos(file) as cosmos:
        cosmos.models = Models([EntryPoint("tool", "the_tool:tool", "cosmos.models")])
        yield cosmos


@pytest.mark.parametrize("target", ["here", "docked"])
def test_where_nobody_can_give_it_the_run_is_refused(cosmos: Cosmos, target: str) -> None:
    prompt = cosmos.create_prompt("tool", "words")
    with pytest.raises(Refused) as caught:
        cosmos.create_run(prompt.id, target=target)
    (problem,) = caught.value.problems
    assert problem.message == f"the command needs SERVER_KEY, and target {target} does not set it"
    assert problem.hint == f"put a line SERVER_KEY=... into env_file of [targets.{target}]"
    assert cosmos.list_runs().total == 0


def test_where_the_host_may_have_it_the_run_is_warned(cosmos: Cosmos) -> None:
    run = cosmos.create_run(cosmos.create_prompt("tool", "words").id, target="far")
    (warning,) = run.warnings
    assert warning.startswith("secrets: the command needs SERVER_KEY, and target far does not set it -> put a line")


def test_what_is_set_is_not_missing_and_hooks_are_told_its_name(
    cosmos: Cosmos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / "lab.env"
    secrets.write_text("SERVER_KEY=hush\nEMPTY=\n")
    file = tmp_path / "cosmos.toml"
    file.write_text(CONFIG.format(env_file=f'env_file = "{secrets}"'))
    cosmos.config = Config.load(file)
    prompt = cosmos.create_prompt("tool", "words")
    assert cosmos.create_run(prompt.id, target="docked").warnings == ()
    assert Job.of(cosmos.request(prompt.id, target="docked")).site.secrets == ("SERVER_KEY",)
    monkeypatch.setenv("SERVER_KEY", "hush")
    assert cosmos.create_run(prompt.id, target="here").warnings == ()
