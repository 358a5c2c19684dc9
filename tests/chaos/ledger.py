"""What really ran, as the host's own ledger has it: evidence that nothing of ours has written or read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from attrs import field, frozen
from real_gpus import everybodys_python
from real_session import open_folder

from cosmos_transfer.standin.repository import lay_out

_SHIM = """\
#!/bin/sh
here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd) || exit 127
exec python3 "$here/.ledger/bookkeeper.py" "$here/played/{program}" "$@"
"""


@frozen(kw_only=True)
class Start:
    """One start of the toolkit for a job."""

    job_id: str
    began: float
    gpus: tuple[str, ...]
    last: float  # when it was last heard of
    said: frozenset[int]  # the numbered lines that it wrote whole
    tried: int  # and how many it tried
    ended: float | None = None
    code: int | None = None
    outputs: dict[str, str] = field(factory=dict)


@frozen
class Ledger:
    """The folder of the ledger, in the repository that is mounted into containers."""

    repo: Path

    @classmethod
    def lay_out(cls, repo: Path) -> Ledger:
        """A stand-in's repository whose programs keep a ledger."""
        lay_out(open_folder(repo))
        everybodys_python()
        played, keeper = open_folder(repo / "played"), open_folder(repo / ".ledger")
        for program in ("python", "torchrun"):
            (repo / "bin" / program).rename(played / program)
            (repo / "bin" / program).write_text(_SHIM.format(program=program), encoding="utf-8")
            (repo / "bin" / program).chmod(0o755)
        source = Path(__file__).with_name("bookkeeper.py").read_text(encoding="utf-8")
        (keeper / "bookkeeper.py").write_text(source, encoding="utf-8")
        book = repo / "ledger"
        book.mkdir()
        book.chmod(0o1777)
        return cls(repo)

    def starts(self, job_id: str) -> list[Start]:
        """Every start of a job, in order."""
        files = (self.repo / "ledger").glob(f"{job_id}.*.jsonl")
        return sorted(filter(None, map(_read, files)), key=lambda start: start.began)

    def all(self) -> list[Start]:
        """Every start of every job."""
        return sorted(filter(None, map(_read, (self.repo / "ledger").glob("*.jsonl"))), key=lambda s: s.began)


def _read(file: Path) -> Start | None:
    notes = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            notes.append(json.loads(line))
        except ValueError:
            print(f"cut short: {file}", file=sys.stderr)
    if not notes:
        return None
    end = next((note for note in notes if note["event"] == "end"), None)
    return Start(
        job_id=file.name.partition(".")[0],
        began=notes[0]["t"],
        gpus=tuple(filter(None, notes[0]["gpus"].split(","))),
        last=notes[-1]["t"],
        said=frozenset(note["number"] for note in notes if note["event"] == "said"),
        tried=max((note["number"] for note in notes if note["event"] in ("said", "cut")), default=0),
        ended=end["t"] if end else None,
        code=end["code"] if end else None,
        outputs=end["outputs"] if end else {},
    )


def two_on_one(starts: Iterable[Start], slack: float = 0.3) -> list[tuple[str, Start, Start]]:
    """GPUs that two jobs of one host had at the same time."""
    found = []
    order = sorted(starts, key=lambda start: start.began)
    for number, one in enumerate(order):
        for other in order[number + 1 :]:
            if other.began < (one.ended or one.last) - slack:
                found += [(gpu, one, other) for gpu in set(one.gpus) & set(other.gpus)]
    return found
