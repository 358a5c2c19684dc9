"""What the core's checks cost: a raw hook call, against pluggy's own bare call of the same function.

Run: python benchmarks/hook_call.py
Both are called in turns in this process. A row gives the median and the fastest tenth of all rounds in
microseconds, and the ratio to the bare call of the same round with its quartiles.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from importlib.metadata import EntryPoint
from statistics import median, quantiles
from typing import Any

import pluggy

from cosmos_core import Bundle, Command, FileToWrite, Job, ModelInfo, Problem, Request, Toolkit, hookimpl
from cosmos_core.hookspecs import PROJECT, Spec
from cosmos_core.models import Model, Models

ROUNDS = 400
CALLS = 500

BUNDLE = Bundle(files=(FileToWrite(path="spec.json", content=b"{}"),))
COMMAND = Command(argv=("python", "-m", "examples.inference", "-i", "/job/spec.json"))


class Cheap:
    """A plugin that does nothing: what is measured is the way to it."""

    @hookimpl
    def describe(self) -> ModelInfo:
        return ModelInfo(title="Cheap", toolkits=(Toolkit(name="cheap"),))

    @hookimpl
    def validate_inputs(self, request: Request[Any]) -> tuple[Problem, ...]:
        return ()

    @hookimpl
    def convert_inputs(self, job: Job[Any]) -> Bundle:
        return BUNDLE

    @hookimpl
    def choose_script(self, job: Job[Any], bundle: Bundle) -> Command:
        return COMMAND


class Wrapping:
    """An extension that wraps and changes nothing."""

    @hookimpl(wrapper=True)
    def validate_inputs(self) -> Generator[None, Any, Any]:
        return (yield)


cheap = Cheap()
wrapping = Wrapping()


def _model(*extensions: str) -> Model:
    entries = [EntryPoint("cheap", f"{__name__}:cheap", "cosmos.models")]
    entries += [EntryPoint(name, f"{__name__}:{name}", "cosmos.extensions") for name in extensions]
    return Models(entries)["cheap"]


def _time(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) / CALLS * 1e6


def main() -> None:
    """Measure and print."""
    bare = pluggy.PluginManager(PROJECT)
    bare.add_hookspecs(Spec)
    bare.register(cheap)
    request: Request[Any] = Request(id="rs_1", model="cheap", toolkit="cheap")
    job = Job.of(request)
    ours, wrapped = _model(), _model("wrapping")
    pairs = {
        "validate_inputs": (
            lambda: bare.hook.validate_inputs(request=request),
            lambda: ours.pm.hook.validate_inputs(request=request),
        ),
        "convert_inputs": (
            lambda: bare.hook.convert_inputs(job=job),
            lambda: ours.pm.hook.convert_inputs(job=job),
        ),
        "choose_script": (
            lambda: bare.hook.choose_script(job=job, bundle=BUNDLE),
            lambda: ours.pm.hook.choose_script(job=job, bundle=BUNDLE),
        ),
        "validate_inputs, one extension wraps": (
            lambda: bare.hook.validate_inputs(request=request),
            lambda: wrapped.pm.hook.validate_inputs(request=request),
        ),
        "validate_inputs, typed": (
            lambda: bare.hook.validate_inputs(request=request),
            lambda: ours.validate_inputs(request),
        ),
    }
    print(f"{'hook':38} {'bare':>6} {'ours':>6} {'fast':>6}   ratio (quartiles)")
    for name, (theirs, our) in pairs.items():
        rounds = [(_time(theirs), _time(our)) for _ in range(ROUNDS)]
        ratios = [b / a for a, b in rounds]
        low, _, high = quantiles(ratios, n=4)
        times = sorted(b for _, b in rounds)
        print(
            f"{name:38} {median(a for a, _ in rounds):6.2f} {median(times):6.2f} {times[ROUNDS // 10]:6.2f}"
            f"   {median(ratios):.2f} ({low:.2f} to {high:.2f})"
        )


if __name__ == "__main__":
    main()
