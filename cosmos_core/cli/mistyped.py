"""Options that a command does not have: all of them at once, each with what was most likely meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import click

from cosmos_core.cli.base import shared_of
from cosmos_core.cli.model_options import ModelCommand, model_of, options_of
from cosmos_core.errors import CosmosError, UsageError
from cosmos_core.typed import closest
from cosmos_core.values import Problem

_AS_STORED = ("inference", "retry")  # they take a run, whose settings were fixed when it was made

Homes = Mapping[str, Sequence[str]]
"""An option -> the installed models that have it."""


def refusal(ctx: click.Context, args: Sequence[str], first: str) -> UsageError:
    """What to say of the options in `args` that the command does not have; `first` is one of them."""
    own = {flag: param for param in ctx.command.get_params(ctx) for flag in (*param.opts, *param.secondary_opts)}
    unknown = list(dict.fromkeys(_unknown(args, own))) or [first]
    takes_models = isinstance(ctx.command, ModelCommand)
    homes = _homes(ctx, args) if takes_models or ctx.command.name in _AS_STORED else {}
    if not takes_models and (settings := [flag for flag in unknown if flag in homes]):
        return UsageError(
            f"`{ctx.command_path}` takes the settings as they are stored: {_and(settings)} cannot be changed here",
            hint=f"`cosmos run --from ID {settings[0]} ...` makes a new run with other settings",
        )
    shared = {tuple(homes.get(flag, ())) for flag in unknown}
    if len(shared) == 1 and (there := shared.pop()):
        several = "are options" if len(unknown) > 1 else "is an option"
        return UsageError(f"{_and(unknown)} {several} of {_and(there)}{_but(ctx)}", hint=_how(ctx, there))
    problems = [_problem(ctx, flag, own, homes) for flag in unknown]
    usage = f"`{ctx.command_path} --help` lists its options"
    if takes_models and model_of(ctx) is None:
        usage += ", with --model NAME also those of a model"
    if len(problems) == 1:
        return UsageError(f"there is no option {unknown[0]}", hint="".join((_ask(problems[0]), usage)))
    return UsageError(f"{len(problems)} unknown options", hint=usage, problems=problems)


def _ask(problem: Problem) -> str:
    return f"{problem.hint}{' ' if problem.hint.endswith('?') else '; '}" if problem.hint else ""


def _problem(ctx: click.Context, flag: str, own: Iterable[str], homes: Homes) -> Problem:
    if there := homes.get(flag):
        return Problem(
            field=flag, message=f"an option of {_and(there)}{_but(ctx)}", hint=_how(ctx, there), code="usage"
        )
    names = [name[2:] for name in dict.fromkeys((*own, *homes)) if name.startswith("--")]
    if family := [name for name in names if name.startswith(f"{flag[2:]}.")]:
        some = ", ".join(f"--{name}" for name in family)
        return Problem(field=flag, message="it has several parts", hint=f"set them one by one: {some}", code="usage")
    meant = closest(flag.lstrip("-"), names)
    hint = f"did you mean --{meant}?" if meant else ""
    if meant and f"--{meant}" not in own:
        hint = f"did you mean --{meant} of {_and(homes[f'--{meant}'])}?"
    return Problem(field=flag, message="there is no such option", hint=hint, code="usage")


def _unknown(args: Sequence[str], own: Mapping[str, click.Parameter]) -> Iterator[str]:
    """The options in `args` that nobody declared. The word after an option that takes a value is none."""
    rest = iter(args)
    for word in rest:
        if word == "--":
            return
        if not word.startswith("-") or word == "-" or _is_number(word):
            continue
        flag, assigned, _ = word.partition("=")
        param = own.get(flag)
        if param is None and not word.startswith("--"):
            param = own.get(word[:2])  # -mNAME, -dq
            assigned = word[2:]
        if param is None:
            yield flag
        elif not assigned and not getattr(param, "is_flag", False) and not getattr(param, "count", False):
            next(rest, None)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _homes(ctx: click.Context, args: Sequence[str]) -> Homes:
    """The options of all models that can be loaded."""
    models = shared_of(ctx).models
    found: dict[str, list[str]] = {}
    for name in models:
        try:
            info = models[name].info
        except CosmosError:
            continue  # `cosmos plugins` tells of it; this is about an option
        for option in options_of(name, info, args):
            found.setdefault(option.opts[0], []).append(name)
    return found


def _but(ctx: click.Context) -> str:
    model = model_of(ctx)
    return f", not of {model}" if model else "; no model is given"


def _how(ctx: click.Context, models: Sequence[str]) -> str:
    """What to type so that the options of one of `models` are there."""
    command = ctx.command_path
    if any(param.name == "model" for param in ctx.command.params):
        of = models[0] if len(models) == 1 else f"NAME ({' or '.join(models)})"
        return f"`{command} --model {of} ...`"
    return f"`{command} ID ...` with a prompt of {' or '.join(models)}"


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
