"""What a trial came to, for people (Markdown) and for programs (JSON)."""

from __future__ import annotations

import json
import os
import platform
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, define, field
from audit import COLUMNS
from faults import ANY, FAULTS, Fault
from trial import Outcome

_SETTING = """\
Two laptops, each with its own database and several `cosmos` processes at a time, send runs to two GPU hosts behind a
real sshd. One host runs them in real containers (ada), the other as plain processes (eve), on one GPU or on two
(torchrun). At the end of a round all faults are undone, and `cosmos sync --follow` is called until all runs have
ended. Then a ledger that the toolkit's stand-in keeps on the host, the files and the processes show what happened."""
_ENDINGS = """\
The ledger shows that every failed or lost run had its own work hit. A run fails when its container is killed. It is
`lost` when a restart of the host ended a plain process, which then leaves no exit code."""


@define(kw_only=True)
class Report:
    """All rounds of a trial."""

    seed: int
    wanted: int
    sabotage: str = ""
    outcomes: list[Outcome] = field(factory=list)
    seconds: float = 0.0

    @property
    def injected(self) -> Counter[tuple[str, str]]:
        """How many faults of each kind, by the state that they hit."""
        return Counter((one.fault, one.state) for outcome in self.outcomes for one in outcome.injected)

    @property
    def total(self) -> int:
        """How many faults."""
        return sum(self.injected.values())

    @property
    def violations(self) -> Counter[str]:
        """How many of each kind; all kinds are there."""
        found = Counter(violation.column for outcome in self.outcomes for violation in outcome.violations)
        return Counter({column: found[column] for column in COLUMNS})

    def document(self) -> dict[str, Any]:
        """Everything, as JSON."""
        return {
            "seed": self.seed,
            "sabotage": self.sabotage,
            "seconds": round(self.seconds, 1),
            "faults": self.total,
            "runs": sum(outcome.runs for outcome in self.outcomes),
            "injected": [{"fault": f, "state": s, "count": n} for (f, s), n in sorted(self.injected.items())],
            "violations": dict(self.violations),
            "rounds": [asdict(outcome) for outcome in self.outcomes],
        }

    def write(self, path: Path, faults: Sequence[Fault] = FAULTS) -> None:
        """Write PATH (Markdown) and PATH.json beside it."""
        path.write_text(self.text(faults), encoding="utf-8")
        path.with_suffix(".json").write_text(json.dumps(self.document(), indent=1, default=str), encoding="utf-8")

    def text(self, faults: Sequence[Fault]) -> str:
        """As people read it."""
        finals = sum((outcome.states for outcome in self.outcomes), Counter[str]())
        most = max((outcome.syncs for outcome in self.outcomes), default=0)
        runs, rounds = sum(outcome.runs for outcome in self.outcomes), len(self.outcomes)
        lines = [
            "# Faults injected, and what came of the runs",
            "",
            f"Made by `python tests/chaos/run.py --seed {self.seed} --faults {self.wanted}`.",
            "",
            *_paragraph(
                f"{self.total} faults hit {runs} runs in {rounds} rounds, in {self.seconds / 60:.0f} minutes on"
                f" {os.cpu_count()} cores (Linux {'.'.join(platform.release().split('.')[:2])}, Python"
                f" {platform.python_version()}). {_SETTING} Calls of `cosmos sync --follow` for each database"
                f" after the last fault of a round: {most} at most."
            ),
            "",
            *_table(
                ("counted", "found", "goal"),
                [(COLUMNS[column], str(count), "0") for column, count in self.violations.items()],
            ),
            "",
            *_paragraph(
                f"The runs ended {', '.join(f'{state} {count}' for state, count in finals.most_common())}. {_ENDINGS}"
            ),
            "",
            "## What was injected, and into which state",
            "",
            *_table(
                ("fault", *ANY, "all"),
                [
                    (
                        fault.name,
                        *(str(self.injected[fault.name, state] or "") for state in ANY),
                        str(sum(self.injected[fault.name, state] for state in ANY)),
                    )
                    for fault in faults
                ],
            ),
            "",
            *(f"* {fault.name}: {fault.words}" for fault in faults),
        ]
        missing = [fault.name for fault in FAULTS if fault not in faults]
        if missing:
            lines += ["", f"Left out, as it cannot be done here: {', '.join(missing)}."]
        wrong = [
            (number, violation) for number, outcome in enumerate(self.outcomes, 1) for violation in outcome.violations
        ]
        if wrong:
            lines += ["", "## What was wrong", ""]
            lines += [f"* round {number}, {v.column}: {v.words} ({v.run})" for number, v in wrong]
        return "\n".join(lines) + "\n"


def _paragraph(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    return [line(head), line(["---"] * len(head)), *map(line, rows)]
