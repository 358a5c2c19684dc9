"""A host that lies at the wire: a real sshd whose shell changes what is answered. In words, in bounds, or right."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import listing
from real_parts import HostFolder, MakeSshd, SshHome
from real_processes import patient

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Span, Tree
from cosmos_core.targets.jobdir import JobDir
from cosmos_core.targets.overview import look_over
from cosmos_core.targets.ssh import SshHost, frames

LIAR = """
import os, re, subprocess, sys
place, out = sys.argv[1], sys.stdout.buffer
lie = open(place).read()
shell = subprocess.Popen(["sh", "-c", os.environ["SSH_ORIGINAL_COMMAND"]], stdout=subprocess.PIPE)
def flood(what):
    while True:
        out.write(what * 65536)
if lie == "noise":
    flood(b"welcome\\n")
while chunk := os.read(shell.stdout.fileno(), 65536):
    lie = open(place).read()
    if lie == "flood":
        out.write(chunk[:33])
        flood(b"answer\\n")
    if lie == "sizes":
        chunk = re.sub(rb"(?m)^[0-9]+( [0-9a-f]+ [0-9]+ [0-9]{4}-)", rb"-7\\1", chunk)
    if lie == "huge sizes":
        chunk = re.sub(rb"(?m)^[0-9]+( [0-9a-f]+ [0-9]+ [0-9]{4}-)", rb"99999999999999999999999\\1", chunk)
    if lie == "modes":
        chunk = re.sub(rb"(?m)^([0-9]+) [0-9a-f]+( [0-9]+ [0-9]{4}-)", rb"\\1 mode\\2", chunk)
    if lie == "times":
        chunk = re.sub(rb"(?m)^([0-9]+ [0-9a-f]+) [0-9]+( [0-9]{4}-)", rb"\\1 999999999999999999\\2", chunk)
    if lie == "up":
        chunk = chunk.replace(b"/outputs/a", b"/outputs/../../../a")
    if lie == "elsewhere":
        chunk = re.sub(rb" /[^ ]*/outputs/a", rb" /etc/passwd", chunk)
    if lie == "codes":
        chunk = re.sub(rb"([0-9a-f]{32}) [0-9]+\\n", rb"\\1 zero\\n", chunk)
    if lie == "huge codes":
        chunk = re.sub(rb"([0-9a-f]{32}) [0-9]+\\n", rb"\\1 " + b"9" * 5000 + rb"\\n", chunk)
    if lie == "twice":
        chunk = re.sub(rb"(?m)^([0-9a-f]{32}.*\\n)", rb"\\1\\1", chunk)
    if lie == "steering":
        chunk = chunk.replace(b"\\n", b"\\x1b]0;x\\x07\\n")
    if lie == "gone":
        break
    out.write(chunk)
    out.flush()
"""

LIES = (
    "sizes", "huge sizes", "modes", "times", "up", "elsewhere", "codes", "huge codes", "twice", "steering",
    "flood", "gone",
)  # fmt: skip


@pytest.fixture
def liar(sshd: MakeSshd, ssh_home: SshHome, host_folder: HostFolder) -> Callable[[str], None]:
    """Says which lie is told from now on; the host is true until then."""
    script, lie = host_folder.path / "liar.py", host_folder.path / "lie"
    script.write_text(LIAR)
    lie.write_text("none")
    ssh_home.lead_to(sshd(f"ForceCommand /usr/bin/python3 {script} {lie}"))
    return lambda what: lie.write_text(what) and None


def in_words(ask: Callable[[], object]) -> object:
    """What is answered; a host that is the trouble says so. In time and memory that are there."""
    began, memory = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        return ask()
    except TargetUnusable as error:
        return error
    finally:
        assert time.monotonic() - began < patient(60)
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) >> 10 < 700


@pytest.mark.parametrize("lie", LIES)
def test_every_question_is_answered_rightly_or_refused_in_words(
    liar: Callable[[str], None],
    host_folder: HostFolder,
    tmp_path: Path,
    lie: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frames, "MOST", 64 << 20)
    there = host_folder.of(host_folder.accounts["ada"])
    path = f"{there}/jobs/jb_x"
    files = [("outputs/a.mp4", b"four", 0o600), ("run.log", b"log", 0o600), ("exit_code", b"0\n", 0o600)]
    ada = SshHost("ada", connect_timeout=10)
    try:
        ada.lay_out(path, Tree(folders=["outputs"], files=[*files, ("job.sh", b"echo ended 0\n", 0o700)]))
        assert ada.list(f"{path}/outputs") == {"a.mp4": 4}
        before = listing(tmp_path.parent, there.parent, keep=(there,))
        liar(lie)
        listed = in_words(lambda: ada.list(f"{path}/outputs"))
        assert isinstance(listed, TargetUnusable) or set(listed) <= {"a.mp4"}  # type: ignore[call-overload]
        in_words(lambda: ada.stat([f"{path}/run.log", f"{path}/none"]))
        in_words(lambda: ada.read([Span(f"{path}/run.log"), Span(f"{path}/exit_code", 0, 16)]))
        in_words(lambda: ada.run(["true"]))
        job = JobDir(host=ada, path=path, job_id="jb_x")
        in_words(job.look)
        in_words(job.marks)
        in_words(job.started_at)
        if lie != "flood":
            in_words(lambda: look_over(ada, work_dir=str(there), lock_dir="/none", docker=None, folders=(), patience=5))
            in_words(lambda: ada.get({f"{path}/outputs/a.mp4": tmp_path / "here" / "a.mp4"}))
        after = listing(tmp_path.parent, there.parent, keep=(there,))
        new = after.keys() - before.keys()
        assert {Path(one).name for one in new} <= {"here", "a.mp4", "lie"}
    finally:
        ada.close()


def test_a_shell_that_never_ends_to_greet(liar: Callable[[str], None]) -> None:
    liar("noise")
    ada = SshHost("ada", connect_timeout=10)
    try:
        for _ in range(2):
            seen = in_words(lambda: ada.stat(["/"]))
            assert isinstance(seen, TargetUnusable)
            assert "MiB" in seen.message
            assert "login shell" in seen.hint
    finally:
        ada.close()
