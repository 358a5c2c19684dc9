"""One sound plugin, and what can go wrong with it."""

from __future__ import annotations

from typing import Any

from cosmos_core import Bundle, Command, Job, ModelInfo, Problem, Request, Toolkit, hookimpl


class Sound:
    """Keeps the contract; registered as a class, which is the mistake of `broken-class`."""

    @hookimpl
    def describe(self) -> ModelInfo:
        return ModelInfo(title="Does nothing", toolkits=(Toolkit(name="nothing", runs_here=True),))

    @hookimpl
    def convert_inputs(self, job: Job[Any]) -> Bundle:
        return Bundle()

    @hookimpl
    def choose_script(self, job: Job[Any], bundle: Bundle) -> Command:
        return Command(argv=("true",))


class WrongDescription(Sound):
    """Describes itself as a dict."""

    @hookimpl
    def describe(self) -> Any:
        return {"title": "Does nothing", "toolkits": ["nothing"]}


class MisspeltHook(Sound):
    """Means validate_inputs."""

    @hookimpl
    def validate_input(self, request: Request[Any]) -> list[Problem]:
        return []


class RaisesWhenCalled(Sound):
    """Loads well, and fails when it is used."""

    @hookimpl
    def validate_inputs(self, request: Request[Any]) -> list[Problem]:
        raise RuntimeError(f"no rules for {request.toolkit}")

    @hookimpl
    def convert_inputs(self, job: Job[Any]) -> Bundle:
        return Bundle(batch_key=job.requests[len(job.requests)].id)


description = WrongDescription()
hook_name = MisspeltHook()
call = RaisesWhenCalled()
