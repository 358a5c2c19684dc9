"""Where a toolkit is on a target, and its own settings: those that are paths are checked like the target's."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from attrs import frozen

from cosmos_core.config import Config
from cosmos_core.errors import ConfigError
from cosmos_core.runs.sites import site_of
from cosmos_core.values import Toolkit, parameter


@frozen(kw_only=True)
class Settings:
    checkpoint: PurePosixPath | None = parameter(None)
    experiment: str = parameter("")


TOOLKIT = Toolkit(name="t", settings=Settings)


def settings(folder: Path, value: str, host: str = "") -> dict[str, object]:
    """The settings of the toolkit on a target with this checkpoint."""
    file = folder / "cosmos.toml"
    where = f'host = "{host}"\nwork_dir = "/w"\n' if host else ""
    file.write_text(f'[targets.a]\n{where}[targets.a.toolkits.t]\ncheckpoint = "{value}"\nexperiment = "~/x"\n')
    config = Config.load(file, {"COSMOS_HOME": str(folder / "home")})
    return dict(site_of(config.target("a"), TOOLKIT, file).settings)


def test_a_path_on_this_machine_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert settings(tmp_path, "~/a.pt") == {"checkpoint": str(tmp_path / "me" / "a.pt"), "experiment": "~/x"}
    assert settings(tmp_path, "a.pt")["checkpoint"] == str(tmp_path / "a.pt")


@pytest.mark.parametrize("value", ["~/a.pt", "a.pt"])
def test_a_path_on_another_host_has_to_be_absolute(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match=r'targets\.a\.toolkits\."t"\.checkpoint: .* is not an absolute path'):
        settings(tmp_path, value, "h")
    assert settings(tmp_path, "/a.pt", "h")["checkpoint"] == "/a.pt"
