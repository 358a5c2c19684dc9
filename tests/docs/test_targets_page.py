"""docs/targets.md: its commands run one after the other, say what the page shows, and its tables are the program's."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from attrs import NOTHING, fields
from real_parts import Accounts, Gpus, HostFolder, MakeDockerd, SshHome
from targets_world import PAGE, World, end, make_world

from cosmos_core import config
from cosmos_core.cli.main import main
from cosmos_core.config import Config
from cosmos_core.targets.check import PROGRAMS
from cosmos_transfer.transfer25.parameters import Settings

ROOT = PAGE.parents[1]
TEXT = PAGE.read_text(encoding="utf-8")
STEP = re.compile(
    r"<!-- (?P<note>then|file|exit): (?P<what>[^\n]+?) -->\n|```(?P<kind>\w+)\n(?P<body>.*?)```\n", re.DOTALL
)
ANSWER = re.compile(r"\[y/N\]: (\w+)$", re.MULTILINE)


@pytest.fixture
def world(
    tmp_path: Path,
    host_folder: HostFolder,
    ssh_home: SshHome,
    accounts: Accounts,
    dockerd: MakeDockerd,
    toolkit_repo: Path,
    gpus: Gpus,
) -> Iterator[World]:
    """The page's machines."""
    there = make_world(tmp_path, host_folder.path, ssh_home, accounts, dockerd(), toolkit_repo, gpus)
    yield there
    end(there)


@pytest.mark.timeout(400)
def test_the_page_from_top_to_bottom(world: World, tmp_path: Path) -> None:
    """Configuration blocks are put where they belong, commands are run, and what they say is what is shown."""
    said: list[str] = []
    name, code = "", 0
    try:
        for step in STEP.finditer(TEXT):
            if step["note"] == "then":
                world.event(step["what"])
            elif step["note"] == "file":
                name = step["what"]
            elif step["note"] == "exit":
                code = int(step["what"])
            elif step["kind"] == "toml":
                world.put("cosmos.toml", step["body"])
                Config.load(world.folder / "cosmos.toml", {})
            elif step["kind"] == "ini":
                world.put(name, step["body"])
            elif step["kind"] == "sshconfig":
                world.know(step["body"])
            elif step["kind"] == "console":
                for command, shown in commands(step["body"]):
                    asked = ANSWER.search(shown)
                    done = world.shell(command, asked[1] if asked else "")
                    said.append(f"$ {command}\n{done.stdout}")
                    assert done.returncode == code, f"{command}\n{done.stdout}"
                    said_as_shown(world.plain(shown), world.plain(done.stdout), command)
                code = 0
    finally:
        (tmp_path / "said.txt").write_text("".join(said), encoding="utf-8")  # for who writes the page


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command of a block, and what is shown to come of it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def said_as_shown(shown: str, said: str, command: str) -> None:
    """The page shows what was said, with `...` for what it leaves out; lines may be broken elsewhere."""
    words = shown.split()
    if not words:
        return
    pattern = ""
    for number, word in enumerate(words):
        pattern += r"(?:.*\s)??" if word == "..." else re.escape(word) + r"(?:\s+|$)"
        known = re.match(r"\s*" + pattern, said, re.DOTALL)
        assert known, (
            f"$ {command}\nsaid otherwise from here: {' '.join(words[max(0, number - 8) : number + 8])}\n\n{said}"
        )
    ended = re.fullmatch(r"\s*" + pattern + (r".*" if words[-1] == "..." else ""), said, re.DOTALL)
    assert ended, f"$ {command}\nmore was said than is shown:\n\n{said}"


def table(heading: str, nth: int = 0) -> list[list[str]]:
    """The cells of a table below a heading."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    tables = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in tables[nth].splitlines()[2:]]


@pytest.mark.parametrize(("nth", "keys"), [(0, config._TargetTable), (1, config._SiteTable)])
def test_the_tables_of_keys_are_the_programs(nth: int, keys: type) -> None:
    rows = table("All keys", nth)
    assert [row[0] for row in rows] == [f"`{field.name}`" for field in fields(keys)]
    for row, field in zip(rows, fields(keys), strict=True):
        if row[1].startswith("`"):
            (value,) = tomllib.loads(f"key = {row[1].strip('`')}").values()
            assert (tuple(value) if isinstance(value, list) else value) == field.default, row[0]
        else:
            assert field.default in (None, (), NOTHING), row[0]


def test_the_toolkits_own_settings_are_there() -> None:
    named = TEXT.partition("cosmos-transfer2.5 has `")[2].partition(".")[0]
    assert re.findall(r"\w+", named.replace(" and ", " ")) == [field.name for field in fields(Settings)]


def test_the_programs_needed_are_those_that_are_looked_for() -> None:
    named = {name for row in table("What is needed") for name in re.findall(r"`([\w-]+)`", row[0])}
    assert set(PROGRAMS) == named - {"sh", "docker", "nvidia-smi"}


@pytest.mark.parametrize("message", [row[0].strip("`") for row in table("What went wrong")])
def test_messages_are_the_programs_own(message: str) -> None:
    """Each is in one file of the source, with `...` for what is filled in."""
    parts = [part.strip(" :") for part in message.split("...")]
    assert any(all(part in text for part in parts) for text in sources())


@cache
def sources() -> tuple[str, ...]:
    """The program's text, with strings that are written over several lines put together."""
    files = [file for kind in ("py", "sh") for file in (ROOT / "cosmos_core").rglob(f"*.{kind}")]
    return tuple(re.sub(r'"\s*\n\s*f?"', "", file.read_text(encoding="utf-8")) for file in files)


def test_links_within_the_page_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in re.findall(r"^## (.*)", TEXT, re.M)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= headings


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`cosmos ([^`]*)`", TEXT))))
def test_quoted_commands_exist(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for word in shlex.split(command) if not word.startswith("-")]
    names = words[: 2 if words[0] == "targets" else 1]
    assert main([*names, "--help"]) == 0
    told = capsys.readouterr().out
    assert all(word in told for word in shlex.split(command) if word.startswith("-"))
