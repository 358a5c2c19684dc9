"""A plugin, checked by mypy with all the rest (`modules` in pyproject.toml) and never run."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from attrs import evolve, frozen

from cosmos_core import (
    Bundle,
    Command,
    Fetch,
    InputSlot,
    Job,
    LineReader,
    ModelInfo,
    Outputs,
    Problem,
    Progress,
    Request,
    Result,
    Toolkit,
    hookimpl,
    parameter,
)


@frozen(kw_only=True)
class Parameters:
    steps: int = parameter(35, ge=1)


TOOLKIT = Toolkit(name="film", inputs=(InputSlot(name="video", required=True),), parameters=Parameters)


@hookimpl
def describe() -> ModelInfo:
    return ModelInfo(title="Film", toolkits=(TOOLKIT,))


@hookimpl
def validate_inputs(request: Request[Parameters]) -> Iterator[Problem]:
    if request.parameters.steps > 100:
        yield Problem(field="steps", message="many", hint="fewer", code="many", severity="warning")
    print(request.parameters.step)  # type: ignore[attr-defined]
    yield Problem(field="steps", message="m", hint="h", code="c", severity="bad")  # type: ignore[arg-type]


@hookimpl
def convert_inputs(job: Job[Parameters]) -> Bundle:
    return Bundle(fetch=(Fetch(pattern="film.mp4", role="result", required=True),))


@hookimpl
def choose_script(job: Job[Parameters], bundle: Bundle) -> Command:
    return Command(argv=("film", str(job.requests[0].parameters.steps)))


@hookimpl
def follow_progress(job: Job[Parameters]) -> LineReader:
    def read(line: str) -> Progress | None:
        return Progress(message=line) if line.startswith("step") else None

    return read


@hookimpl
def parse_outputs(job: Job[Parameters], result: Result) -> Outputs:
    return Outputs(values={"seconds": len(result.text())})


class Rules:
    @hookimpl(wrapper=True)
    def choose_script(self, job: Job[Any]) -> Generator[None, Command, Command]:
        command = yield
        return evolve(command, env={"QUIET": "1", **command.env})
