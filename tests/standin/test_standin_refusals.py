"""Specs and command lines that the toolkit refuses: its words, its stream, its exit code."""

from __future__ import annotations

from typing import Any

import pytest
from playing import SCRIPT, Make, Player

GOOD = ("-i", "spec.json", "-o", "outputs")

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"edge": {"control_weight": 1.5}}, "edge.control_weight\n  Input should be less than or equal to 1 ["),
    ({"edge": {"control_weight": float("nan")}}, "Input should be less than or equal to 1 [type=less_than_equal"),
    ({"edge": {"control_weight": -1}}, "Input should be greater than or equal to 0 [type=greater_than_equal"),
    ({"edge": {"control_weight": "much"}}, "Input should be a valid number, unable to parse string as a number ["),
    ({"blur": {}}, "blur\n  Extra inputs are not permitted [type=extra_forbidden, input_value={}, input_type=dict]"),
    ({"output_dir": "x"}, "output_dir\n  Extra inputs are not permitted [type=extra_forbidden"),
    (
        {"video_path": "missing.mp4"},
        "video_path\n  Path does not point to a file [type=path_not_file, input_value='missing.mp4', input_type=str]\n",
    ),
    ({"video_path": "."}, "Path does not point to a file [type=path_not_file, input_value='.', input_type=str]"),
    ({"prompt_path": "no.txt"}, "prompt_path\n  Path does not point to a file [type=path_not_file"),
    ({"edge": {"mask_path": "no.mp4"}}, "edge.mask_path\n  Path does not point to a file"),
    ({"name": ...}, "name\n  Field required [type=missing, input_value="),
    ({"prompt": ...}, "prompt\n  Field required [type=missing, input_value="),
    (
        {"edge": ...},
        "Value error, No controls provided, please provide at least one control key (edge, blur, depth, seg) [",
    ),
    (
        {"vis": {}, "image_context_path": "in.mp4"},
        (
            "Value error, vis control and image_context_path are both used to transfer style. Using these modes "
            "together leads to conflicts. Please only provide one [type=value_error"
        ),
    ),
    ({"guidance": 3.5}, "Input should be a valid integer, got a number with a fractional part [type=int_from_float"),
    ({"guidance": 8}, "Input should be less than or equal to 7 [type=less_than_equal, input_value=8, input_type=int]"),
    ({"sigma_max": 70}, "Input should be a valid string [type=string_type, input_value=70, input_type=int]"),
    ({"resolution": 720}, "Input should be a valid string [type=string_type, input_value=720, input_type=int]"),
    ({"name": 3}, "name\n  Input should be a valid string [type=string_type"),
    ({"negative_prompt": None}, "negative_prompt\n  Input should be a valid string [type=string_type"),
    ({"num_conditional_frames": 3}, "Input should be 0, 1 or 2 [type=literal_error, input_value=3, input_type=int]"),
    (
        {"edge": {"preset_edge_threshold": "big"}},
        "Input should be 'very_low', 'low', 'medium', 'high' or 'very_high' [type=literal_error",
    ),
    ({"max_frames": 0}, "max_frames\n  Input should be greater than 0 [type=greater_than"),
    ({"context_frame_index": 0}, "context_frame_index\n  Input should be greater than 0 [type=greater_than"),
    ({"num_steps": 0}, "num_steps\n  Input should be greater than 0 [type=greater_than"),
    ({"show_input": "maybe"}, "Input should be a valid boolean, unable to interpret input [type=bool_parsing"),
    ({"seg": []}, "seg\n  Input should be a valid dictionary or instance of"),
    ({"guided_generation_mask": "no.npz"}, "Path does not point to a directory [type=path_not_directory"),
    ({"guided_generation_foreground_labels": [1, "x"]}, "guided_generation_foreground_labels.1\n  Input should be"),
]


