"""Spec files of NVIDIA's other toolkits: said for what they are, with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cosmos_transfer.transfer25 import read_spec

EXAMPLES = Path(__file__).resolve().parents[2] / "../shared/formats/examples"
TRANSFER1 = {
    "prompt": "an office",
    "input_video_path": "assets/in put.mp4",
    "vis": {"control_weight": 0.25},
    "depth": {"input_control": "assets/depth.mp4", "control_weight": 2},
    "seg": {"input_control_prompt": "arm . cup"},
    "seed": 7,
}


def said_of(path: Path, content: Any) -> tuple[str, str]:
    """What is said of a file, and what to do."""
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match="is ") as caught:
        read_spec(path)
    return str(caught.value), " ".join(caught.value.__notes__)


def test_a_transfer1_spec_gets_the_command_that_asks_for_the_same(tmp_path: Path) -> None:
    words, remedy = said_of(tmp_path / "a.json", TRANSFER1)
    assert words.startswith("a.json is a Cosmos-Transfer1 spec (input_video_path, input_control)")
    assert remedy.endswith(
        """`cosmos run --model transfer "..." --video 'assets/in put.mp4' --weights.vis 0.25 """
        "--depth assets/depth.mp4 --weights.depth 1.0 --weights.seg 0.5 --seg-prompt 'arm . cup' --seed 7`"
    )


@pytest.mark.parametrize(
    ("more", "remedy"),
    [
        ({"hdmap": {"input_control": "h.mp4"}}, "Transfer2.5 has no hdmap"),
        ({"edge": {"control_weight": "w.pt"}}, "a mask says where"),
    ],
)
def test_what_transfer25_lacks_is_said(tmp_path: Path, more: dict[str, Any], remedy: str) -> None:
    assert remedy in said_of(tmp_path / "a.json", {**TRANSFER1, **more})[1]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", {"visual_input": "v.mp4", "prompt": "a"}, "a Cosmos-Transfer1 batch file (visual_input)"),
        ("a.json", {"inference_type": "video2world", "input_path": "v.mp4"}, "a Cosmos-Predict2.5 spec"),
        ("a.json", [{"input_video": "v.mp4", "prompt": "a"}], "a Cosmos-Predict2 batch file"),
        ("a.json", {"model_mode": "video2video", "edge": {"control_path": "e.mp4"}}, "a Cosmos 3 spec (model_mode)"),
        ("a.yaml", "# a\nuser_prompt: |\n  Caption it.\n", "a Cosmos-Reason prompt file (user_prompt)"),
        ("a.yaml", "video_path: a.mp4\nedge: {}\n", "YAML, which the toolkit does not read"),
    ],
)
def test_says_what_a_file_is(tmp_path: Path, name: str, content: Any, words: str) -> None:
    assert words in said_of(tmp_path / name, content)[0]


FOREIGN = {
    "transfer1/assets/inference_*.json": "a Cosmos-Transfer1 spec",
    "transfer1/*.jsonl": "a Cosmos-Transfer1 batch file",
    "predict25/base/*.json*": "a Cosmos-Predict2.5 spec",
    "predict2/video2world/*.json": "a Cosmos-Predict2 batch file",
    "cosmos3/transfer/*.json": "a Cosmos 3 spec",
    "reason2/prompts/*.yaml": "a Cosmos-Reason prompt file",
}


@pytest.mark.shared
@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="NVIDIA's examples (../shared) are not here")
@pytest.mark.parametrize("files", FOREIGN)
def test_nvidias_own_examples_are_known(files: str) -> None:
    found = sorted(EXAMPLES.glob(files))
    assert found
    for path in found:
        with pytest.raises(ValueError, match="is a Cosmos") as caught:
            read_spec(path)
        assert FOREIGN[files] in str(caught.value)
        assert caught.value.__notes__
