"""docs/database.md: its commands and its configuration do what they say, and its messages are the program's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from real_parts import Postgres

from cosmos_core.cli.main import main
from cosmos_core.config import Config
from cosmos_core.demo import make_clip

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "database.md").read_text(encoding="utf-8")
MESSAGES = [row.strip("`") for row in re.findall(r"^\| (`.*?`) \|", TEXT, re.MULTILINE)]


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)


def commands(block: str) -> list[str]:
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


def test_the_commands_of_the_page(shared_postgres: Postgres, tmp_path: Path) -> None:
    make_clip(tmp_path / "street.mp4")
    makes, installs = blocks("sh")
    create = next(line for line in makes.splitlines() if line.startswith("createdb"))
    name = shared_postgres.database()  # its name is free again, for the page's own command
    shared_postgres.drop(name)
    there = f"127.0.0.1:{shared_postgres.port}/{name}"
    asked = [create.removesuffix(" cosmos") + f" {name}"]
    asked += [command for block in blocks("console") for command in commands(block)]
    script = "\n".join(command.replace("db.example.org/cosmos", there) for command in asked)
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/lib/postgresql/15/bin",
        "PGHOST": str(shared_postgres.folder),
        "PGPORT": str(shared_postgres.port),
        "PGUSER": "cosmos",
        "COSMOS_HOME": str(tmp_path / "data"),
        "COSMOS_DB_PASSWORD": shared_postgres.password,
    }
    try:
        done = subprocess.run(
            ["sh", "-euc", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"^store.url +sqlite:///cosmos.db +default", done.stdout, re.MULTILINE)
        assert re.search(rf"^home +{tmp_path}/data +COSMOS_HOME", done.stdout, re.MULTILINE)
        assert re.search(r"^completed  rs_\w+  transfer on simulator, ", done.stdout, re.MULTILINE)
        assert re.search(r"^rs_\w+  completed  transfer  simulator \(simulated\) ", done.stdout, re.MULTILINE)
        assert shared_postgres.password not in done.stdout + done.stderr
        assert shared_postgres.sql("SELECT count(*) FROM runs", name) == [("1",)]
    finally:
        shared_postgres.drop(name)
    package = re.search(r"install '(.+)'", installs)
    assert package
    assert f'\npostgresql = ["{package[1]}>=' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_configuration_of_the_page(tmp_path: Path) -> None:
    (block,) = blocks("toml")
    (tmp_path / "cosmos.toml").write_text(block, encoding="utf-8")
    config = Config.load(tmp_path / "cosmos.toml", {})
    assert config.store_url == "postgresql+psycopg://cosmos@db.example.org/cosmos"


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_are_the_programs_own(message: str) -> None:
    parts = [part.strip(" :") for part in message.split("...")]
    files = sorted((ROOT / "cosmos_core" / "store").glob("*.py"))
    texts = [re.sub(r'"\s*\n\s*f?"', "", file.read_text(encoding="utf-8")) for file in files]
    assert any(all(part in text for part in parts) for text in texts)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`cosmos ([a-z]+)[^`]*`", TEXT))))
def test_quoted_commands_exist(command: str) -> None:
    assert main([command, "--help"]) == 0