@pytest.mark.parametrize(("changes", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_wrong_spec_is_refused_with_pydantics_words(
    player: Player, sample: Make, changes: dict[str, Any], words: str
) -> None:
    played = player.play(sample(**changes), av=False)
    assert played.code == 1
    spec = player.folder / "spec.json"
    head = f"Error validating parameters from '{spec}' at line 0\n1 validation error for InferenceArguments\n"
    head = (
        head if "guided_generation_mask" not in changes else head.replace("1 validation error", "2 validation errors")
    )
    assert played.err.startswith(head)
    assert words in played.err
    assert played.out == ""
    assert not (player.folder / "outputs").exists()


def test_the_whole_text_of_one_error(player: Player, sample: Make) -> None:
    played = player.play([sample(), sample(name="b", edge={"control_weight": 1.5})], av=False)
    assert played.err == (
        f"Error validating parameters from '{player.folder / 'spec.jsonl'}' at line 1\n"
        "1 validation error for InferenceArguments\n"
        "edge.control_weight\n"
        "  Input should be less than or equal to 1 [type=less_than_equal, input_value=1.5, input_type=float]\n"
        "    For further information visit https://errors.pydantic.dev/2.11/v/less_than_equal\n"
    )


def test_all_errors_of_a_sample_are_told_in_the_order_of_the_fields(player: Player, sample: Make) -> None:
    played = player.play(sample(nonsense=1, seed="x", name=2), av=False)
    assert "3 validation errors for InferenceArguments" in played.err
    assert played.err.index("\nname\n") < played.err.index("\nseed\n") < played.err.index("\nnonsense\n")


@pytest.mark.parametrize(
    ("name", "text", "last"),
    [
        ("spec.json", "[1]", "TypeError: unsupported operand type(s) for |: 'list' and 'dict'"),
        ("spec.json", '{"name": "a", // no\n}', "json.decoder.JSONDecodeError: Expecting property name"),
        (
            "spec.jsonl",
            '{"name": "a", "prompt": "", "video_path": "in.mp4", "edge": {}}\n\n',
            "json.decoder.JSONDecodeError",
        ),
        ("spec.yaml", "name: a", "ValueError: Unsupported file extension: .yaml"),
        ("spec.json", '{"prompt_path": "no.txt"}', "FileNotFoundError: [Errno 2] No such file or directory: "),
    ],
)
def test_what_the_toolkit_does_not_catch_ends_in_a_traceback(player: Player, name: str, text: str, last: str) -> None:
    player.write(text, name)
    played = player.run("python", SCRIPT, "-i", name, "-o", "outputs", av=False)
    assert played.code == 1
    assert played.err.startswith("Traceback (most recent call last):\n")
    assert played.err.splitlines()[-1].startswith(last)


def test_names_are_unique_over_all_files(player: Player, sample: Make) -> None:
    player.write([sample(), sample(name="b")], "one.jsonl")
    player.write(sample(name="b"), "two.json")
    played = player.run("python", SCRIPT, "-i", "one.jsonl", "two.json", "-o", "outputs", av=False)
    assert (played.code, played.err) == (1, "Error: Inference samplename b is not unique\n")


def test_no_files_and_no_samples(player: Player) -> None:
    played = player.run("python", SCRIPT, "-o", "outputs", "-i", av=False)
    assert (played.code, played.err) == (1, "Error: No inference parameter files\n")
    player.write("", "none.jsonl")
    played = player.run("python", SCRIPT, "-i", "none.jsonl", "-o", "outputs", av=False)
    assert (played.code, played.err) == (1, "Error: No inference samples\n")


@pytest.mark.parametrize(
    ("flags", "title", "words"),
    [
        (("-i", "spec.json"), "Required options", "-o PATH, --output-dir PATH"),
        ((*GOOD, "--params_file", "x"), "Unrecognized options", "Unrecognized options: --params_file, x"),
        ((*GOOD, "--num_gpus=2"), "Unrecognized options", "--num_gpus=2"),
        ((*GOOD, "--model", "blur"), "Invalid choice", "invalid choice 'blur' for argument '--model'"),
        ((*GOOD, "--model=edge/distilled"), "Invalid choice", "invalid choice 'edge/distilled'"),
        ((*GOOD, "--seed", "x"), "Value error", "Error parsing --seed"),
        ((*GOOD, "--guidance", "3.0"), "Value error", "Error parsing --guidance"),
        ((*GOOD, "--seed"), "Missing argument", "Missing value for argument '--seed'. Expected 1 values."),
        ((*GOOD, "--show-input", "yes"), "Invalid choice", "invalid choice 'yes'"),
        ((*GOOD, "--keep-going", "True"), "Unrecognized options", "Unrecognized options: True"),
        ((*GOOD, "--compile-tokenizer", "none"), "Invalid choice", "invalid choice 'none'"),
        ((*GOOD, "--edge", "{}"), "Unrecognized options", "--edge"),
        ((*GOOD, "--name", "x"), "Unrecognized options", "--name"),
    ],
)
def test_a_wrong_command_line_gets_a_box_and_exit_code_2(
    player: Player, sample: Make, flags: tuple[str, ...], title: str, words: str
) -> None:
    player.write(sample())
    played = player.run("python", SCRIPT, *flags, av=False)
    assert played.code == 2
    assert played.err.startswith(f"╭─ {title} ─")
    assert words in played.err
    lines = played.err.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= 80
    assert played.out == ""


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--checkpoint-path", "no/such.pt"), "Value error, Checkpoint 'no/such.pt' does not exist."),
        (
            ("--checkpoint-path", "0" * 8 + "-0000-0000-0000-" + "0" * 12),
            "Set 'export COSMOS_EXPERIMENTAL_CHECKPOINTS=1'",
        ),
        (("--context-parallel-size", "0"), "Input should be greater than 0"),
        (("--enable-parallel-tokenizer", "--parallel-tokenizer-grid", "2", "2"), "Value error, Parallel tokenizer"),
    ],
)
def test_wrong_setup_is_told_by_pydantic(player: Player, sample: Make, flags: tuple[str, ...], words: str) -> None:
    played = player.play(sample(), *flags, av=False)
    assert played.code == 1
    assert "validation error for SetupArguments" in played.err
    assert words in played.err


