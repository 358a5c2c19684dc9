"""Around a command: streams that are closed, full or cut off, plugins that print, Ctrl-C at any time, locales."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FULL_DISK = "error: cannot write to standard output: no space left on device\n"
QUICK = ("--set", "num_steps=1", "--progress", "plain")


def in_shell(shell, redirects, *args):
    """A command whose streams a shell redirects."""
    argv = ["sh", "-c", f'exec "$@" {redirects}', "sh", *shell.argv(*args)]
    return subprocess.run(
        argv, cwd=shell.cwd, env=shell.environ, capture_output=True, text=True, timeout=60, check=False
    )


def newest(shell):
    return shell.json("show", "@last")["status"]


def test_a_run_with_every_stream_closed_completes(cosmos, transfer):
    done = in_shell(cosmos, "<&- >&- 2>&-", "run", *transfer, *QUICK)

    assert done.returncode == 0
    assert newest(cosmos) == "completed"
    # no file of ours took the number of a stream, to be written into
    assert (cosmos.home / "cosmos.db").read_bytes().startswith(b"SQLite format 3\0")


@pytest.mark.parametrize(("closed", "out", "err"), [("<&-", True, True), (">&-", False, True), ("2>&-", True, False)])
def test_a_closed_stream_is_like_the_null_device(cosmos, closed, out, err):
    told = in_shell(cosmos, closed, "list", "runs", "--json")
    refused = in_shell(cosmos, closed, "list", "walks")

    assert (told.returncode, bool(told.stdout), told.stderr) == (0, out, "")
    assert (refused.returncode, "walks" in refused.stderr) == (2, err)


def test_a_text_from_a_closed_stream_is_an_empty_one(cosmos):
    done = in_shell(cosmos, "<&-", "run", "--model", "transfer", "-", "--video", "street.mp4", "--weights.edge", "1")

    assert (done.returncode, "text" in done.stderr) == (3, True)


def test_a_full_disk_takes_the_answer_and_not_the_run(cosmos, transfer):
    done = in_shell(cosmos, "> /dev/full", "run", *transfer, *QUICK[:2], "--progress", "none", "--json")

    assert (done.returncode, done.stderr) == (4, FULL_DISK)
    assert newest(cosmos) == "completed"
    assert in_shell(cosmos, "> /dev/full", "list", "runs").stderr == FULL_DISK
    assert in_shell(cosmos, "> /dev/full", "--help").stderr == FULL_DISK
    refused = in_shell(cosmos, "> /dev/full", "show", "rs_zzzzzzzz", "--json")
    assert (refused.returncode, refused.stderr) == (5, FULL_DISK)  # the command's own end is kept
    assert in_shell(cosmos, "2> /dev/full", "list", "walks").returncode == 2


def test_a_reader_of_the_progress_that_goes_away_does_not_end_the_run(cosmos, transfer):
    done = in_shell(cosmos, "2>&1 | head -n 1", "run", *transfer, *QUICK)

    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""
    assert newest(cosmos) == "completed"


def test_a_reader_of_the_answer_that_goes_away_ends_the_command_quietly(used):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        argv = used.argv("list", "runs")
        done = subprocess.run(
            argv, cwd=used.cwd, env=used.environ, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (141, "")


# -- plugins that print --------------------------------------------------------------------------------------------

NOISE = """
import atexit, logging, os, subprocess, sys, threading
log = logging.getLogger("noise")

def make_noise(when):
    print("LOUD by print", when)
    sys.stdout.write("LOUD by write\\n")
    sys.stdout.buffer.write(b"LOUD by buffer\\n")
    sys.__stdout__.write("LOUD by the old name\\n")
    os.write(1, b"LOUD by descriptor\\n")
    subprocess.run(["echo", "LOUD by a child"])
    log.warning("LOUD by logging")
    thread = threading.Thread(target=print, args=("LOUD by a thread",))
    thread.start()
    thread.join()
"""
LOUD = """
logging.basicConfig(stream=sys.stdout, level="DEBUG")
make_noise("at import")
atexit.register(print, "LOUD at exit")
from cosmos_core import PYTHON, Bundle, Command, ModelInfo, NoParameters, Toolkit, hookimpl, parameter
from attrs import frozen

@frozen(kw_only=True)
class Parameters:
    depth: int = parameter(1, help="how deep")

