"""The options of `run`, `create prompt` and `create run`, and how they become a `Wish`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cosmos_core.cli.base import Option
from cosmos_core.cli.completing import (
    complete_file,
    complete_models,
    complete_parameters,
    complete_prompts_and_runs,
    complete_rates,
    complete_slots,
    complete_tags,
    complete_targets,
    complete_toolkits,
)
from cosmos_core.cli.kinds import Duration, text_of, value_of
from cosmos_core.cli.model_options import given_by
from cosmos_core.errors import UsageError

if TYPE_CHECKING:
    from cosmos_core.app import Cosmos
    from cosmos_core.runs.wish import Wish
    from cosmos_core.values import Problem

F = TypeVar("F", bound=Callable[..., Any])
WHAT, WHERE, AFTER = "What to run", "Where and how", "The result"


def option(*names: str, heading: str, **settings: Any) -> Callable[[F], F]:
    """An option of ours under a heading."""
    return click.option(*names, cls=Option, heading=heading, **settings)


def apply(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several decorators as one; the first is shown first."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


model_option = option(
    "--model", "-m", heading=WHAT, metavar="MODEL", shell_complete=complete_models,
    help="The model; `cosmos models` lists them. With --help, its own options are shown too.",
)  # fmt: skip
from_option = option(
    "--from", "source", heading=WHAT, metavar="ID", shell_complete=complete_prompts_and_runs,
    help="A stored prompt (ps_..) to execute, or a run (rs_..) to do again with what else is given changed.",
)  # fmt: skip
asked_options = apply(
    option("--spec", heading=WHAT, metavar="FILE", type=click.Path(path_type=Path),
           shell_complete=complete_file,
           help="Read the toolkit's own spec file as the request; options given beside it win."),
    option("--input", "inputs", heading=WHAT, metavar="SLOT=REF", multiple=True, shell_complete=complete_slots,
           help="An input (repeat): a file, rs_..[:NAME] or @last[:NAME] for an output of a run, "
                "TARGET:/path for a file that is there already, a folder of frames or d.####.png."),
    option("--input-fps", heading=WHAT, metavar="[SLOT=]RATE", multiple=True, shell_complete=complete_rates,
           help="Frames a second of image sequences (24, 23.976, 24000/1001); SLOT= for that one only (repeat)."),
    option("--set", "settings", heading=WHAT, metavar="KEY=VALUE", multiple=True, shell_complete=complete_parameters,
           help="A parameter (repeat); KEY=@FILE reads it from a file, seed=random draws one."),
    option("--toolkit", heading=WHAT, metavar="NAME", shell_complete=complete_toolkits,
           help="Which of the model's toolkits; `cosmos models MODEL` lists them."),
    option("--name", heading=WHAT, metavar="TEXT", help="A name to find it by."),
    option("--tag", "tags", heading=WHAT, metavar="TEXT", multiple=True, shell_complete=complete_tags,
           help="A tag (repeat)."),
    option("--strict", heading=WHAT, is_flag=True, help="Treat warnings as problems."),
)  # fmt: skip
run_options = apply(
    option("--target", heading=WHERE, metavar="NAME", shell_complete=complete_targets,
           help="Where it runs; `cosmos targets` lists them."),
    option("--gpus", heading=WHERE, type=int, metavar="N", help="How many GPUs.  [default: what the model asks for]"),
    option("--timeout", heading=WHERE, type=Duration(), metavar="DURATION",
           help="Time limit, from the command's start: 90, 30s, 45m, 2h."),
    option("--if-busy", heading=WHERE, type=click.Choice(["wait", "fail"]),
           help="What to do when no GPU is free.  [default: wait]"),
    option("--fetch", heading=AFTER, type=click.Choice(["all", "results", "none"]),
           help="Which outputs to fetch.  [default: all]"),
    option("-o", "--output", "copy_to", heading=AFTER, metavar="PATH", shell_complete=complete_file,
           help="Copy the main result to PATH, a file or a folder, as well. In a folder it gets the run's name."),
    option("--force", "overwrite", heading=AFTER, is_flag=True, help="Let -o and --out replace files that are there."),
)  # fmt: skip
dry_run_options = apply(
    option("--dry-run", heading=AFTER, is_flag=True,
           help="Check everything, print command, environment and image; store and start nothing."),
    option("--out", heading=AFTER, metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
           help="With --dry-run: write the job's files there."),
)  # fmt: skip


_SAID_AS_IS = (
    "model", "source", "name", "tags", "toolkit", "target", "gpus", "if_busy", "fetch", "strict", "overwrite",
)  # fmt: skip


class Asked:
    """What the arguments ask for. `problems` are faults of files that texts and values were to come from."""

    def __init__(self, ctx: click.Context, text: str | None, said: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        given = given_by(ctx)
        self.inputs = [*given.inputs, *(_pair("--input", word) for word in said["inputs"])]
        self.parameters: dict[str, str] = {}
        for key, word in (*given.parameters, *(_pair("--set", word) for word in said["settings"])):
            if key in self.parameters:
                raise UsageError(f"{key} is given twice", hint="give it once")
            self.parameters[key] = value_of(word, key, self.problems.append)
        self.input_fps: dict[str, str] = {}
        for slot, rate in map(_rate, said["input_fps"]):
            if slot in self.input_fps:
                raise UsageError(f"--input-fps is given twice{f' for {slot}' if slot else ''}", hint="give it once")
            self.input_fps[slot] = rate
        self.text = None if text is None else text_of(text, "text", self.problems.append)
        self.spec: Path | None = said["spec"]
        self.rest = {
            key: said[key]
            for key in _SAID_AS_IS
            if said.get(key) or said.get(key) == 0  # --gpus 0
        }
        if said.get("timeout") is not None:
            self.rest["timeout_s"] = said["timeout"]
        if said.get("copy_to") is not None:
            slash = "/" if said["copy_to"].endswith("/") else ""  # a folder, also one that is still to be made
            self.rest["copy_to"] = f"{Path(said['copy_to']).expanduser().absolute()}{slash}"

    def wish(self, cosmos: Cosmos) -> Wish:
        """The one wish. Raises Refused with the faults of files, and with all else that is wrong, in one go."""
        wishes = self.wishes(cosmos)
        if len(wishes) != 1:
            raise UsageError(
                f"{self.spec} holds {len(wishes)} requests, and this is for one",
                hint="`cosmos run --spec` takes them all",
            )
        return wishes[0]

    def wishes(self, cosmos: Cosmos) -> tuple[Wish, ...]:
        """The wish, or one for each request of a spec file; what else is said here holds for all of them."""
        from cosmos_core.runs.wish import Wish

        wishes = tuple(self._over(base) for base in (self._from_spec(cosmos) if self.spec else (Wish(),)))
        if self.problems:
            self._refuse(cosmos, wishes[0])
        return wishes

    def _over(self, base: Wish) -> Wish:
        from attrs import evolve

        slots = {slot for slot, _ in self.inputs}
        told: dict[str, Any] = self.rest if self.text is None else {**self.rest, "text": self.text}
        return evolve(
            base,
            inputs=(*(pair for pair in base.inputs if pair[0] not in slots), *self.inputs),
            input_fps=self.input_fps,
            parameters={**_dotted(base.parameters), **self.parameters},
            **told,
        )

    def _from_spec(self, cosmos: Cosmos) -> tuple[Wish, ...]:
        if self.spec is None:
            raise AssertionError("asked for without a spec")
        if "source" in self.rest:
            raise UsageError("--spec and --from do not go together", hint="leave one of them out")
        return cosmos.read_spec(self.spec, self.rest.get("model"))

    def _refuse(self, cosmos: Cosmos, wish: Wish) -> None:
        from attrs import evolve

        from cosmos_core.errors import Refused

        unread = {problem.field for problem in self.problems}
        known = {key: value for key, value in wish.parameters.items() if key not in unread}
        try:
            cosmos.dry_run(evolve(wish, parameters=known, text=wish.text or "unread"))
        except Refused as error:
            self.problems += [p for p in error.problems if p.field not in unread]
        count = sum(problem.severity == "error" for problem in self.problems)
        what = "1 problem" if count == 1 else f"{count} problems"
        raise Refused(f"{what}; nothing was stored", problems=self.problems)


def _pair(flag: str, word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not key or not equals:
        form = "SLOT=REF" if flag == "--input" else "KEY=VALUE"
        raise UsageError(f"{flag} wants {form}, not {word!r}", hint=f"`{flag} {key or 'name'}=...`")
    return key.strip(), value


def _rate(word: str) -> tuple[str, str]:
    """The slot ("" for all) and the rate of `depth=12` or `24`."""
    slot, equals, rate = word.partition("=")
    return (slot.strip(), rate) if equals else ("", word)


def _dotted(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys made dotted, so that one key can be laid over another."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _dotted(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
