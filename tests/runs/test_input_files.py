"""What is no plain file is refused as an input: it may have no end, and cannot be read a second time."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from cosmos_core import Cosmos, Refused
from cosmos_core.demo import make_clip
from cosmos_core.runs.far import look_at
from cosmos_core.targets.local import LocalHost


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with data of its own."""
    monkeypatch.setenv("COSMOS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def odd(home: Path) -> dict[str, str]:
    """What a path may name that is no file, each with the word for it."""
    os.mkfifo(home / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.mp4")
    (home / "link.mp4").symlink_to("/dev/zero")
    return {
        "/dev/zero": "a device",
        "/dev/null": "a device",
        "link.mp4": "a device",
        "pipe.mp4": "a named pipe",
        "socket.mp4": "a socket",
    }


def refused(cosmos: Cosmos, ref: str) -> tuple[str, str, str]:
    with pytest.raises(Refused) as caught:
        cosmos.create_prompt("transfer", "rain", inputs={"video": ref}, parameters={"weights.edge": 1})
    [problem] = caught.value.problems
    return problem.field, problem.code, problem.message


def test_what_has_no_end_is_no_input(home: Path, odd: dict[str, str]) -> None:
    with Cosmos() as cosmos:
        for name, word in odd.items():
            assert refused(cosmos, name) == ("video", "not_a_file", f"{name} is {word}, and this takes a file")
        here = f"simulator:{home / 'pipe.mp4'}"
        assert refused(cosmos, here)[:2] == ("video", "not_a_file")


def test_nor_is_it_within_a_spec(home: Path, odd: dict[str, str]) -> None:
    spec = {"name": "a", "prompt": "rain", "video_path": "pipe.mp4", "edge": {"control_path": "/dev/zero"}}
    (home / "spec.json").write_text(json.dumps(spec))
    with Cosmos() as cosmos:
        [wish] = cosmos.read_spec(home / "spec.json")
        with pytest.raises(Refused) as caught:
            cosmos.store_prompt(wish)
    assert {(p.field, p.code) for p in caught.value.problems} == {("video", "not_a_file"), ("edge", "not_a_file")}


def test_nor_is_it_on_a_host(home: Path, odd: dict[str, str]) -> None:
    for name in odd:
        with pytest.raises(FileNotFoundError, match="device, a pipe or a socket"):
            look_at(LocalHost(), "lab", str(home / name) if name[0] != "/" else name, None)


def test_a_file_that_became_a_pipe_is_not_waited_for(home: Path) -> None:
    make_clip(home / "street.mp4", frames=4, width=64, height=48)
    with Cosmos() as cosmos:
        prompt = cosmos.create_prompt(
            "transfer", "rain", inputs={"video": "street.mp4"}, parameters={"weights.edge": 1}
        )
        (home / "street.mp4").unlink()
        os.mkfifo(home / "street.mp4")
        with pytest.raises(Refused) as caught:
            cosmos.create_run(prompt.id)
    [problem] = caught.value.problems
    assert "is gone" in problem.message
