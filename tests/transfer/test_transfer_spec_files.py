"""NVIDIA's own spec files by the command, as a user has them: `cosmos run --spec FILE --dry-run`."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import warm_cosmos
from small_media import picture
from test_transfer_reading import PATHS, TRANSFER25, original, single_view, without_names

from cosmos_core.demo import make_clip

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not TRANSFER25.is_dir(), reason="NVIDIA's examples (../shared) are not here"),
]


def media_of(spec: Any) -> list[str]:
    """Every file that a spec names."""
    if not isinstance(spec, dict):
        return []
    here = [value for key, value in spec.items() if key in PATHS and isinstance(value, str)]
    return here + [path for value in spec.values() for path in media_of(value)]


@cache
def clip() -> bytes:
    """Two seconds of 320x180."""
    with tempfile.TemporaryDirectory() as folder:
        return make_clip(Path(folder) / "clip.mp4").read_bytes()


@pytest.fixture
def spec(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The example in a copy of its folders, with a small clip or picture wherever it names media."""
    source: Path = request.param
    copy = tmp_path / "assets" / source.relative_to(TRANSFER25)
    copy.parent.mkdir(parents=True)
    copy.write_bytes(source.read_bytes())
    for told in original(source):
        for name in media_of(told):
            path = (copy.parent / name).resolve()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture("yuvj420p", "mjpeg", 320, 180) if path.suffix == ".jpg" else clip())
        if "prompt_path" in told:
            prompt = (copy.parent / told["prompt_path"]).resolve()
            prompt.parent.mkdir(parents=True, exist_ok=True)
            there = source.parent / told["prompt_path"]
            prompt.write_text(there.read_text("utf-8") if there.exists() else "a humanoid robot", "utf-8")
    return copy


@pytest.mark.parametrize("spec", single_view(), ids=lambda path: str(path.relative_to(TRANSFER25)), indirect=True)
def test_goes_through_and_holds_the_same_values(spec: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["run", "--model", "transfer", "--spec", str(spec), "--dry-run", "--out", str(out), "--json"]
    done = warm_cosmos.run(words, cwd=tmp_path, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    documents = document.get("items", [document])
    originals = original(spec)
    assert len(documents) == len(originals)
    for dry, told in zip(documents, originals, strict=True):
        written = without_names(json.loads(Path(dry["files"]["spec.json"]).read_text("utf-8")), PATHS)
        expected = without_names(told, PATHS)
        if prompt := expected.pop("prompt_path", None):
            expected["prompt"] = (spec.parent / prompt).read_text("utf-8").strip()
        for control in ("edge", "vis", "depth", "seg"):
            assert (control in written) == (control in expected)
            if control in expected:
                written[control] = {key: written[control][key] for key in expected[control]}
        assert {key: written[key] for key in expected} == expected
