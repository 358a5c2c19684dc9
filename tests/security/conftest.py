"""A laptop for each test, a clip for all, and the helpers of the tests of hosts and of the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_parts import GpuHost

from cosmos_core.demo import make_clip

for _neighbour in ("hosts", "cli", "targets"):
    sys.path.append(str(Path(__file__).resolve().parents[1] / _neighbour))

from lab import Laptop  # noqa: E402


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine frames of 64x64."""
    return make_clip(tmp_path_factory.mktemp("clips") / "street.mp4", frames=9, width=64, height=64)


@pytest.fixture
def laptop(tmp_path: Path, clip: Path) -> Iterator[Callable[..., Laptop]]:
    """A maker of laptops that know these hosts, the first as the default; without any they simulate."""
    made: list[Laptop] = []

    def make(*hosts: GpuHost, name: str = "laptop", **env: str) -> Laptop:
        made.append(Laptop(tmp_path / name, clip, *hosts, env=env))
        return made[-1]

    yield make
    for each in made:
        each.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These look at whole folders and at memory, and cannot share a machine with other tests: `-m long` runs them."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.long)