class Loud:
    @hookimpl
    def describe(self):
        make_noise("in describe")
        return ModelInfo(title="say", toolkits=(Toolkit(name="say", parameters=Parameters),))
    @hookimpl
    def convert_inputs(self, job):
        make_noise("in convert_inputs")
        return Bundle()
    @hookimpl
    def choose_script(self, job, bundle):
        return Command(argv=(PYTHON, "-c", "print(1)"))
plugin = Loud()
"""
CHATTY = """
from cosmos_core import hookimpl
class Chatty:
    @hookimpl(wrapper=True)
    def convert_inputs(self, job):
        make_noise("in a wrapper")
        return (yield)
plugin = Chatty()
"""


def installed(folder, package, group, name, code):
    """A package in a folder of PYTHONPATH."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"{package}.py").write_text(NOISE + code)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {package}:plugin\n")


@pytest.mark.parametrize(
    "args",
    [
        ("models", "say"),
        ("plugins",),
        ("run", "--model", "transfer", "x", "--video", "street.mp4", "--weights.edge", "1", "--dry-run"),
    ],
    ids=lambda args: args[0],
)
def test_what_plugins_print_is_no_part_of_a_document(cosmos, tmp_path, args):
    installed(tmp_path / "site", "loud", "cosmos.models", "say", LOUD)
    installed(tmp_path / "site", "chatty", "cosmos.extensions", "chatty", CHATTY)

    told = cosmos(*args, "--json", PYTHONPATH=str(tmp_path / "site"))

    assert told.code == 0, told.err
    assert "LOUD" not in told.out
    assert isinstance(told.document, dict)
    ways = ("print", "write", "buffer", "the old name", "descriptor", "a child", "a thread")
    assert all(f"LOUD by {way}" in told.err for way in ways)


def test_what_plugins_print_is_not_completed(cosmos, tmp_path):
    installed(tmp_path / "site", "loud", "cosmos.models", "say", LOUD)
    words = {"_COSMOS_COMPLETE": "bash_complete", "COMP_LINE": "cosmos run --model say --set "}

    told = cosmos(PYTHONPATH=str(tmp_path / "site"), **words)

    assert [line.rpartition(",")[2] for line in told.out.splitlines()] == ["depth="]


# -- Ctrl-C --------------------------------------------------------------------------------------------------------

INTERRUPT = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["INTERRUPT_AT"]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""
COMPLETING = {"_COSMOS_COMPLETE": "bash_complete", "COMP_WORDS": "cosmos show ", "COMP_CWORD": "2"}


@pytest.mark.parametrize(
    ("module", "env"),
    [
        ("click", {}),
        ("cosmos_core.cli.neutral", {}),
        ("cosmos_core.cli.listing", {}),
        ("sqlalchemy", {}),
        ("click.shell_completion", COMPLETING),
        ("sqlite3", COMPLETING),
    ],
)
def test_ctrl_c_while_a_command_still_loads(cosmos, tmp_path, module, env):
    (tmp_path / "sitecustomize.py").write_text(INTERRUPT)

    told = cosmos("list", "runs", PYTHONPATH=str(tmp_path), INTERRUPT_AT=module, **env)

    assert (told.code, told.out) == (130, "")
    assert told.err.strip() in ("", "interrupted")


# -- locales -------------------------------------------------------------------------------------------------------


def test_a_command_line_in_utf8_is_understood_in_any_locale(cosmos):
    (cosmos.cwd / "street.mp4").rename(cosmos.cwd / "Straße.mp4")
    narrow = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    args = ("create", "prompt", "--model", "transfer", "Köln, 雨", "--video", "Straße.mp4", "--weights.edge", "1")

    stored = cosmos.json(*args, **narrow)

    assert stored["prompt_text"] == "Köln, 雨"
    assert stored["inputs"][0]["name"] == "Straße.mp4"


def test_bytes_that_are_no_utf8_are_left_to_the_locale(cosmos):
    argv = [os.fsencode(word) for word in cosmos.argv("show")]
    done = subprocess.run([*argv, b"K\xf6ln"], cwd=cosmos.cwd, env=cosmos.environ, capture_output=True, check=False)

    assert done.returncode in (2, 5)
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_line_on_standard_error_is_there_at_once(cosmos, unbuffered):
    code = (
        "import os, sys; from cosmos_core.cli.streams import settle; from cosmos_core.cli.screen import say;"
        "settle(own=True); say('there', sys.stderr); os._exit(0)"
    )
    env = {**cosmos.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stderr == "there\n"
