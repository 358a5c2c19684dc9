"""What all tests share: hypothesis profiles, real parts, and no configuration of the person who runs them."""

from __future__ import annotations

import os
import re
import signal

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["real_parts"]  # tests/real

# Examples that start processes or encode video take as long as they take.
settings.register_profile("default", max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

_REAL = {"real_session", "cosmos", "used", "laptop", "nowhere"}
"""Fixtures behind which are servers, databases that many processes use, or processes of `cosmos`."""


def pytest_configure(config: pytest.Config) -> None:
    """Give Ctrl-C back to what the tests start: where a script starts them in its background, SIGINT is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Failed(config))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests on real parts; and keep tests that share a module's fixture in one worker, which makes it once."""
    for item in items:
        assert isinstance(item, pytest.Function)
        if _REAL & set(item.fixturenames):
            item.add_marker(pytest.mark.real)
        fixtures = item._fixtureinfo.name2fixturedefs.values()
        if any(definitions[-1].scope == "module" for definitions in fixtures):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))


class Failed:
    """Writes down which tests failed and whether they are on real parts, for `dev.py`, which runs those once more."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._failed: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            name = re.sub(r"@test_\w+$", "", report.nodeid)  # xdist puts the group behind it
            self._failed[name] = "real" in report.keywords

    def pytest_sessionfinish(self) -> None:
        if cache := getattr(self._config, "cache", None):
            cache.set("cosmos/failed", self._failed)


@pytest.fixture(autouse=True)
def _nobodys_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither the environment's settings nor the user's folders reach a test."""
    for name in [n for n in os.environ if n.startswith(("COSMOS_", "STANDIN_"))]:
        monkeypatch.delenv(name)
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("COSMOS_HOME", str(folder / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.setenv("STANDIN_STEP_SECONDS", "0")
