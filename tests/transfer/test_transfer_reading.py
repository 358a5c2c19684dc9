"""NVIDIA's own spec files, read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transfer_requests import PICTURE, VIDEO

from cosmos_core import Draft, Input, Job, Request
from cosmos_core.parameters import read
from cosmos_transfer.transfer25 import convert_inputs, read_spec, validate_inputs
from cosmos_transfer.transfer25.parameters import NAME, Parameters

EXAMPLES = Path(__file__).resolve().parents[2] / "../shared/formats/examples"
TRANSFER25 = EXAMPLES / "transfer25"

MINIMAL = {"name": "street", "prompt": "a street", "video_path": "in/street.mp4", "edge": {}}


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return tmp_path / "spec.json"


def write(path: Path, *specs: dict[str, Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, specs)), encoding="utf-8")
    return path


def drafts_of(path: Path) -> tuple[Draft, ...]:
    drafts = read_spec(path)
    assert drafts is not None
    return drafts


def test_an_empty_control_weighs_1(spec: Path) -> None:
    [draft] = drafts_of(write(spec, MINIMAL))
    assert draft == Draft(
        text="a street",
        name="street",
        toolkit=NAME,
        inputs=(("video", "in/street.mp4"),),
        parameters={"weights": {"edge": 1.0}},
    )


def test_everything_has_its_place(spec: Path) -> None:
    told = {
        **MINIMAL,
        "edge": {"control_weight": 0.5, "mask_path": "m.mp4", "preset_edge_threshold": "low"},
        "vis": {"control_path": "v.mp4", "preset_blur_strength": "high"},
        "depth": None,
        "seg": {"control_prompt": "car", "mask_prompt": "sky"},
        "guidance": 3.0,
        "sigma_max": "80",
        "max_frames": None,
        "image_context_path": "s.jpg",
        "guided_generation_mask": "g.npz",
        "guided_generation_foreground_labels": [1, 2],
    }
    [draft] = drafts_of(write(spec, told))
    assert draft.inputs == (
        ("video", "in/street.mp4"),
        ("image_context", "s.jpg"),
        ("guided_generation_mask", "g.npz"),
        ("mask.edge", "m.mp4"),
        ("vis", "v.mp4"),
    )
    reading = read(Parameters, draft.parameters)
    assert reading.problems == ()
    parameters = reading.instance
    assert (parameters.weights.edge, parameters.weights.vis, parameters.weights.seg) == (0.5, 1.0, 1.0)
    assert parameters.weights.depth is None
    assert (parameters.edge_threshold, parameters.blur_strength, parameters.seg_prompt) == (
        "low",
        "high",
        "car",
    )
    assert (parameters.mask_prompt.seg, parameters.guidance, parameters.sigma_max) == ("sky", 3, 80.0)
    assert parameters.guided_generation_foreground_labels == (1, 2)


def test_the_prompt_file_is_read_beside_the_spec(tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("\n a café at night 🎬 \n", encoding="utf-8")
    (tmp_path / "specs").mkdir()
    told = {**MINIMAL, "prompt": None, "prompt_path": "../prompt.txt"}
    [draft] = drafts_of(write(tmp_path / "specs" / "a.json", told))
    assert draft.text == "a café at night 🎬"
    [draft] = drafts_of(write(tmp_path / "specs" / "b.json", {**told, "prompt": " as it is "}))
    assert draft.text == " as it is "


def test_every_line_is_a_draft(tmp_path: Path) -> None:
    path = write(tmp_path / "batch.jsonl", MINIMAL, {**MINIMAL, "name": "other"})
    assert [draft.name for draft in drafts_of(path)] == ["street", "other"]
    path.write_text(path.read_text() + "\n")
    assert len(drafts_of(path)) == 2


FAULTY: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({**MINIMAL, "num_step": 3}, "unknown key num_step; did you mean num_steps?"),
    "key that the toolkit drops in silence": (
        {**MINIMAL, "edge": {"input_control": "e.mp4"}},
        "unknown key edge.input_control; did you mean edge.control_path?",
    ),
    "what NVIDIA's documents call vis": ({**MINIMAL, "blur": {}}, "unknown key blur; did you mean vis?"),
    "Transfer1's word": (
        {"prompt": "a", "input_video_path": "a.mp4", "edge": {"control_path": "e.mp4"}},
        "unknown key input_video_path; did you mean video_path?",
    ),
    "our own word for a preset": (
        {**MINIMAL, "blur_strength": "low"},
        "unknown key blur_strength; did you mean vis.preset_blur_strength?",
    ),
    "key of a control at the top": (
        {**MINIMAL, "control_path": "e.mp4"},
        "unknown key control_path; control_path belongs into a control: edge.control_path",
    ),
    "key of the top in a control": (
        {**MINIMAL, "edge": {"seed": 1}},
        "unknown key edge.seed; seed belongs to the top of the spec",
    ),
    "prompt file with NUL": ({**MINIMAL, "prompt": None, "prompt_path": "a\0b"}, "NUL character in prompt_path"),
    "key of another control": (
        {**MINIMAL, "edge": {"preset_blur_strength": "low"}},
        "unknown key edge.preset_blur_strength",
    ),
    "control that is no object": ({**MINIMAL, "edge": True}, "edge is an object"),
    "weight that is null": ({**MINIMAL, "edge": {"control_weight": None}}, "edge.control_weight is null"),
    "path that is no text": ({**MINIMAL, "edge": {"control_path": 3}}, "the path for edge is 3"),
    "no prompt": ({**MINIMAL, "prompt": None}, "neither prompt nor prompt_path"),
    "prompt that is no text": ({**MINIMAL, "prompt": 3}, "prompt and prompt_path are texts"),
    "prompt file that is not there": (
        {**MINIMAL, "prompt": None, "prompt_path": "gone.txt"},
        "gone.txt cannot be read",
    ),
    "old format": ({**MINIMAL, "output_dir": "out"}, "before version 1.2"),
    "multiview": ({"name": "a", "front_wide": {"control_path": "c.mp4"}}, "multiview spec"),
    "agibot": ({"name": "a", "head_color": {"input_path": "c.mp4"}}, "Agibot"),
    "plenoptic": ({"name": "a", "camera_sequence": ["static"]}, "plenoptic"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_refuses_with_words(spec: Path, name: str) -> None:
    told, words = FAULTY[name]
    with pytest.raises(ValueError, match=r"spec\.json") as caught:
        read_spec(write(spec, told))
    assert words in str(caught.value)


def test_tells_all_that_is_wrong(tmp_path: Path) -> None:
    path = write(tmp_path / "batch.jsonl", {**MINIMAL, "oops": 1}, {**MINIMAL, "edge": {"more": 1}})
    with pytest.raises(ValueError, match=r"line 1: unknown key oops\n.*line 2: unknown key edge\.more"):
        read_spec(path)


def test_a_name_twice_is_refused_as_the_toolkit_does(tmp_path: Path) -> None:
    path = write(tmp_path / "batch.jsonl", MINIMAL, {**MINIMAL, "name": "other"}, MINIMAL)
    with pytest.raises(ValueError, match=r"line 3: the name 'street' is taken by line 1"):
        read_spec(path)


def test_a_spec_may_leave_the_video_to_the_command(spec: Path) -> None:
    [draft] = drafts_of(write(spec, {"name": "a", "prompt": "rain", "edge": {}}))
    assert (draft.text, draft.inputs, draft.parameters) == ("rain", (), {"weights": {"edge": 1.0}})


def test_a_prompt_file_that_is_no_text(spec: Path) -> None:
    (spec.parent / "prompt.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not UTF-8"):
        read_spec(write(spec, {**MINIMAL, "prompt": None, "prompt_path": "prompt.txt"}))


def test_a_list_is_no_spec(spec: Path) -> None:
    spec.write_text(json.dumps([MINIMAL]))
    with pytest.raises(ValueError, match="one object"):
        read_spec(spec)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml", "lights: out"),
        ("a.json", '{"video_path": "a.mp4", // the input\n "edge": {}}'),
        ("a.json", '{"video_path": "a.mp4", "edge": {},}'),
        ("a.json", "not json at all"),
        ("a.json", '{"prompt": "a street"}'),
        ("a.json", "3"),
        ("a.jsonl", ""),
    ],
)
def test_what_is_not_ours_is_left_to_others(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert read_spec(tmp_path / name) is None


# -- NVIDIA's files ------------------------------------------------------------------------------------------

APART = ("multiview", "plenoptic", "agibot")


def single_view() -> list[Path]:
    files = sorted(
        path
        for folder in ("assets", "reconstructed_not_byte_identical")
        for path in TRANSFER25.glob(f"{folder}/**/*.json*")
    )
    return [path for path in files if not any(word in str(path) for word in APART)]


def original(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else [json.loads(text)]


def request_of(draft: Draft, number: int) -> Request[Parameters]:
    reading = read(Parameters, draft.parameters)
    assert reading.problems == ()
    inputs = tuple(
        Input(slot=slot, name=Path(name).name, media=PICTURE if name.endswith("jpg") else VIDEO)
        for slot, name in draft.inputs
    )
    return Request(
        id=f"rs_{number}",
        model="transfer",
        toolkit=NAME,
        text=draft.text,
        inputs=inputs,
        parameters=reading.instance,
        given=reading.given,
    )


def without_names(spec: dict[str, Any], paths: tuple[str, ...]) -> dict[str, Any]:
    """A spec's values but for its name and paths; of a path only that there is one."""
    plain = {key: "a path" if key in paths else value for key, value in spec.items() if key != "name"}
    return {key: without_names(value, paths) if isinstance(value, dict) else value for key, value in plain.items()}


