"""Every command, configuration and program in the documents does what they say."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import warm_cosmos

from cosmos_core.config import Config
from cosmos_core.demo import make_clip

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/plugins.md", "docs/renders.md", "docs/targets.md", "docs/words.md")
IN_CI = {"python3 dev.py demo", "python3 dev.py test"}  # .ci/run calls them, word for word


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return [body for found, body in BLOCK.findall(text) if found == language]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_clip(tmp_path / "street.mp4")
    return tmp_path


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as warm:
        needed = warm_cosmos.on_path(Path(warm))
        env = os.environ | {"PATH": f"{warm}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
        return subprocess.run(
            ["sh", "-c", command], cwd=folder, env=env, capture_output=True, text=True, check=False, pass_fds=needed
        )


def test_the_commands_of_the_readme_work_one_after_the_other(folder: Path) -> None:
    commands = [line[2:] for block in blocks("README.md", "console") for line in block.splitlines()]
    assert len(commands) >= 10
    for command in commands:
        done = shell(command, folder)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert (folder / "fog.mp4").stat().st_size > 0
    assert (folder / "look" / "spec.json").is_file()


def test_the_commands_of_the_words_page_work_one_after_the_other(folder: Path) -> None:
    (block,) = blocks("docs/words.md", "console")
    for line in block.splitlines():
        done = shell(line[2:], folder)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert "sh010_rain" in done.stdout
    assert "sh010_rain_b" in done.stdout


def test_ci_calls_the_two_commands_word_for_word() -> None:
    named = {line for block in blocks("README.md", "sh") for line in block.splitlines()}
    called = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert named == IN_CI
    assert all(command in called for command in named)


def test_the_target_of_the_readme_is_a_configuration(tmp_path: Path) -> None:
    (block,) = blocks("README.md", "toml")
    (tmp_path / "cosmos.toml").write_text(block, encoding="utf-8")
    config = Config.load(tmp_path / "cosmos.toml", {})
    lab = config.target(None)
    assert (lab.name, lab.host, lab.runtime) == ("gpu-lab", "gpu-lab", "docker")
    site = lab.site_of("cosmos-transfer2.5")
    assert site is not None
    assert site.repo == "/opt/cosmos-transfer2.5"
    assert lab.env_file == str(tmp_path / "hf.env")
    assert lab.env["HF_HOME"] in lab.mounts


def test_the_program_of_the_readme_runs(folder: Path) -> None:
    (program,) = blocks("README.md", "python")
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "completed" in done.stdout


def test_what_is_linked_is_there() -> None:
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (ROOT / document).parent.joinpath(link).exists(), f"{document}: {link}"


def test_what_one_command_quotes_exists() -> None:
    """`cosmos WORD` in running text names a command that is there."""
    known = shell("cosmos --help", ROOT).stdout
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        for quoted in re.findall(r"`cosmos ([^`]*)`", text):
            word = next((w for w in shlex.split(quoted) if not w.startswith("-")), "")
            assert not word or re.search(rf"^  {re.escape(word)} ", known, re.MULTILINE), f"{document}: cosmos {quoted}"
