"""Sizes and depths: what is too much is refused in words or looked at in parts; time and memory stay in bounds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import warm_cosmos
from hostile import most_memory
from lab import Laptop
from real_processes import patient

from cosmos_core.models.progress import read_marked
from cosmos_core.runs.log import LONGEST, Lines, LogCopy
from cosmos_core.values import Result

MakeLaptop = Callable[..., Laptop]

GIB = 1 << 30
MANY = int(os.environ.get("HOSTILE_FILES", "20000"))
"""Files below outputs/; the long mode takes a million."""

LONG_LOG = int(os.environ.get("HOSTILE_LOG_GIB", "1"))
"""GiB of a log; the long mode takes ten."""

PEAK = "int(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0]) >> 10"
"""The most memory that a program had, in MiB. What getrusage tells is that of the process it was started by, too."""

MEASURED = (
    "import sys; from pathlib import Path; from cosmos_core.cli.main import main; code = main(sys.argv[1:]);"
    f"print({PEAK}, file=sys.stderr); sys.exit(code)"
)
"""A command that tells its memory as its last word."""


def measured(mine: Laptop, *words: str | Path, stdin: bytes = b"", seconds: float = 100) -> tuple[int, str, int]:
    """A command: its exit code, what it complained of, and the most memory it had, in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, words)],
        env=mine.environ,
        cwd=mine.folder,
        input=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=seconds,
        check=False,
    )
    return told(done.returncode, done.stderr.decode("utf-8", "replace"))


def told(code: int, err: str) -> tuple[int, str, int]:
    """The exit code, the complaints and the memory of a measured command."""
    *said, memory = err.splitlines()
    return code, "\n".join(said), int(memory)


def refused(mine: Laptop, *words: str | Path) -> str:
    """A command that is refused in words; what it said."""
    done = warm_cosmos.run(list(map(str, words)), cwd=mine.folder, env=mine.environ, code=MEASURED)
    code, said, memory = told(done.returncode, done.stderr)
    assert code in (2, 3), (code, said[-500:])
    assert "Traceback" not in said
    assert "RecursionError" not in said
    assert "unforeseen" not in said
    assert len(said) < 5000
    assert memory < 500
    return said


# -- depth -------------------------------------------------------------------------------------------------------------

DEPTHS = (60, 500, 900, 990, 1000, 5000, 200_000)


@pytest.fixture
def mine(laptop: MakeLaptop) -> Laptop:
    """A laptop that simulates."""
    return laptop()


@pytest.mark.parametrize(
    ("key", "depth"),
    [
        *(("seed", depth) for depth in DEPTHS),
        *(
            (key, depth)
            for key in ("guided_generation_foreground_labels", "edge", "prompt", "name")
            for depth in (500, 990, 200_000)
        ),
    ],
)
def test_a_deep_spec_is_refused_in_words(mine: Laptop, depth: int, key: str) -> None:
    deep = "[" * depth + "]" * depth
    spec = mine.folder / "spec.json"
    spec.write_text(f'{{"video_path": "{mine.clip}", "prompt": "rain", "name": "x", "{key}": {deep}}}')
    if key in ("prompt", "name"):
        spec.write_text(f'{{"video_path": "{mine.clip}", "{key}": {deep}}}')
    refused(mine, "run", "--model", "transfer", "--spec", spec)
    refused(mine, "run", "--spec", spec)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_deep_value_is_refused_in_words(mine: Laptop, depth: int) -> None:
    file = mine.folder / "deep.json"
    for text in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        file.write_text(text)
        for key in ("guided_generation_foreground_labels", "seed", "weights", "nonsense"):
            said = refused(mine, "run", "--model", "transfer", "rain", "--video", mine.clip, "--set", f"{key}=@{file}")
            assert key in said


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_deep_configuration_is_refused_in_words(mine: Laptop, depth: int) -> None:
    for line in (
        f"default_target = {'[' * depth}{']' * depth}",
        f"[targets.x]\nwork_dir = {'[' * depth}{']' * depth}",
        f'[targets.x.toolkits."cosmos-transfer2.5"]\nsomething = {"[" * depth}{"]" * depth}',
        f"default_target{'.a' * min(depth, 5000)} = 1",  # tomllib takes its time for more
        f"a = {'{a=' * depth}1{'}' * depth}",
    ):
        mine.config.write_text(line + "\n")
        for words in (("config",), ("run", "--model", "transfer", "x")):
            if "something" not in line or words[0] == "run":
                refused(mine, *words)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_deep_line_in_a_log_is_a_line_like_any_other(depth: int) -> None:
    for text in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        read_marked(f"@cosmos {text}")
    assert read_marked('@cosmos {"fraction": [[[]]]}') is not None


# -- long texts and files ----------------------------------------------------------------------------------------------


def test_texts_from_files_without_an_end_are_refused_in_words(mine: Laptop) -> None:
    huge = mine.folder / "huge.txt"
    with huge.open("wb") as file:
        file.truncate(10 * GIB)
    for words in (("@/dev/zero",), (f"@{huge}",), ("x", "--set", f"negative_prompt=@{huge}")):
        said = refused(mine, "run", "--model", "transfer", *words, "--video", mine.clip, "--weights.edge", "1")
        assert "holds more than 16 MiB" in said
    (mine.folder / "spec.json").symlink_to(huge)
    assert "more than 64 MiB" in refused(mine, "run", "--spec", mine.folder / "spec.json")
    code, said, memory = measured(
        mine, "run", "--model", "transfer", "-", "--video", mine.clip, stdin=b"x" * (20 << 20)
    )
    assert code == 3
    assert "standard input holds more than 16 MiB" in said
    assert memory < 500