PATHS = ("video_path", "image_context_path", "guided_generation_mask", "control_path", "mask_path")


@pytest.fixture
def beside(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The example in a copy of its folders, with a prompt where NVIDIA's own is not to be had."""
    source: Path = request.param
    root = tmp_path / "assets"
    target = root / source.relative_to(TRANSFER25)
    target.parent.mkdir(parents=True)
    target.write_bytes(source.read_bytes())
    for spec in original(source):
        if "prompt_path" in spec:
            there = source.parent / spec["prompt_path"]
            prompt = (target.parent / spec["prompt_path"]).resolve()
            prompt.parent.mkdir(parents=True, exist_ok=True)
            prompt.write_text(there.read_text("utf-8") if there.exists() else "a humanoid robot", "utf-8")
    return target


@pytest.mark.shared
@pytest.mark.skipif(not TRANSFER25.is_dir(), reason="NVIDIA's examples (../shared) are not here")
@pytest.mark.parametrize("beside", single_view(), ids=lambda path: str(path.relative_to(TRANSFER25)), indirect=True)
def test_nvidias_specs_come_out_as_they_went_in(beside: Path) -> None:
    drafts = drafts_of(beside)
    originals = original(beside)
    assert len(drafts) == len(originals)
    for number, (draft, told) in enumerate(zip(drafts, originals, strict=True)):
        request = request_of(draft, number)
        assert [p for p in validate_inputs(request) if p.severity == "error"] == []
        [file] = convert_inputs(Job.of(request)).files
        written = without_names(json.loads(file.content), PATHS)
        expected = without_names(told, PATHS)
        if prompt := expected.pop("prompt_path", None):
            expected["prompt"] = (beside.parent / prompt).read_text("utf-8").strip()
        for control in ("edge", "vis", "depth", "seg"):
            assert (control in written) == (control in expected)
            if control in expected:
                written[control] = {key: written[control][key] for key in expected[control]}
        assert {key: written[key] for key in expected} == expected


@pytest.mark.shared
@pytest.mark.skipif(not TRANSFER25.is_dir(), reason="NVIDIA's examples (../shared) are not here")
def test_what_nvidias_code_writes_down_reads_back() -> None:
    for path in sorted((TRANSFER25 / "generated_by_nvidia_code").glob("*.json")):
        [draft] = drafts_of(path)
        [told] = original(path)
        request = request_of(draft, 1)
        assert [problem for problem in validate_inputs(request) if problem.severity == "error"] == []
        [file] = convert_inputs(Job.of(request)).files
        written = without_names(json.loads(file.content), PATHS)
        for key, value in without_names(told, PATHS).items():
            if isinstance(value, dict):
                said = {name: one for name, one in value.items() if one is not None and written[key].get(name) != one}
                assert set(said) <= set(PATHS)
            elif key not in (*PATHS, "prompt_path") and value is not None:
                assert written[key] == value


@pytest.mark.shared
@pytest.mark.skipif(not TRANSFER25.is_dir(), reason="NVIDIA's examples (../shared) are not here")
def test_nvidias_other_specs_are_refused_or_left_to_others() -> None:
    others = [
        path for path in TRANSFER25.glob("**/*.json") if any(word in str(path) for word in (*APART, "old_format"))
    ]
    assert len(others) > 8
    for path in others:
        if path.name == "robot_prompt.json":
            assert read_spec(path) is None
            continue
        with pytest.raises(ValueError, match=r"only single-view|before version"):
            read_spec(path)
    for folder in ("transfer1", "cosmos3", "predict2", "predict25", "reason1"):
        for path in (EXAMPLES / folder).glob("**/*.json*"):
            try:
                assert read_spec(path) is None, path
            except ValueError as error:
                assert "not one of Cosmos-Transfer2.5" in str(error), path  # noqa: PT017  or it is None
