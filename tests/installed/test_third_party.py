"""As a stranger has it: our package and third-party plugins, installed by pip into a clean environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cosmos_core.demo import make_clip

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

pytestmark = pytest.mark.timeout(600)  # pip fetches from the package index


class Installed:
    """An environment of its own, and the `cosmos` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "env" / "bin"
        subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
        self.pip("install", "--no-compile", str(ROOT))
        # what builds the plugins, once for all of them and beside the environment, which is not to have it
        self.pip("install", "--no-compile", "--target", str(folder / "builder"), "hatchling")
        make_clip(folder / "street.mp4")

    def add(self, example: str) -> None:
        """Install one of our examples."""
        there = os.environ | {"PYTHONPATH": str(self.folder / "builder")}
        self.pip("install", "--no-deps", "--no-build-isolation", str(EXAMPLES / example), env=there)

    def pip(self, *arguments: str, env: Mapping[str, str] = os.environ) -> None:
        argv = [str(self.bin / "python"), "-m", "pip", "--disable-pip-version-check", "-q", *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
        assert done.returncode == 0, done.stderr

    def cosmos(self, *arguments: str, home: str = "home") -> subprocess.CompletedProcess[str]:
        return self._run([str(self.bin / "cosmos"), *arguments], home)

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """A command as it is typed where the environment is active."""
        return self._run(["sh", "-c", command], "typed")

    def _run(self, argv: list[str], home: str) -> subprocess.CompletedProcess[str]:
        env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        env |= {"COSMOS_HOME": str(self.folder / home), "STANDIN_STEP_SECONDS": "0"}
        env["PATH"] = f"{self.bin}:{env['PATH']}"
        return subprocess.run(argv, cwd=self.folder, env=env, capture_output=True, text=True, check=False)

    def document(self, *arguments: str, home: str = "home") -> Any:
        done = self.cosmos(*arguments, "--json", home=home)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"))


def test_a_stranger_s_model_runs_with_not_one_line_of_ours_changed(installed: Installed) -> None:
    before = installed.cosmos("run", "--model", "storyboard", "--video", "street.mp4")
    assert before.returncode == 2
    assert "storyboard" in before.stderr
    installed.add("cosmos-storyboard")
    run = installed.document("run", "--model", "storyboard", "--video", "street.mp4", "--columns", "3")
    assert run["status"] == "completed"
    assert run["simulated"] is False
    assert run["metadata"]["plugin"]["package"] == "cosmos-storyboard"
    (result,) = [a for a in run["outputs"]["artifacts"] if a["role"] == "result"]
    assert result["media"]["kind"] == "image"
    assert Path(result["path"]).is_file()
    assert "--columns" in installed.cosmos("run", "--model", "storyboard", "--help").stdout


def test_the_commands_of_the_page_on_plugins_work_word_for_word(installed: Installed) -> None:
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    commands = [
        line[2:] for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL) for line in block.splitlines()
    ]
    assert len(commands) >= 4
    shutil.copytree(EXAMPLES, installed.folder / "examples", dirs_exist_ok=True)
    for command in commands:
        done = installed.shell(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_one_broken_in_five_ways_breaks_only_itself(installed: Installed) -> None:
    installed.add("cosmos-broken")
    try:
        plugins = installed.document("plugins")["items"]
        broken = {p["name"]: p for p in plugins if p["package"] == "cosmos-broken"}
        assert len(broken) == 5
        for name, plugin in broken.items():
            refused = installed.cosmos("run", "--model", name, "a text", home="broken")
            assert refused.returncode in (1, 2, 3), (name, refused.stderr)
            assert "cosmos-broken" in refused.stderr, (name, refused.stderr)
            assert "Traceback" not in refused.stderr
            assert plugin["name"] == name
        assert sum(p["status"] != "ok" for p in broken.values()) >= 4  # one breaks only when it is called
        whole = installed.document(
            "run", "--model", "transfer", "a city", "--video", "street.mp4", "--weights.edge", "1", home="broken"
        )
        assert whole["status"] == "completed"
        assert installed.document("list", "runs", home="broken")["total"] == 1
        assert installed.cosmos("models").returncode == 0
    finally:
        installed.pip("uninstall", "-y", "cosmos-broken")
    assert all(p["package"] != "cosmos-broken" for p in installed.document("plugins")["items"])


def test_an_extension_adds_its_rule_to_every_model(installed: Installed) -> None:
    installed.add("cosmos-house-rules")
    try:
        kinds = {p["name"]: p["kind"] for p in installed.document("plugins")["items"]}
        assert "extension" in kinds.values()
    finally:
        installed.pip("uninstall", "-y", "cosmos-house-rules")


def test_the_demo_ends_with_a_playable_result(installed: Installed) -> None:
    demo = installed.cosmos("demo", home="demo")
    assert demo.returncode == 0, demo.stderr
    (run,) = installed.document("list", "runs", home="demo")["items"]
    assert run["status"] == "completed"
    assert run["simulated"] is True
    assert run["outputs"]["files"]["video"] in demo.stdout
    assert f"cosmos show {run['id']}" in demo.stdout
