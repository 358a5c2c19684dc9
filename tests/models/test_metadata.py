"""Entry points are those that importlib.metadata finds, without importing it."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cosmos_core.models.metadata import entry_points

GROUPS = ("cosmos.models", "cosmos.extensions", "console_scripts", "pytest11")
TEXT = """
# a comment = not a line
[cosmos.models]
  spaced  =  there : thing [extra]
with.dots-and_more=there
[other]
far = away:x
[cosmos.extensions]
rules = there:thing.of_it
"""


def as_python_finds_them() -> list[tuple[str, str, str]]:
    return sorted((one.group, one.name, one.value) for g in GROUPS for one in importlib.metadata.entry_points(group=g))


def as_we_do() -> list[tuple[str, str, str]]:
    return sorted((one.group, one.name, one.value) for one in entry_points(GROUPS))


def package(place: Path, folder: str, text: str = TEXT, head: str = "METADATA") -> None:
    info = place / folder
    info.mkdir(parents=True)
    (info / head).write_text(f"Metadata-Version: 2.1\nName: {folder.partition('-')[0]}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(text)


def test_all_that_is_installed_here_is_found() -> None:
    assert ("cosmos.models", "transfer", "cosmos_transfer.plugin:transfer") in as_we_do()
    assert as_we_do() == as_python_finds_them()


def test_folders_of_every_kind_and_the_first_of_each_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path / "first", "My.Rules-2.0.dist-info")
    package(tmp_path / "second", "my_rules-1.0.dist-info", "[cosmos.models]\nold = hidden:by_the_first\n")
    package(tmp_path / "second", "develop.egg-info", "[cosmos.models]\ndev = there:thing\n", head="PKG-INFO")
    (tmp_path / "second" / "distutils-1.0.egg-info").write_text("Name: distutils\n")
    for place in ("second", "first", "nowhere"):
        monkeypatch.syspath_prepend(str(tmp_path / place))
    names = {name for _, name, _ in as_we_do()}
    assert {"spaced", "with.dots-and_more", "rules", "dev"} <= names
    assert "old" not in names
    assert as_we_do() == as_python_finds_them()


def test_what_is_no_folder_is_left_to_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as bundle:
        bundle.writestr("zipped-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: zipped\nVersion: 1.0\n")
        bundle.writestr("zipped-1.0.dist-info/entry_points.txt", "[cosmos.models]\nzipped = zipped:model\n")
    monkeypatch.syspath_prepend(str(tmp_path / "bundle.zip"))
    assert ("cosmos.models", "zipped", "zipped:model") in as_we_do()
    assert as_we_do() == as_python_finds_them()


def test_what_an_entry_point_names_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, "there-1.0.dist-info")
    (tmp_path / "there.py").write_text("class thing:\n    of_it = 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = {one.name: one.load() for one in entry_points(GROUPS[:2]) if one.value.startswith("there")}
    assert (found["spaced"].of_it, found["rules"], found["with.dots-and_more"].__name__) == (7, 7, "there")
    monkeypatch.delitem(sys.modules, "there")


def test_finding_them_brings_no_email_parser() -> None:
    program = "import sys; from cosmos_core.models import Models; list(Models()); print('email' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