def test_a_spec_that_names_a_prompt_without_an_end_is_refused_in_words(mine: Laptop) -> None:
    pipe = mine.folder / "pipe.txt"
    os.mkfifo(pipe)
    for path in ("/dev/zero", str(pipe), "pipe.txt"):
        (mine.folder / "spec.json").write_text(
            json.dumps({"video_path": str(mine.clip), "name": "x", "prompt_path": path, "edge": {}})
        )
        assert "plain file" in refused(mine, "run", "--spec", mine.folder / "spec.json")


def test_a_text_of_a_megabyte_goes_its_way(mine: Laptop) -> None:
    file = mine.folder / "long.txt"
    file.write_text("rain " * 200_000)
    code, said, memory = measured(
        mine, "run", "--model", "transfer", f"@{file}", "--video", mine.clip, "--weights.edge", "1"
    )
    assert code == 0, said
    assert memory < 400
    for words in (("list", "runs"), ("show", "@last")):
        code, _, memory = measured(mine, *words)
        assert code == 0
        assert memory < 300


# -- logs --------------------------------------------------------------------------------------------------------------


def peak() -> int:
    """The most memory that this process ever had, in MiB."""
    return most_memory(os.getpid())


def test_a_line_without_an_end_is_seen_by_its_beginning() -> None:
    before, began, lines = peak(), time.monotonic(), Lines()
    found = list(lines.feed(b"first\n" + b"start "))
    for _ in range(256):
        found += lines.feed(b"x" * (1 << 20))
    found += lines.feed(b"\nlast\n")
    assert found[0] == "first"
    assert found[1] == ("start " + "x" * LONGEST)[:LONGEST]
    assert found[2] == "last"
    assert len(found) == 3
    assert peak() - before < 50
    assert time.monotonic() - began < patient(30)


def test_lines_however_they_are_cut_are_the_same() -> None:
    data = b"".join(b"%d" % number * 9000 + b"\r\n" * (number % 3) + b"\r" for number in (0, 7, 12, 305))
    whole = list((one := Lines()).feed(data)) + list(one.rest())
    for size in (7, 1000, 65536):
        lines, found = Lines(), []
        for at in range(0, len(data), size):
            found += lines.feed(data[at : at + size])
        assert found + list(lines.rest()) == whole


def test_a_plugin_is_given_a_log_of_gigabytes_in_two_parts(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    with log.open("wb") as file:
        file.write(b"first line\r\n")
        file.seek(LONG_LOG * GIB)
        file.write(b"last line\n")
    before = peak()
    text = Result(files={}, folder=tmp_path, log=log, exit_code=0).text()
    assert text.startswith("first line\n")
    assert text.endswith("last line\n")
    assert "bytes are left out here]" in text
    assert len(text) < 17 << 20
    assert peak() - before < 200
    for size in (0, 1, 8 << 20, (8 << 20) + 1, 16 << 20, (16 << 20) + 1):
        log.write_bytes(b"a" * size)
        assert len(Result(files={}, folder=tmp_path, log=log, exit_code=0).text()) - size in (0, 28)


def test_a_run_whose_log_is_gigabytes_ends_and_can_be_looked_at(laptop: MakeLaptop) -> None:
    """A hole in the log: gigabytes without an end of a line, which take no room on the disk of the host."""
    mine = laptop()
    cosmos = mine.cosmos()
    run = mine.store_run(cosmos)
    cosmos.start(run.id)
    job = Path(cosmos.store.job(cosmos.store.run(run.id).job_id or "").dir)
    from lab import until

    until(lambda: (job / "exit_code").exists())
    with (job / "run.log").open("ab") as file:
        file.truncate(LONG_LOG * GIB)
        file.seek(0, os.SEEK_END)
        file.write(b"\nthe end\n")
    began = time.monotonic()
    code, said, memory = measured(mine, "attach", run.id, seconds=100 * LONG_LOG)
    assert code == 0, said
    assert memory < 400
    copy = LogCopy(mine.folder / "home" / "outputs" / run.id / "run.log")
    assert copy.offset == (job / "run.log").stat().st_size
    took = time.monotonic() - began
    code, _, memory = measured(mine, "logs", run.id, seconds=100 * LONG_LOG)
    assert code == 0
    assert memory < 300
    print(f"a log of {LONG_LOG} GiB: {took:.1f} s to follow, {memory} MiB to print")


# -- many files --------------------------------------------------------------------------------------------------------


def test_many_files_are_listed_in_bounds(tmp_path: Path) -> None:
    """Time and memory grow with the number of files, and no faster; a process of its own, so that memory tells."""
    program = (
        "import sys, time; from pathlib import Path; from cosmos_core.targets.local import LocalHost;"
        "began = time.monotonic(); found = LocalHost().list(sys.argv[1]); print(len(found), time.monotonic() - began,"
        f"{PEAK})"
    )
    took: dict[int, tuple[float, int]] = {}
    for count in (MANY // 10, MANY):
        folder = tmp_path / str(count)
        for number in range(count):
            if number % 1000 == 0:
                (folder / f"{number // 1000:05}").mkdir(parents=True)
            (folder / f"{number // 1000:05}" / f"frame-{number:09}.png").touch()
        said = subprocess.run(
            [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True
        ).stdout.split()
        assert int(said[0]) == count
        took[count] = (float(said[1]), int(said[2]))
    print(f"files: seconds and MiB: {took}")
    assert took[MANY][0] < max(0.5, 30 * took[MANY // 10][0])
    assert took[MANY][1] - took[MANY // 10][1] < 100 + MANY // 2000
