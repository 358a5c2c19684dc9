"""NVIDIA's own single-view specs, and the arguments that its own code wrote for some of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from playing import SCRIPT, Player, make_clip, make_image

EXAMPLES = Path(__file__).resolve().parents[2] / "../shared/formats/examples/transfer25"
ASSETS = EXAMPLES / "assets"
OTHERS = ("multiview_example", "plenoptic_example", "robot_multiview_control-agibot")
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not ASSETS.is_dir(), reason="../shared/formats/examples is not here"),
]


def specs() -> list[str]:
    found = (path.relative_to(ASSETS) for path in ASSETS.rglob("*.json*"))
    return sorted(str(path) for path in found if path.parts[0] not in OTHERS)


def rows(path: Path) -> list[dict[str, Any]]:
    text = path.read_text()
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else [json.loads(text)]


def paths(data: dict[str, Any]) -> list[str]:
    every = [value for value in data.values() if isinstance(value, dict)]
    return [value for part in (data, *every) for key, value in part.items() if key.endswith(("_path", "_mask"))]


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NVIDIA's assets with small media where its repository has large ones."""
    folder = tmp_path_factory.mktemp("repo") / "assets"
    shutil.copytree(ASSETS, folder)
    for spec in specs():
        for data in rows(folder / spec):
            for name in paths(data):
                path = (folder / spec).parent / name
                if path.exists():
                    continue
                if path.suffix == ".mp4":
                    make_clip(path, frames=3, width=64, height=36)
                elif path.suffix == ".txt":
                    path.write_text("a humanoid\n")
                else:
                    make_image(path)
    return folder


@pytest.mark.parametrize("spec", specs())
def test_nvidias_spec_is_accepted(pyz: Path, assets: Path, tmp_path: Path, spec: str) -> None:
    player = Player(pyz, tmp_path)
    flags, env = ["--num-steps", "1"], {}
    if "distilled" in spec:
        flags, env = ["--model=edge/distilled"], {"COSMOS_EXPERIMENTAL_CHECKPOINTS": "1"}
    played = player.run("python", SCRIPT, "-i", str(assets / spec), "-o", "outputs", *flags, **env)
    assert played.code == 0, played.err
    for data in rows(assets / spec):
        suffix = ".jpg" if data.get("max_frames") == 1 else ".mp4"
        result = {f"{data['name']}{end}" for end in (suffix, ".json", ".txt")}
        controls = {f"{data['name']}_control_{key}{suffix}" for key in ("edge", "depth", "vis", "seg") if key in data}
        assert result | controls <= played.files()


@pytest.mark.parametrize(
    ("spec", "name", "expected"),
    [
        ("robot_example/edge/robot_edge_spec.json", "robot_edge", "effective_args_robot_edge.json"),
        ("image_example/image2image.json", "image_to_image", "effective_args_image_to_image.json"),
        ("multicontrol.jsonl", "robot_seg_mask_prompt", "effective_args_multicontrol_mask_prompt.json"),
    ],
)
def test_the_written_arguments_are_byte_for_byte_those_of_nvidias_code(
    pyz: Path, assets: Path, tmp_path: Path, spec: str, name: str, expected: str
) -> None:
    played = Player(pyz, tmp_path).run("python", SCRIPT, "-i", str(assets / spec), "-o", "outputs", av=False)
    written = played.text(f"{name}.json").replace(str(assets.parent), "/repo")
    assert written == (EXAMPLES / "generated_by_nvidia_code" / expected).read_text().rstrip("\n")


def old_specs() -> list[str]:
    old = EXAMPLES / "old_format_v1.0_v1.1"
    found = (path.relative_to(old) for path in old.rglob("*_spec.json"))
    return sorted(str(path) for path in found if path.parts[0] not in OTHERS)


@pytest.mark.parametrize("spec", old_specs())
def test_specs_of_the_first_releases_are_refused(pyz: Path, tmp_path: Path, spec: str) -> None:
    # their prompts are looked for beside the spec now, and are not there
    played = Player(pyz, tmp_path).run(
        "python", SCRIPT, "-i", str(EXAMPLES / "old_format_v1.0_v1.1" / spec), "-o", "o", "--prompt", "x", av=False
    )
    assert played.code == 1
    assert "output_dir\n  Extra inputs are not permitted" in played.err
    assert "name\n  Field required" in played.err
