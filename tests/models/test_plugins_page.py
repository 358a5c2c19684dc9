"""docs/plugins.md shows the example packages as they are, and its own code runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cosmos_core.demo import make_clip
from cosmos_core.hookspecs import Spec

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "plugins.md").read_text()
SHOWN = re.compile(r"<!-- (?P<path>\S+) -->\n```\w+\n(?P<code>.*?)\n```", re.DOTALL)
BLOCK = re.compile(r"(?<!-->\n)```python\n(?P<code>.*?)\n```", re.DOTALL)


def squeezed(code: str) -> str:
    """Without blank lines: where a file is shown in pieces, those at the seams are the page's."""
    return "\n".join(line for line in code.splitlines() if line)


@pytest.mark.parametrize("path", sorted({match["path"] for match in SHOWN.finditer(PAGE)}))
def test_the_page_shows_the_whole_file(path: str) -> None:
    shown = "\n".join(match["code"] for match in SHOWN.finditer(PAGE) if match["path"] == path)
    assert squeezed(shown) == squeezed((ROOT / path).read_text())


def test_the_page_shows_every_file_of_the_tutorial_that_holds_code() -> None:
    folder = ROOT / "examples" / "cosmos-storyboard"
    code = {str(p.relative_to(ROOT)) for p in folder.rglob("*.py") if p.name != "__init__.py"}
    assert code | {"examples/cosmos-storyboard/pyproject.toml"} <= {m["path"] for m in SHOWN.finditer(PAGE)}


def test_the_page_s_own_code_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "street.mp4")
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "cosmos-storyboard"))
    blocks = [match["code"] for match in BLOCK.finditer(PAGE)]
    assert blocks
    for code in blocks:
        exec(compile(code, "docs/plugins.md", "exec"), {})
    typed, raw = capsys.readouterr().out.splitlines()[-2:]
    assert typed == raw


def test_the_page_names_every_hook_with_its_arguments() -> None:
    for name, hook in vars(Spec).items():
        if not name.startswith("_"):
            arguments = ", ".join(hook.__code__.co_varnames[1 : hook.__code__.co_argcount])
            assert f"| `{name}({arguments})` |" in PAGE
