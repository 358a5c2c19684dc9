"""The command line of examples/inference.py as tyro reads it: same flags, same refusals, same help."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from . import check
from .console import box
from .spec import FIELDS

PROGRAM = "inference.py"
YES = ("1", "true", "yes", "y")
_NEGATIVE_NUMBER = re.compile(r"-\d+|-\d*\.\d+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Flag:
    """One flag: how many values it takes, what they may be, and how it is shown."""

    def __init__(
        self,
        name: str,
        shown: str = "",
        *,
        read: Callable[[str], Any] = str,
        count: int | None = 1,
        choices: tuple[str, ...] = (),
        default: Any = None,
        nullable: bool = False,
        short: str = "",
        about: str = "",
    ) -> None:
        self.name = name
        self.key = name.replace("-", "_")
        self.read = read
        self.count = count  # None: any number
        self.choices = choices
        self.default = default
        self.nullable = nullable
        self.about = about
        self.short = short
        if choices:
            shown = "{" + ",".join(choices) + "}"
        elif nullable:
            shown = "{None}|" + shown
        self.shown = shown

    @property
    def spelt(self) -> str:
        """`-i [PATH [PATH ...]], --input-files [PATH [PATH ...]]`."""
        if self.count == 0:
            return f"--{self.name}, --no-{self.name}"
        long = f"--{self.name} {self.shown}"
        return f"{self.short} {self.shown}, {long}" if self.short else long

    def value(self, tokens: list[str]) -> Any:
        """The value of its tokens, or SystemExit(2) with a box."""
        if self.nullable and tokens == ["None"] and not self.choices:
            return None
        for token in tokens:
            if self.choices and token not in self.choices:
                words = f"invalid choice {token!r} for argument '--{self.name}'. Expected one of {self.choices!r}."
                refuse("Invalid choice", [words])
        try:
            values = [self.read(token) for token in tokens]
        except ValueError as error:
            kind = f"no type matching {self.shown} could be instantiated from {tokens!r}."
            lines = [f"Error parsing --{self.name}: {kind}", "", "Got errors:"]
            if self.nullable:
                lines.append(f"- <class 'NoneType'>: {tokens!r} does not match choices ('None',)")
            refuse("Value error", [*lines, f"- {error}"])
        return values[0] if self.count == 1 else values


def _switch(name: str, about: str = "") -> Flag:
    return Flag(name, count=0, default=False, about=about)


def _answer(text: str) -> bool | None:
    return {"None": None, "True": True, "False": False}[text]


def _override(name: str) -> Flag:
    key = name.replace("-", "_")
    probe = FIELDS[key][0]
    if key.endswith("_path") or key == "guided_generation_mask":
        return Flag(name, "PATH", nullable=True)
    if key == "guided_generation_foreground_labels":
        return Flag(name, "{[INT [INT ...]]}", read=int, count=None, nullable=True)
    if key == "num_conditional_frames":
        return Flag(name, read=_null_or_int, choices=("None", "0", "1", "2"))
    if isinstance(FIELDS[key][1], bool):
        return Flag(name, read=_answer, choices=("None", "True", "False"))
    if probe is check.text or key in ("sigma_max",):
        return Flag(name, "STR", nullable=True)
    return Flag(name, "INT", read=int, nullable=True)


def _null_or_int(text: str) -> int | None:
    return None if text == "None" else int(text)


def setup_flags(experimental: bool) -> list[Flag]:
    """The flags that exist on the command line only; `experimental`: COSMOS_EXPERIMENTAL_CHECKPOINTS is on."""
    models = ("depth", "edge", "edge/distilled", "seg", "vis") if experimental else ("depth", "edge", "seg", "vis")
    grid = Flag("parallel-tokenizer-grid", "INT INT", read=int, count=2, default=[-1, -1])
    return [
        Flag(
            "input-files",
            "[PATH [PATH ...]]",
            count=None,
            short="-i",
            about="Path to the inference parameter file(s). (required)",
        ),
        Flag("output-dir", "PATH", short="-o", about="Output directory. (required)"),
        Flag("model", choices=models, default="edge", about="Model name."),
        Flag("checkpoint-path", "STR", nullable=True, about="Path to the checkpoint."),
        Flag("experiment", "STR", nullable=True, about="Experiment name."),
        Flag("config-file", "STR", nullable=True, about="Configuration file of the experiment."),
        Flag("context-parallel-size", "INT", read=int, nullable=True, about="Context parallel size."),
        _switch("disable-guardrails", "Disable guardrails."),
        _switch("offload-guardrail-models", "Offload guardrail models to CPU."),
        Flag("keep-going", count=0, default=True, about="Keep going if a sample is blocked."),
        _switch("profile", "Run profiler and save report to output directory."),
        _switch("benchmark", "Run the sample several times and measure."),
        Flag("compile-tokenizer", choices=("NONE", "MODERATE", "AGGRESSIVE"), default="NONE"),
        _switch("enable-parallel-tokenizer"),
        grid,
    ]


def override_flags() -> list[Flag]:
    """The flags that lay a value over a key of every sample."""
    fixed = ("name", "edge", "depth", "vis", "seg")
    # the prompt stands before its path here, unlike in the written arguments
    keys = ["prompt", "prompt_path"] + [key for key in FIELDS if key not in ("prompt", "prompt_path", *fixed)]
    return [_override(key.replace("_", "-")) for key in keys]


class Arguments:
    """What the command line says: setup by name, and the overrides that were given."""

    def __init__(self, setup: dict[str, Any], overrides: dict[str, Any]) -> None:
        self.inputs = [Path(text) for text in setup["input_files"]]
        self.output = Path(setup["output_dir"])
        self.model: str = setup["model"]
        self.setup = setup
        self.overrides = overrides


def read_arguments(argv: list[str], *, experimental: bool, world: int) -> Arguments:
    """Read the flags; SystemExit: 0 after --help, 2 after tyro's box, 1 after pydantic's words."""
    setup, overrides = setup_flags(experimental), override_flags()
    if any(token in ("-h", "--help") for token in argv):
        sys.stdout.write(_help(setup, overrides))
        raise SystemExit(0)
    flags = {f"--{flag.name}": flag for flag in setup + overrides}
    flags |= {f"--no-{flag.name}": flag for flag in setup if flag.count == 0}
    flags |= {flag.short: flag for flag in setup if flag.short}
    found, unknown = _scan(argv, flags)
    missing = [flag for flag in setup[:2] if flag.key not in found]
    if unknown:
        refuse("Unrecognized options", [f"Unrecognized options: {', '.join(unknown)}"])
    if missing:
        lines = [f"Missing from {PROGRAM}:"]
        for flag in missing:
            lines += [f"    {flag.spelt}", f"        {flag.about}"]
        refuse("Required options", lines)
    values = {flag.key: found.get(flag.key, flag.default) for flag in setup}
    _check_setup(values, experimental=experimental, world=world)
    given = {flag.key: found[flag.key] for flag in overrides if found.get(flag.key) is not None}
    return Arguments(values, given)


def _scan(argv: list[str], flags: dict[str, Flag]) -> tuple[dict[str, Any], list[str]]:
    found: dict[str, Any] = {}
    unknown: list[str] = []
    rest = list(argv)
    subcommand = False
    while rest:
        token = rest.pop(0)
        spelt, equals, joined = token.partition("=")
        spelt = spelt.replace("_", "-") if spelt.startswith("--") else spelt
        flag = flags.get(spelt)
        if flag is None:
            # the toolkit reads a `control:edge --control.x y` sub-command and drops it: so do we
            if re.fullmatch(r"control:(edge|depth|vis|seg|none|None)", token):
                subcommand = True
            elif subcommand and token.startswith("--control."):
                rest = rest if equals else _after_values(rest)
            else:
                unknown.append(token)
            continue
        if flag.count == 0:
            if equals:
                unknown.append(token)
            found[flag.key] = not spelt.startswith("--no-")
            continue
        tokens = [joined] if equals else []
        while not equals and rest and not _is_option(rest[0]) and len(tokens) != flag.count:
            if flag.count is None and rest[0].startswith("control:"):
                break
            tokens.append(rest.pop(0))
        if flag.count is not None and len(tokens) < flag.count:
            named = f"{flag.short}/--{flag.name}" if flag.short else f"--{flag.name}"
            words = f"Missing value for argument '{named}'. Expected {flag.count} values."
            refuse("Missing argument", [words])
        found[flag.key] = flag.value(tokens)
    return found, unknown


def _after_values(rest: list[str]) -> list[str]:
    while rest and not _is_option(rest[0]):
        rest = rest[1:]
    return rest


def _is_option(token: str) -> bool:
    return len(token) > 1 and token[0] == "-" and " " not in token and not _NEGATIVE_NUMBER.fullmatch(token)


def _check_setup(setup: dict[str, Any], *, experimental: bool, world: int) -> None:
    try:
        size = setup["context_parallel_size"]
        if size is not None and size <= 0:
            raise check.wrong("Input should be greater than 0", "greater_than", size).under("context_parallel_size")
        path = setup["checkpoint_path"]
        if path is not None and not _checkpoint_known(path):
            words = f"Checkpoint '{path}' does not exist."
            if path.startswith("s3://") or _UUID.fullmatch(path):
                words = f"Checkpoint '{path}' not found."
                if not experimental:
                    words += " Set 'export COSMOS_EXPERIMENTAL_CHECKPOINTS=1' to use experimental checkpoints."
            raise check.wrong(f"Value error, {words}", "value_error", path).under("checkpoint_path")
        rows, columns = setup["parallel_tokenizer_grid"]
        if setup["enable_parallel_tokenizer"] and (rows, columns) != (-1, -1) and rows * columns != world:
            # the rule is documented, its words are not
            words = f"Parallel tokenizer grid {rows}x{columns} must have as many cells as there are GPUs ({world})."
            raise check.wrong(f"Value error, {words}", "value_error", [rows, columns])
    except check.ValidationError as error:
        print(error.report("SetupArguments"), file=sys.stderr)
        raise SystemExit(1) from None


def _checkpoint_known(path: str) -> bool:
    if path.startswith("hf://"):
        return len(path[5:].split("/")) >= 3
    return path.startswith("61f5694b-") or Path(path).exists()


def refuse(title: str, lines: list[str]) -> NoReturn:
    """tyro's box on stderr, then SystemExit(2)."""
    sys.stderr.write(box(title, lines, f"For full helptext, run {PROGRAM} --help"))
    raise SystemExit(2)


def _help(setup: Iterable[Flag], overrides: Iterable[Flag]) -> str:
    parts = [f"usage: {PROGRAM} [-h] [OPTIONS]\n\n"]
    parts.append(box("options", ["-h, --help", "      show this help message and exit"]))
    for title, flags in (("setup options", setup), ("overrides options", overrides)):
        lines = []
        for flag in flags:
            shown = flag.default if not isinstance(flag.default, list) else " ".join(map(str, flag.default))
            default = "" if flag.about.endswith("(required)") else f"(default: {shown})"
            lines += [flag.spelt, f"      {flag.about} {default}".rstrip()]
        parts.append(box(title, lines))
    return "".join(parts)
