"""What a plugin declares: the first of the values that cross its contract (`values.py` has the others).

They are apart because help and Tab need no more: making a class takes half a millisecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import NOTHING, field, frozen


def parameter(
    default: Any = NOTHING,
    *,
    help: str = "",  # noqa: A002  the word a reader of a declaration expects
    unit: str = "",
    ge: float | None = None,
    le: float | None = None,
    choices: tuple[Any, ...] = (),
) -> Any:
    """Declare one field of a parameters or settings class, with what the core should check and show.

    A field whose type is itself such a class makes dotted keys (`weights.edge`); its default is an instance.
    """
    metadata = {"help": help, "unit": unit, "ge": ge, "le": le, "choices": choices}
    return field(default=default, metadata=metadata)


@frozen(kw_only=True)
class NoParameters:
    """The parameters of a toolkit that has none."""


@frozen(kw_only=True)
class InputSlot:
    """A place for an input file: `video`, or `mask.*` for a family of them."""

    name: str
    kinds: tuple[str, ...] = ("video",)  # video image tensor json text any
    help: str = ""
    required: bool = False
    many: bool = False
    lossless: bool = False  # an image sequence for it is encoded so that no value changes: depth, regions, masks


@frozen(kw_only=True)
class Draft:
    """A toolkit's own spec file, read back; paths are as written there, relative to the file."""

    text: str = ""
    name: str = ""
    toolkit: str | None = None
    inputs: tuple[tuple[str, str], ...] = ()
    parameters: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class Toolkit:
    """One repository (or endpoint) that a model can drive, and how it is found inside a target."""

    name: str
    inputs: tuple[InputSlot, ...] = ()
    parameters: type[Any] = NoParameters  # attrs class; defaults and ranges are this toolkit's
    settings: type[Any] = NoParameters  # attrs class of [targets.X.toolkits.Y]; every field has a default
    workdir: str | None = None  # the repository inside the image; None: a plain process in the job's folder
    image: str | None = None
    prefix: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()  # anonymous volumes, e.g. /workspace/.venv
    version_in: tuple[str, str] | None = None  # (file in the repository, regular expression with one group)
    stand_in: str | None = None  # "package:module"; the module's main(argv) needs the standard library only
    runs_here: bool = False  # needs no GPU and asks nobody: the simulator may run it as it is, without a stand-in
    smallest: Draft | None = None  # the smallest request worth running: slots with the kind of a file, which we make


@frozen(kw_only=True)
class ModelInfo:
    """What a model type is: its title and the toolkits that can run it, the default first."""

    title: str
    toolkits: tuple[Toolkit, ...]
    makes: tuple[str, ...] = ()  # "prompt", "scores"
    contract: int = 1
