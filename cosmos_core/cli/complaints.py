"""Errors on the screen: the cause, every problem with its field and remedy, and what to do next."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cosmos_core.cli.screen import print_json, styled, wrapped

if TYPE_CHECKING:
    from cosmos_core.errors import CosmosError
    from cosmos_core.values import Problem


def complain(error: CosmosError, *, as_json: bool) -> None:
    """Print an error: as the one JSON document on stdout, or in words on stderr."""
    if as_json:
        from cosmos_core.documents import error_document

        print_json(error_document(error))
        return
    write = sys.stderr.write
    message, hint, problems = error.message, error.hint, error.problems
    if not hint and [problem.message for problem in problems] == [message]:  # said once, with its field
        message, hint = f"{problems[0].field}: {message}", problems[0].hint
        problems = ()
    write(wrapped(message, before=f"{styled('error:', 'red', sys.stderr)} ", to=sys.stderr))
    write(problem_lines(problems))
    if not hint and problems:
        hint = "correct that and type the same again"
    if hint:
        write(wrapped(hint, before="next: ", to=sys.stderr))


def problem_lines(problems: Iterable[Problem]) -> str:
    """Each problem on its own lines: field, message, and the remedy below."""
    problems = list(problems)
    width = max((len(problem.field) for problem in problems), default=0)
    lines = []
    for problem in sorted(problems, key=lambda p: p.severity):  # errors before warnings
        note = "warning: " if problem.severity == "warning" else ""
        name = styled(problem.field.ljust(width), "bold", sys.stderr)
        indent = " " * (width + 4)
        lines.append(wrapped(note + problem.message, before=f"  {name}  ", to=sys.stderr))
        if problem.hint:
            lines.append(wrapped(problem.hint, before=indent, to=sys.stderr, style="dim"))
    return "".join(lines)
