"""An answer is found whatever is said around it, and however it is cut into pieces."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmos_core.targets.ssh.frames import BOOTSTRAP, SHELL, Framed, Question, chunks, quote

noise = st.binary(max_size=80)
cuts = st.lists(st.integers(1, 90), max_size=12)
SCRIPT = "printf 'out\\0\\n\\nx'; printf err >&2; exit 7"


LOGIN_SHELLS = [name for name in ("sh", "bash", "tcsh", "fish", "zsh", "ksh") if shutil.which(name)]


def said_by(stdin: bytes, login_shell: str = "sh") -> tuple[bytes, bytes]:
    """What is said by a shell that a login shell starts, as on a host."""
    done = subprocess.run([login_shell, "-c", BOOTSTRAP], input=stdin, capture_output=True, check=False)
    return done.stdout, done.stderr


def pieces(data: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


@given(noise, noise, noise, cuts, cuts)
def test_framed(before: bytes, complaints: bytes, after: bytes, out_cuts: list[int], err_cuts: list[int]) -> None:
    framed = Framed(f"( {SCRIPT} )")
    out, err = said_by(framed.once + b"echo never; rm -rf /never\n")
    streams = (pieces(before + out + after, out_cuts), pieces(complaints + err + after, err_cuts))
    got = [framed.feed(*pair) for pair in itertools.zip_longest(*streams, fillvalue=b"")]
    assert framed.ended
    assert framed.exit_code == 7
    assert b"".join(out for out, _ in got) == b"out\0\n\nx"
    assert b"".join(err for _, err in got) == b"err"


@given(noise, noise, cuts)
def test_question(before: bytes, complaints: bytes, sizes: list[int]) -> None:
    question = Question(SCRIPT)
    out, err = said_by(f"{SHELL}\n{question.line}\n".encode())
    assert err == b""
    question.feed(b"", complaints)
    left = len(before + out)
    for piece in pieces(before + out, sizes):
        question.feed(piece, b"")
        left -= len(piece)
        assert question.ended is (left == 0)
    assert (question.answer.exit_code, question.answer.out, question.answer.err) == (7, b"out\0\n\nx", b"err")


@pytest.mark.parametrize("login_shell", LOGIN_SHELLS)
def test_login_shells(login_shell: str) -> None:
    framed = Framed(f"( {SCRIPT} )")
    assert framed.feed(*said_by(framed.once, login_shell)) == (b"out\0\n\nx", b"err")
    assert framed.ended


def test_an_answer_that_is_not_all_there() -> None:
    framed, question = Framed("( : )"), Question(":")
    out, err = said_by(framed.once)
    framed.feed(out[:-1], err)
    assert framed.begun
    assert not framed.ended
    question.feed(b"nologin: go away", b"")
    assert not question.begun
    assert question.noise == "nologin: go away"


def test_words_for_a_shell() -> None:
    assert "\n" not in quote("a\nb\n")
    with pytest.raises(ValueError, match="NUL"):
        quote("a\0b")
    words = ["x" * 40_000] * 7
    assert [len(chunk) for chunk in chunks(words)] == [2, 2, 2, 1]
    assert list(chunks([])) == []
