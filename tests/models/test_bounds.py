"""A plugin that does not come back, or ends the program, is stopped and named; who calls it goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from textwrap import dedent, indent
from typing import Any

import pytest

from cosmos_core import Job, PluginError, Request
from cosmos_core.models import Model, Models, bounds, guards, loading

REQUEST: Request[Any] = Request(id="rs_1", model="slow", toolkit="plain")
Load = Callable[[str], Model]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "TICK_S", 0.01)
    monkeypatch.setattr(guards, "SECONDS", dict.fromkeys(guards.HOOKS, 0.1))
    monkeypatch.setattr("cosmos_core.models.model.SECONDS", guards.SECONDS)
    monkeypatch.setattr(loading, "IMPORT_S", 0.2)


@pytest.fixture
def load(install: Any, plain_source: str) -> Load:
    def load(hooks: str) -> Model:
        body = indent(dedent(hooks), "    ")
        install("slow-one", f"{plain_source}\nclass Slow(Plain):\n{body}\nslow = Slow()", models={"slow": "slow"})
        return Models()["slow"]

    return load


LOOPS = {
    "counts for ever": "while True: pass",
    "sleeps for ever": "__import__('time').sleep(10_000)",
    "waits for an answer that never comes": """
        here, there = __import__('socket').socketpair()
        with here, there:
            here.recv(1)
        """,
    "waits for a lock": "lock = __import__('threading').Lock(); lock.acquire(); lock.acquire()",
    "tries again whatever happens": """
        for _ in range(2):
            try:
                __import__('time').sleep(10_000)
            except BaseException:
                pass
        while True: pass
        """,
}


@pytest.mark.parametrize("way", LOOPS)
def test_a_hook_that_does_not_come_back_is_stopped_with_its_line(load: Load, way: str) -> None:
    body = indent(dedent(LOOPS[way]), "    ")
    model = load(f"@hookimpl\ndef convert_inputs(self, job):\n{body}")
    with pytest.raises(
        PluginError, match=r"slow-one 1.0\) took longer than 0.1 s in convert_inputs \(.*slow_one.py:\d"
    ):
        model.convert_inputs(Job.of(REQUEST))
    assert model.validate_inputs(REQUEST) == ()


def test_a_hook_is_stopped_in_any_thread(load: Load) -> None:
    model = load("@hookimpl\ndef validate_inputs(self, request):\n    while True: pass")
    caught = []

    def ask() -> None:
        try:
            model.validate_inputs(REQUEST)
        except PluginError as error:
            caught.append(error.message)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(caught) == 3
    assert all("took longer than 0.1 s in validate_inputs" in words for words in caught)


def test_a_loop_in_the_reader_of_log_lines_costs_the_progress_and_not_the_run(
    load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    reader = "    def read(line):\n        while line: pass\n    return read"
    model = load(f"@hookimpl\ndef follow_progress(self, job):\n{reader}")
    read = model.follow_progress(Job.of(REQUEST))
    assert [read("step 1"), read("step 2")] == [None, None]
    assert "took longer than 0.1 s in follow_progress" in caplog.text


def test_what_is_in_time_is_never_struck(load: Load) -> None:
    model = load("@hookimpl\ndef validate_inputs(self, request):\n    for _ in range(50): pass\n    return ()")
    for _ in range(20_000):
        model.validate_inputs(REQUEST)
    assert not bounds.struck


def test_calls_that_end_just_as_their_time_does_are_struck_inside_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "TICK_S", 0.001)
    bound = bounds.Bound(0.002, "spinning")
    ended = []

    def spin(until: float) -> None:
        while time.perf_counter() < until:
            pass

    def call_often() -> None:
        for tenths in range(100):
            with suppress(bounds.Overtime):
                bounds.within(bound, bounds.within, bound, spin, time.perf_counter() + tenths % 40 / 10_000)
            ended.append(tenths)
            spin(time.perf_counter() + 0.0002)

    threads = [threading.Thread(target=call_often) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ended) == 300
    assert not bounds.struck


def test_an_extension_that_never_finishes_its_import_is_left_out(
    install: Any, plain_source: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "_SLOW_IMPORT_S", 0.05)
    install("fine-one", plain_source, models={"fine": "plain"})
    install("house-rules", "while True: pass", extensions={"rules": "rules"})
    assert Models()["fine"].info.title == "Plain"
    assert "still importing the extension 'rules' (house-rules 1.0)" in caplog.text
    assert "took longer than 0.2 s to load house_rules:rules" in caplog.text
    assert "house_rules.py:1); it is left out" in caplog.text


def test_a_hook_cannot_end_the_program(load: Load) -> None:
    model = load("@hookimpl\ndef convert_inputs(self, job): __import__('os')._exit(0)")
    with pytest.raises(PluginError, match=r"tried to end the whole program in convert_inputs, by os._exit\(0\)"):
        model.convert_inputs(Job.of(REQUEST))


def test_a_child_of_a_hook_may_end(load: Load) -> None:
    model = load("""
        @hookimpl
        def validate_inputs(self, request):
            import os
            if (child := os.fork()) == 0:
                os._exit(7)
            ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            return [Problem(field="child", message=str(ended), hint="", code="ended")]
        """)
    assert [problem.message for problem in model.validate_inputs(REQUEST)] == ["7"]


def test_the_program_itself_and_its_children_may_end(load: Load) -> None:
    load("pass").validate_inputs(REQUEST)  # from here on os._exit is watched
    if (child := os.fork()) == 0:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    program = """
        from cosmos_core.models.bounds import Bound, within
        within(Bound(1, "nothing"), int)
        import os
        os._exit(6)
        """
    assert subprocess.run([sys.executable, "-c", dedent(program)], check=False).returncode == 6


def test_a_crash_in_c_names_the_plugins_line(install: Any, site: Any) -> None:
    install("house-rules", "import ctypes\nctypes.string_at(0)", extensions={"rules": "rules"})
    program = f"import sys; sys.path[:0] = [{str(site)!r}]; from cosmos_core.models import Models; Models().report()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode < 0
    assert 'house_rules.py", line 2 in <module>' in done.stderr


@pytest.mark.parametrize("error", ["__import__('asyncio').CancelledError", "GeneratorExit", "BaseException('x')"])
def test_every_exception_of_a_hook_is_fenced(load: Load, error: str) -> None:
    model = load(f"@hookimpl\ndef convert_inputs(self, job): raise {error}")
    with pytest.raises(PluginError, match=r"slow-one 1.0\) failed in convert_inputs: "):
        model.convert_inputs(Job.of(REQUEST))
