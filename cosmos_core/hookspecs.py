"""The plugin contract, one page. A plugin declares; the core does.

Each model type is a plugin of its own, registered by an entry point of the group `cosmos.models` whose name is
the model type. An extension (`cosmos.extensions`) may wrap any hook of every model with
`@hookimpl(wrapper=True)`, and may implement `validate_inputs` plainly to add problems of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from cosmos_core.values import (
        Bundle,
        Command,
        Draft,
        Job,
        LineReader,
        ModelInfo,
        Outputs,
        Problem,
        Request,
        Result,
    )

PROJECT = "cosmos"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function as the implementation of the hook of the same name."""


class Spec:
    """The hooks. `describe`, `convert_inputs` and `choose_script` are required."""

    @hookspec(firstresult=True)
    def describe(self) -> ModelInfo:  # type: ignore[empty-body]
        """What this model is: toolkits, their inputs, parameters and settings."""

    @hookspec
    def validate_inputs(self, request: Request[Any]) -> Iterable[Problem]:  # type: ignore[empty-body]
        """What is wrong with what is known so far; asked again whenever more is known."""

    @hookspec(firstresult=True)
    def convert_inputs(self, job: Job[Any]) -> Bundle:  # type: ignore[empty-body]
        """The exact files the toolkit wants, where inputs go, what to fetch. Pure."""

    @hookspec(firstresult=True)
    def choose_script(self, job: Job[Any], bundle: Bundle) -> Command:  # type: ignore[empty-body]
        """The command that runs the job. Pure."""

    @hookspec(firstresult=True)
    def follow_progress(self, job: Job[Any]) -> LineReader:  # type: ignore[empty-body]
        """A reader of log lines; without one only `@cosmos {json}` lines are understood."""

    @hookspec(firstresult=True)
    def parse_outputs(self, job: Job[Any], result: Result) -> Iterable[Outputs] | Outputs:  # type: ignore[empty-body]
        """What came of each request; without it: the required files are there and the exit code is 0."""

    @hookspec(firstresult=True)
    def read_spec(self, path: Path) -> Iterable[Draft] | None:
        """A spec file of the toolkit's own, read back; None if it is not one of this model's.

        Raise ValueError for one that is and cannot be used: a line for each fault, and `add_note` for what to do.
        """
