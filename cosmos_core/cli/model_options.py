"""A model's own options, generated from what it declares: `--video REF`, `--num-steps INTEGER`, `--weights.edge FLOAT`.

A first look over the arguments finds the model: by `--model`, `--from`, or the id that comes first. What is given
is kept as text; the core reads it by the declared type, once the toolkit is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from cosmos_core.cli.base import Command, Option, opened, shared_of
from cosmos_core.errors import UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from cosmos_core.parameters import Key
    from cosmos_core.values import ModelInfo

_GIVEN = "cosmos.model_given"
_OPTIONS = "cosmos.model_options"
_MODEL = "cosmos.model"
_HELP = ("--help", "-h")


class Given:
    """What was given by a model's own options, in order."""

    def __init__(self) -> None:
        self.inputs: list[tuple[str, str]] = []
        self.parameters: list[tuple[str, str]] = []


def given_by(ctx: click.Context) -> Given:
    """What the model's own options brought."""
    found: Given = ctx.meta.setdefault(_GIVEN, Given())
    return found


def model_of(ctx: click.Context) -> str | None:
    """The model that the command line is about, as far as it says."""
    found: str | None = ctx.meta.get(_MODEL)
    return found


class ModelOption(Option):
    """One generated option."""

    def __init__(
        self, name: str, *, kind: str, model: str, notes: str = "", choices: Sequence[str] = (), **settings: Any
    ) -> None:
        flag = "--" + name.replace("_", "-")
        super().__init__(
            [flag, "value"],
            multiple=True,  # twice is told by us, not swallowed
            expose_value=False,
            heading=f"Options of {model}",
            **settings,
        )
        # a dotted name is no Python identifier, which click wants of those it is told
        self.name = f"{kind}:{name}"
        self.key = name
        self.stem = name.removesuffix("NAME") if name.endswith(".NAME") else ""  # of a family: the name is to be typed
        self.kind = kind
        self.notes = notes
        self.choices = choices

    def _example(self) -> str:
        choice = f": {self.opts[0]} {self.choices[0]}" if self.choices else ""
        return f"give it one{choice}"

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from cosmos_core.cli.completing import complete_ref, files_behind_at

        if self.kind == "input":
            return complete_ref(ctx, self, incomplete)
        choices = [CompletionItem(choice) for choice in self.choices if choice.startswith(incomplete)]
        return [*choices, *files_behind_at(incomplete)]

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        words = super().process_value(ctx, value)
        for word in words or ():
            if word.startswith("--") and any(word.partition("=")[0] in p.opts for p in ctx.command.get_params(ctx)):
                raise UsageError(f"{self.opts[0]} wants a value, and {word} follows it", hint=self._example())
        given = given_by(ctx)
        (given.inputs if self.kind == "input" else given.parameters).extend((self.key, word) for word in words or ())
        return words


class ModelCommand(Command):
    """A command that takes the options of the model it is about. `id_first`: its first word may be an id."""

    def __init__(self, *args: Any, id_first: bool = False, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.id_first = id_first

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_OPTIONS] = []
        ctx.meta[_OPTIONS] = list(self._of_model(ctx, args))
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(item.value.removesuffix("NAME"), help=item.help, unfinished=True)
            if item.value.endswith(".NAME")
            else item
            for item in super().shell_complete(ctx, incomplete)
        ]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *ctx.meta.get(_OPTIONS, [])]

    def write_options(self, ctx: click.Context, formatter: click.HelpFormatter, options: list[click.Parameter]) -> None:
        if not isinstance(options[0], ModelOption):
            super().write_options(ctx, formatter, options)
            return
        for option in options:
            record = option.get_help_record(ctx)
            if isinstance(option, ModelOption) and record is not None:
                # defaults and ranges stay on the option's line, whole, where the eye looks for them
                first = f"{record[0]}  {option.notes}".rstrip()
                formatter.write(f"{'':>{formatter.current_indent}}{first}\n")
                with formatter.indentation():
                    formatter.indent()
                    formatter.write_text(record[1])
                    formatter.dedent()

    def _of_model(self, ctx: click.Context, args: list[str]) -> Iterator[ModelOption]:
        words = self._first_look(args)
        # help and completion are given whatever else is wrong; elsewhere a wrong name is told at once
        lenient = ctx.resilient_parsing or any(flag in args for flag in _HELP)
        info = _info(ctx, words, lenient=lenient)
        if info is not None:
            ctx.meta[_MODEL] = info[0]
            yield from options_of(*info, args)

    def _first_look(self, args: list[str]) -> Mapping[str, str]:
        """`model` and `source`, as far as they are there; nothing else is understood here."""
        found: dict[str, str] = {}
        rest = iter(args[: args.index("--")] if "--" in args else args)
        for word in rest:
            flag, assigned, value = word.partition("=")
            key = {"--model": "model", "-m": "model", "--from": "source", "--config": "config"}.get(flag)
            if key is not None:
                found[key] = value if assigned else next(rest, "")
            elif word.startswith("-m"):
                found["model"] = word[2:]
            elif self.id_first and "source" not in found and (word.startswith(("ps_", "rs_", "@last"))):
                found["source"] = word
        return found