def test_help_names_every_flag(player: Player) -> None:
    played = player.run("python", SCRIPT, "--help", av=False)
    assert played.code == 0
    assert played.out.startswith("usage: inference.py [-h] [OPTIONS]")
    for flag in (
        "-i [PATH [PATH ...]], --input-files",
        "--model {depth,edge,seg,vis}",
        "--keep-going, --no-keep-going",
    ):
        assert flag in played.out
    for flag in ("--prompt {None}|STR", "--num-steps {None}|INT", "--show-input {None,True,False}"):
        assert flag in played.out


@pytest.mark.parametrize(
    "words",
    [
        ("python", "examples/multiview.py", "-i", "x.json"),
        ("bash", SCRIPT),
        ("python",),
        ("torchrun", "--nproc_per_node=many", SCRIPT),
        ("torchrun", "--gpus=2", SCRIPT),
        ("uv", "pip", "install", "x"),
    ],
)
def test_a_command_that_is_not_played_is_refused_loudly(player: Player, words: tuple[str, ...]) -> None:
    played = player.run(*words, av=False)
    assert played.code == 2
    assert "stand-in for cosmos-transfer2.5: " in played.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STANDIN_FAIL", "explode"),
        ("STANDIN_FAIL", "blocked_prompt:"),
        ("STANDIN_FAIL", "blocked_prompt:nobody"),
        ("STANDIN_FAIL", "gated_model:a"),
        ("STANDIN_STEP_SECONDS", "soon"),
        ("STANDIN_STEP_SECONDS", "-1"),
        ("STANDIN_STEP_SECONDS", "nan"),
    ],
)
def test_an_order_that_cannot_be_followed_is_refused_loudly(
    player: Player, sample: Make, name: str, value: str
) -> None:
    played = player.play(sample(), av=False, **{name: value})
    assert played.code == 2
    assert name in played.err
