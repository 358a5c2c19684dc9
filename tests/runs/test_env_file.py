"""`env_file`: read as its author meant it, and found wrong before anything is stored or sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from run_life import Home

from cosmos_core.config import Target
from cosmos_core.errors import ConfigError
from cosmos_core.runs.secrets import check_env_file, quoted_in, secrets_of

Lab = Callable[[bytes], Target]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A target with this env_file."""

    def made(content: bytes) -> Target:
        (tmp_path / "lab.env").write_bytes(content)
        return Target(name="lab", work_dir="/w", env_file=str(tmp_path / "lab.env"))

    return made


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b'A="hf abc"', "hf abc"),
        (b"A='hf \"abc\"'", 'hf "abc"'),
        (b'A= "x" ', "x"),
        (b'A=""', ""),
        (b"A=it's", "it's"),
        (b'A={"b": "c"}', '{"b": "c"}'),
        (b"A= x", " x"),
        (b"\xef\xbb\xbfA=x", "x"),
        (b"A=x\r", "x"),
    ],
)
def test_a_value_is_what_was_meant(lab: Lab, line: bytes, value: str) -> None:
    target = lab(line + b"\n# a comment\n")
    assert secrets_of(target) == {"A": value}
    quoted = line.partition(b"=")[2].strip()[:1] in (b"'", b'"')
    assert bool(quoted_in(target)) is quoted


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'OK=1\nA="hf_abc\n', "lab.env, line 2 has quotes"),
        (b'OK=1\nA="hf_abc" # mine\n', "lab.env, line 2 has quotes"),
        (b'A="a" "b"\n', "lab.env, line 1 has quotes"),
        (b"export A=hf_abc\n", "lab.env, line 1 is no NAME=VALUE"),
        ("A=hf_abc\n".encode("utf-16"), "lab.env is UTF-16, not UTF-8"),
        (b"A=hf_abc\xff\n", "lab.env is not UTF-8 text: line 1"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(lab: Lab, content: bytes, words: str) -> None:
    for read in (secrets_of, check_env_file):
        with pytest.raises(ConfigError, match=r"targets\.lab\.env_file: ") as refused:
            read(lab(content))
        assert words in refused.value.message
        assert "hf_abc" not in refused.value.message + refused.value.hint


def test_a_broken_file_is_refused_before_a_run_is_stored(home: Home) -> None:
    (home.folder / "lab.env").write_text('A="hf_abc\n')
    home.configure('[targets.lab]\nenv_file = "lab.env"\n[targets.lab.toolkits."cosmos-transfer2.5"]\nrepo = "/r"\n')
    cosmos = home.cosmos()
    with pytest.raises(ConfigError, match="line 1 has quotes"):
        home.store_run(cosmos)
    assert cosmos.list_runs().total == 0


def test_a_file_that_is_missing_pauses_before_anything_is_sent(home: Home) -> None:
    (home.folder / "repo").mkdir()
    home.configure(
        '[targets.lab]\nwork_dir = "work"\nenv_file = "lab.env"\n'
        '[targets.lab.toolkits."cosmos-transfer2.5"]\nrepo = "repo"\n'
    )
    cosmos = home.cosmos()
    paused = cosmos.execute(home.store_run(cosmos).id)
    assert paused.paused
    assert "lab.env: No such file" in paused.paused.reason
    assert not (home.folder / "work").exists()
