"""All models that are installed, each loaded on first use, and the report on every plugin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from cosmos_core.errors import PluginError, UnknownName
from cosmos_core.models.discover import Found, find_plugins

if TYPE_CHECKING:
    from cosmos_core.models.loading import Loaded
    from cosmos_core.models.metadata import EntryPoint
    from cosmos_core.models.model import Model
    from cosmos_core.values import Toolkit


class PluginReport(NamedTuple):
    """One row of `cosmos plugins`."""

    kind: str  # model extension
    name: str
    package: str
    version: str
    module: str
    status: str  # ok broken missing clash
    error: str = ""
    hint: str = ""
    hooks: tuple[str, ...] = ()


class Models:
    """The installed models by name. `entry_points` stands in for what package metadata says.

    `required` names the extensions without which no model is given out: policy that must not go missing.
    """

    def __init__(self, entry_points: Iterable[EntryPoint] | None = None, *, required: Iterable[str] = ()) -> None:
        self._entries = None if entry_points is None else tuple(entry_points)
        self.required = tuple(required)
        self._loaded: dict[str, Model | PluginError] = {}
        self._left_out: dict[Found, PluginError] = {}

    @cached_property
    def found(self) -> tuple[Found, ...]:
        """Every model and extension by metadata alone; nothing is imported for it."""
        return find_plugins(self._entries)

    def __iter__(self) -> Iterator[str]:
        """The names of the models, those that turn out broken included."""
        return iter(dict.fromkeys(one.name for one in self.found if one.kind == "model"))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in list(iter(self))

    def __getitem__(self, name: str) -> Model:
        """The model of that name, loaded on first use. Raises UnknownName or PluginError."""
        model = self._model(name)
        if lacking := next(self._lacking(), None):
            raise lacking[1]
        return model

    def _model(self, name: str) -> Model:
        if name not in self._loaded:
            try:
                self._loaded[name] = self._load(self._one(name))
            except PluginError as error:
                self._loaded[name] = error
        model = self._loaded[name]
        if isinstance(model, PluginError):
            raise model
        return model

    def _lacking(self) -> Iterator[tuple[str, PluginError]]:
        """The required extensions that are broken or not there, and what is wrong."""
        for name in dict.fromkeys(self.required):
            ours = [one for one in self.found if one.kind == "extension" and one.name == name]
            broken = next((self._left_out[one] for one in ours if one in self._left_out), None)
            if broken is not None:
                yield (
                    name,
                    PluginError(f"{broken.message}; required_extensions names it: nothing runs", hint=broken.hint),
                )
            elif not ours:
                yield name, _missing(name, [one.name for one in self.found if one.kind == "extension"])

    def report(self) -> tuple[PluginReport, ...]:
        """Load everything, each plugin behind its fence, and tell how that went."""
        rows: dict[Found, tuple[PluginError | None, tuple[str, ...]]] = {}
        loaded: dict[Found, Model] = {}
        for one in self.found:
            if one.kind == "model":
                try:
                    loaded[one] = self._model(one.name)
                    rows[one] = (None, loaded[one].hooks)
                except PluginError as error:
                    rows[one] = (error, ())
        hooks = {extension.found: extension.hooks for extension in self._extensions}
        for one in self.found:
            if one.kind == "extension":
                rows[one] = (self._left_out.get(one), hooks.get(one, ()))
        clashes = _clashes(loaded)
        there = {one.name for one in self.found if one.kind == "extension"}
        absent = [(name, e) for name, e in self._lacking() if name not in there]
        return (
            *(clashes.get(one) or _row(one, *rows[one]) for one in self.found),
            *(PluginReport("extension", name, "", "", "", "missing", e.message, e.hint) for name, e in absent),
        )

    def _one(self, name: str) -> Found:
        for one in self.found:
            if one.kind == "model" and one.name == name:
                return one
        from cosmos_core.parameters import nearest  # brings attrs with it

        names = list(self)
        raise UnknownName(
            f"there is no model {name!r}",
            hint=f"{nearest(name, names)}installed: {', '.join(names) or 'none'}; see `cosmos models`",
        )

    def _load(self, one: Found) -> Model:
        if one.rivals:
            raise PluginError(
                f"{len(one.rivals)} packages register the model {one.name!r}: {', '.join(one.rivals)}",
                hint=f"remove one of them: pip uninstall {one.rivals[-1]}",
            )
        from cosmos_core.models.loading import load
        from cosmos_core.models.model import Model

        loaded = load(one)
        while True:
            extensions = [e for e in self._extensions if e.found not in self._left_out]
            try:
                return Model(loaded, extensions)
            except PluginError as error:
                guilty = getattr(error, "found", None)
                if guilty not in [e.found for e in extensions]:
                    raise
                self._leave_out(guilty, error)

    @cached_property
    def _extensions(self) -> tuple[Loaded, ...]:
        from cosmos_core.models.loading import load

        extensions = []
        for one in self.found:
            if one.kind == "extension":
                try:
                    extensions.append(load(one))
                except PluginError as error:
                    self._leave_out(one, error)
        return tuple(extensions)

    def _leave_out(self, one: Found, error: PluginError) -> None:
        self._left_out[one] = error
        if one.name not in self.required:
            import logging  # 5 ms, and hardly any process ever gets here

            logging.getLogger(__name__).warning("%s; it is left out", error.message)


def _missing(name: str, there: list[str]) -> PluginError:
    from cosmos_core.parameters import nearest

    message = f"required_extensions names {name!r}, and no such extension is installed: nothing runs"
    hint = f"{nearest(name, there)}install its package, or take it out of required_extensions in the configuration"
    return PluginError(message, hint=hint)


def _clashes(loaded: Mapping[Found, Model]) -> dict[Found, PluginReport]:
    """Models of different packages that mean different things by one toolkit's name, and so by its table."""
    homes: dict[str, list[tuple[Found, Toolkit]]] = {}
    for one, model in loaded.items():
        for toolkit in model.info.toolkits:
            homes.setdefault(toolkit.name, []).append((one, toolkit))
    rows = {}
    for name, sharing in homes.items():
        for one, toolkit in sharing:
            others = [found for found, other in sharing if found.package != one.package and _differ(toolkit, other)]
            if others:
                words = f"{one.title} and {others[0].title} both have a toolkit {name}, and declare it differently"
                hint = f'a table [targets.NAME.toolkits."{name}"] can suit only one of them: remove a package'
                rows[one] = _row(one, None, loaded[one].hooks)._replace(status="clash", error=words, hint=hint)
    return rows


def _differ(one: Toolkit, other: Toolkit) -> bool:
    """Whether two toolkits would read one table, and look for the program, differently."""
    from cosmos_core.parameters import keys

    def meant(toolkit: Toolkit) -> object:
        settings = [(key.name, key.type) for key in keys(toolkit.settings)]
        return settings, toolkit.workdir, toolkit.image, toolkit.version_in

    return meant(one) != meant(other)


def _row(one: Found, error: PluginError | None, hooks: tuple[str, ...]) -> PluginReport:
    return PluginReport(
        kind=one.kind,
        name=one.name,
        package=one.package,
        version=one.version,
        module=one.entry.value.partition(":")[0],
        status="broken" if error else "ok",
        error=error.message if error else "",
        hint=error.hint if error else "",
        hooks=hooks,
    )
