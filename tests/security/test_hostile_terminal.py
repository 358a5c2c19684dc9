"""Whatever is in a prompt, a name, a log or an error: nothing of it steers the terminal; files and pipes keep it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import warm_cosmos
from hostile import POISON, STEERING
from hypothesis import given
from hypothesis import strategies as st
from lab import Laptop
from terminal import Terminal

from cosmos_core.cli.neutral import LogText, neutral, neutral_json, styling

MakeLaptop = Callable[..., Laptop]

# Colours of ours and rich's, and how rich moves a bar; a text that brings any of these brings others of STEERING, too.
OURS = re.compile(r"\x1b\[(\?25[lh]|[0-9;]*[mAKGJ])")
RUN = ("run", "--model", "transfer", "--weights.edge", "0.5", "--progress")


def at_terminal(laptop: Laptop, *words: str | Path, columns: int = 100) -> tuple[int, str]:
    """A command at a terminal: exit code, and every character that came out."""
    environ = {name: value for name, value in laptop.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    programs = laptop.folder.parent / "bin"
    programs.mkdir(exist_ok=True)
    needed = warm_cosmos.on_path(programs)
    argv = [str(programs / "cosmos"), *map(str, words)]
    with Terminal(argv, env=environ, cwd=laptop.folder, columns=columns, inherits=needed) as terminal:
        return terminal.end(60), terminal.raw


def harmless(raw: str) -> None:
    """Assert that nothing but our own styling steers."""
    for steering in STEERING:
        assert steering not in raw, (steering, raw)
    rest = OURS.sub("", raw).replace("\r\n", "\n")
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", rest), rest


@pytest.fixture
def poisoned(laptop: MakeLaptop) -> Laptop:
    """A laptop that knows one run, all of whose texts are hostile, its log among them."""
    mine = laptop()
    clip = mine.folder / f"{POISON.replace('/', '_')}.mp4"
    clip.hardlink_to(mine.clip)
    mine.env |= {"STANDIN_FAIL": ""}
    done = mine(*RUN, "none", POISON, "--video", clip, "--name", POISON, "--tag", POISON)
    assert done.code == 0, done.err
    cosmos = mine.cosmos()
    (run,) = cosmos.list_runs().items
    for log in (mine.folder / "home" / "outputs" / run.id / "run.log", Path(_job(mine, run.id)) / "run.log"):
        with log.open("ab") as file:
            file.write(f"{POISON}\nraw \x9b35m \n".encode() + b"\x9b35m\xff\n")
    return mine


def _job(mine: Laptop, run_id: str) -> str:
    cosmos = mine.cosmos()
    job = cosmos.store.run(run_id).job_id
    assert job
    return cosmos.store.job(job).dir


@pytest.mark.parametrize(
    "words",
    [
        ("list", "runs", "--columns", "id,name,text,tags,result,error"),
        ("list", "prompts", "--columns", "id,text,name,inputs,tags"),
        ("list", "runs", "--json"),
        ("show", "@last"),
        ("show", "@last", "--json"),
        ("show", "@last", "--tree"),
        ("path", "@last"),
        ("fetch", "@last"),
        ("logs", "@last"),
        ("attach", "@last"),
        ("status",),
        ("config",),
        ("plugins",),
    ],
    ids=" ".join,
)
def test_no_command_lets_a_text_steer_the_terminal(poisoned: Laptop, words: tuple[str, ...]) -> None:
    _, raw = at_terminal(poisoned, *words)
    harmless(raw.replace("\x1b[5m", "") if "logs" in words else raw)  # a log keeps its colours
    assert "Traceback" not in raw


def test_what_is_shown_as_json_is_the_same_json(poisoned: Laptop) -> None:
    _, raw = at_terminal(poisoned, "show", "@last", "--json")
    document = json.loads(raw.replace("\r\n", "\n"))
    assert document["name"] == POISON
    assert document["tags"] == [POISON]


def test_a_prompt_is_kept_as_it_is(poisoned: Laptop) -> None:
    (prompt,) = poisoned.cosmos().list_prompts().items
    assert prompt.prompt_text == POISON


def test_a_log_is_kept_and_piped_byte_by_byte(poisoned: Laptop) -> None:
    (run,) = poisoned.cosmos().list_runs().items
    kept = (poisoned.folder / "home" / "outputs" / run.id / "run.log").read_bytes()
    assert POISON.encode() in kept
    argv = [sys.executable, "-m", "cosmos_core", "logs", "@last"]
    piped = subprocess.run(argv, env=poisoned.environ, cwd=poisoned.folder, capture_output=True, check=True)
    assert piped.stdout == kept
    code, raw = at_terminal(poisoned, "logs", "@last")
    assert code == 0
    assert "\\x9b" in raw
    assert "\\x07" in raw
    assert "\x1b[0m" in raw  # whatever colour the log was left in ends with it


@pytest.mark.parametrize(
    "words",
    [
        (POISON,),
        ("run", "--model", POISON, "x"),
        ("run", "--model", "transfer", "x", "--video", POISON),
        ("run", "--model", "transfer", "x", "--set", f"{POISON}={POISON}", "--video", POISON),
        ("run", "--model", "transfer", "x", "--spec", POISON),
        ("run", "--model", "transfer", f"@{POISON}"),
        ("run", "--target", POISON, "--model", "transfer", "x"),
        ("show", POISON),
        ("list", "runs", "--columns", POISON),
        ("list", "runs", "--tag", POISON),
        ("list", "runs", "--since", POISON),
        ("--config", POISON, "list", "runs"),
        ("targets", "check", POISON),
        ("targets", POISON),
        ("logs", POISON),
    ],
    ids=range(15),
)
@pytest.mark.parametrize("more", [(), ("--debug",), ("--json",)], ids=["", "debug", "json"])
def test_no_error_does(laptop: MakeLaptop, words: tuple[str, ...], more: tuple[str, ...]) -> None:
    mine = laptop()
    code, raw = at_terminal(mine, *words, *more)
    if code == 0:
        assert "--tag" in words  # nothing has it
    harmless(raw)


def test_neither_progress_nor_the_last_words_of_a_run_that_failed_do(laptop: MakeLaptop) -> None:
    mine = laptop(STANDIN_FAIL="out_of_memory")
    for progress in ("bar", "plain", "jsonl"):
        _, raw = at_terminal(mine, *RUN, progress, POISON, "--video", mine.clip, "--name", POISON)
        harmless(raw)


def test_several_at_once_do_not_either(laptop: MakeLaptop) -> None:
    """While a bar moves, other words pass it."""
    mine = laptop(STANDIN_STEP_SECONDS="0.01")
    stored = [mine.store_run(mine.cosmos(), text=POISON, name=POISON).id for _ in range(2)]
    code, raw = at_terminal(mine, "inference", *stored)
    assert code == 0
    harmless(raw)


def test_a_hostile_configuration_is_refused_harmlessly(laptop: MakeLaptop) -> None:
    mine = laptop()
    name = json.dumps(POISON)  # TOML's strings are escaped alike, but for what JSON leaves as it is
    quoted = re.sub(r"[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(POISON, ensure_ascii=True))
    mine.config.write_text(f"[targets.{quoted}]\nwork_dir = {quoted}\nnonsense = {quoted}\n", encoding="utf-8")
    assert name
    for words in (("config",), ("targets",), ("status",), ("run", "--model", "transfer", "x")):
        _, raw = at_terminal(mine, *words)
        harmless(raw)


# -- piece by piece ----------------------------------------------------------------------------------------------------

anything = st.text(
    st.characters(exclude_categories=("Cs",)) | st.sampled_from("\x1b[]0123456789;mAKJ\x07\x9b\u202e\r\n")
)


@given(before=anything, after=anything)
def test_only_our_styling_passes(before: str, after: str) -> None:
    shown = neutral(f"{before}{styling('31')}{after}{styling('0')}")
    assert shown.count("\x1b") == 2
    assert "\x1b[31m" in shown
    assert not re.search(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", shown)


@given(text=anything)
def test_json_stays_the_same_json(text: str) -> None:
    shown = neutral_json(json.dumps({text: text}, ensure_ascii=False))
    assert json.loads(shown) == {text: text}
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", shown)


@given(data=st.binary(max_size=200) | anything.map(str.encode), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_a_log_however_it_is_cut_shows_colours_and_nothing_else(data: bytes, cuts: list[int]) -> None:
    log, shown, at = LogText(), "", 0
    for cut in sorted(cuts):
        shown += log.feed(data[at:cut])
        at = max(at, cut)
    shown += log.feed(data[at:], last=True)
    assert shown == LogText().feed(data, last=True)
    rest = re.sub(r"\x1b\[[0-9;:]*m", "", shown)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", rest)


def test_colours_of_a_log_stay(tmp_path: Path) -> None:
    assert LogText().feed(b"\x1b[1;31mred\x1b[0m 5%|\r10%|\n", last=True) == "\x1b[1;31mred\x1b[0m 5%|\r10%|\n\x1b[0m"
