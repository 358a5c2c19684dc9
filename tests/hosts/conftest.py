"""A laptop for each test, and a clip for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab import Laptop
from real_parts import GpuHost

from cosmos_core.demo import make_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine frames of 64x64."""
    return make_clip(tmp_path_factory.mktemp("clips") / "street.mp4", frames=9, width=64, height=64)


@pytest.fixture
def laptop(tmp_path: Path, clip: Path) -> Iterator[Callable[..., Laptop]]:
    """A maker of laptops that know these hosts, the first as the default."""
    made: list[Laptop] = []

    def make(*hosts: GpuHost, name: str = "laptop", **env: str) -> Laptop:
        made.append(Laptop(tmp_path / name, clip, *hosts, env=env))
        return made[-1]

    yield make
    for each in made:
        each.close()
