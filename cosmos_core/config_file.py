"""The configuration's file: where it is, what is written in it, and the two settings that a Tab asks for.

Nothing here checks a setting; `Config.load` does. So a Tab waits for no class to be made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cosmos_core import paths
from cosmos_core.errors import ConfigError
from cosmos_core.texts import NotUtf8, decoded

DATABASE = "sqlite:///cosmos.db"
SIMULATOR = "simulator"
VARIABLES = {
    "COSMOS_TARGET": "default_target",
    "COSMOS_SIMULATE": "simulate",
    "COSMOS_STORE_URL": "store.url",
}
"""The settings that an environment variable may give; it wins over the file."""


def find(path: Path | str | None, env: Mapping[str, str]) -> Path | None:
    """The file: `path`, else $COSMOS_CONFIG, ./cosmos.toml, the user's own. Raises ConfigError if it is not there."""
    explicit = path or env.get("COSMOS_CONFIG")
    if explicit:
        file = paths.expanded(explicit)
        if not file.is_file():
            raise ConfigError(
                f"no configuration file at {file}",
                hint="check --config and COSMOS_CONFIG, or create the file",
            )
        return file.absolute()
    return next((file.absolute() for file in usual_files() if file.is_file()), None)


def usual_files() -> tuple[Path, Path]:
    """Where the configuration is looked for when nobody names it: beside the work, then the user's own."""
    from platformdirs import user_config_path

    return Path("cosmos.toml"), user_config_path("cosmos") / "cosmos.toml"


def parse(file: Path | None) -> dict[str, Any]:
    """What is written in it; nothing where there is none. Raises ConfigError if it cannot be read."""
    if file is None:
        return {}
    import tomllib

    try:
        return tomllib.loads(decoded(file.read_bytes()).replace("\r\n", "\n"))
    except NotUtf8 as wrong:
        raise ConfigError(f"{file} {wrong}", hint=wrong.hint) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}", hint="correct the file at that line") from error
    except RecursionError:
        raise ConfigError(f"{file} is nested too deep", hint="no setting is a list of lists of lists") from None
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}", hint="check its permissions") from error


def default_home(env: Mapping[str, str]) -> Path:
    """The data folder: $COSMOS_HOME, else the user's own."""
    if env.get("COSMOS_HOME"):
        return paths.expanded(env["COSMOS_HOME"]).absolute()
    from platformdirs import user_data_path

    return user_data_path("cosmos").absolute()


def expand(text: str, env: Mapping[str, str]) -> str:
    """`text` with each ${NAME} replaced; raises KeyError(NAME) if one is not set."""
    return re.sub(r"\$\{(\w+)\}", lambda match: env[match[1]], text)


def absolute_url(url: str, home: Path) -> str:
    """A relative SQLite file lies in the data folder."""
    file = url.removeprefix("sqlite:///")
    return f"sqlite:///{home / paths.expanded(file)}" if file != url else url


def database_url(path: Path | str | None, env: Mapping[str, str]) -> str | None:
    """`Config.load(path).store_url`, with all else unread; None where it cannot be told. Raises ConfigError."""
    store = parse(find(path, env)).get("store", {})
    try:
        url = env.get("COSMOS_STORE_URL") or expand(store.get("url", DATABASE), env)
    except (AttributeError, KeyError, TypeError):  # no table, no text, a variable that is not set
        return None
    return absolute_url(url, default_home(env))


def target_names(path: Path | str | None, env: Mapping[str, str]) -> tuple[str, ...]:
    """The targets that a run may name. Raises ConfigError."""
    targets = parse(find(path, env)).get("targets", {})
    return tuple(dict.fromkeys((*(targets if isinstance(targets, dict) else ()), SIMULATOR)))