def _info(ctx: click.Context, words: Mapping[str, str], *, lenient: bool) -> tuple[str, ModelInfo] | None:
    from cosmos_core.errors import CosmosError

    try:
        if words.get("model"):
            return words["model"], shared_of(ctx).models[words["model"]].info
        if words.get("source"):
            if words.get("config"):
                shared_of(ctx).config = words["config"]
            with opened(ctx) as cosmos:
                model = cosmos.get(words["source"]).model_type
                return model, cosmos.models[model].info
    except CosmosError:
        if not lenient:
            raise
    return None


def options_of(model: str, info: ModelInfo, args: Sequence[str] = ()) -> Iterator[ModelOption]:
    """The options of a model's toolkits together; none has the name of one of ours, or the model is not loaded.

    A family of slots, `mask.*`, is shown as `--mask.NAME`, and each of its names in `args` is an option too.
    """
    from cosmos_core.parameters import keys

    several = len(info.toolkits) > 1
    homes: dict[str, list[str]] = {}
    found: dict[str, dict[str, Any]] = {}
    for toolkit in info.toolkits:
        for slot in toolkit.inputs:
            notes = "; ".join([*(["required"] if slot.required else []), *(["repeat for many"] if slot.many else [])])
            for name, hidden in _names(slot.name, args):
                settings: dict[str, Any] = {"kind": "input", "metavar": "REF", "help": slot.help, "hidden": hidden}
                settings["notes"] = f"[{notes}]" if notes else ""
                found.setdefault(name, settings)
                homes.setdefault(name, []).append(toolkit.name)
        for key in keys(toolkit.parameters):
            metavar, notes = told(key)
            declared: dict[str, Any] = {"kind": "parameter", "metavar": metavar, "notes": notes, "help": key.help}
            declared = found.setdefault(key.name, declared)
            declared["choices"] = tuple(dict.fromkeys((*declared.get("choices", ()), *choices_of(key))))
            homes.setdefault(key.name, []).append(toolkit.name)
    for name, about in found.items():
        if several and len(homes[name]) < len(info.toolkits):
            about["help"] += f" ({', '.join(homes[name])})"
        yield ModelOption(name, model=model, **about)


def choices_of(key: Key) -> tuple[str, ...]:
    """The values that a parameter may have, as they are typed; none where it may have any."""
    from typing import Literal, get_args, get_origin

    from cosmos_core.parameters import text_form
    from cosmos_core.typed import members

    values: list[Any] = list(key.choices)
    for member in () if values else members(key.type):
        if get_origin(member) is Literal:
            values.extend(get_args(member))
        elif member is bool:
            values.extend((True, False))
    return tuple(map(text_form, values))


def told(key: Key) -> tuple[str, str]:
    """The type of a parameter as a word, and its default, range and unit."""
    from attrs import evolve

    metavar, _, notes = evolve(key, unit="").text.partition("  ")
    return metavar, f"{notes} {key.unit}".strip()


def _names(slot: str, args: Sequence[str]) -> list[tuple[str, bool]]:
    """The options of a slot, and whether help leaves them out."""
    if not slot.endswith(".*"):
        return [(slot, False)]
    stem = slot[:-1]
    flag = "--" + stem.replace("_", "-")
    used = dict.fromkeys(stem + a.partition("=")[0][len(flag) :] for a in args if a.startswith(flag))
    return [(f"{stem}NAME", False), *((name, True) for name in used if name not in (stem, f"{stem}NAME"))]
