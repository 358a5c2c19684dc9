"""What was found out about a target: good or bad, what was seen, and the command that puts it right."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

Grade = Literal["ok", "warning", "problem", "not looked at"]


@frozen(kw_only=True)
class Finding:
    """One thing that was looked at. With a `problem`, jobs cannot run; a `warning` may become one."""

    subject: str
    grade: Grade
    seen: str
    remedy: str = ""


def fine(subject: str, seen: str) -> Finding:
    """All is well."""
    return Finding(subject=subject, grade="ok", seen=seen)


def warning(subject: str, seen: str, remedy: str) -> Finding:
    """Jobs run, and it could be better."""
    return Finding(subject=subject, grade="warning", seen=seen, remedy=remedy)


def problem(subject: str, seen: str, remedy: str) -> Finding:
    """No job runs until this is put right."""
    return Finding(subject=subject, grade="problem", seen=seen, remedy=remedy)


def unseen(subject: str, why: str) -> Finding:
    """It could not be looked at."""
    return Finding(subject=subject, grade="not looked at", seen=why)
