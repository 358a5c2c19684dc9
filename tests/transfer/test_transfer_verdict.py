"""The verdict on each request, from files, log and exit code together."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from transfer_requests import PICTURE, asked, given_input

from cosmos_core import Failure, Job, Outputs, Request, Result
from cosmos_core.models import checks
from cosmos_transfer.transfer25 import parse_outputs
from cosmos_transfer.transfer25.parameters import Parameters

BAR = "Generating samples: 100%|██████████| 35/35 [06:04<00:00, 10.40s/it]"
HEAD = "[11-23 08:49:42|{}|cosmos_transfer2/inference.py:217:_generate_sample] "
INFO = HEAD.format("INFO")
CRITICAL = HEAD.format("CRITICAL")
SUCCESS = HEAD.format("SUCCESS")

CHILD_FAILED = """torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
examples/inference.py FAILED
Root Cause (first observed failure):
[0]:
  time      : 2026-06-07_10:00:00
  rank      : 0 (local_rank: 0)
  exitcode  : 1 (pid: 123)
============================================================
"""


def traceback(error: str) -> str:
    return f'Traceback (most recent call last):\n  File "/workspace/examples/inference.py", line 1\n{error}\n'


def saved(name: str = "rs_1") -> str:
    return f"{SUCCESS}Generated video saved to /job/outputs/{name}.mp4\n"


class Left:
    """A job's leavings in a folder, to be judged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def judged(
        self,
        log: str,
        exit_code: int | None,
        *requests: Request[Parameters],
        debug: str = "",
        **files: int,
    ) -> list[Outputs]:
        job = Job.of(*(requests or (asked(),)))
        run_log = self.folder / "run.log"
        run_log.write_text(log, encoding="utf-8", newline="")
        (self.folder / "outputs").mkdir(exist_ok=True)
        (self.folder / "outputs" / "debug.log").write_text(debug, encoding="utf-8")
        there = {name.replace("__", "."): size for name, size in files.items()}
        result = Result(files=there, folder=self.folder / "outputs", log=run_log, exit_code=exit_code)
        outputs = tuple(parse_outputs(job, result))
        assert checks.wrong_outputs(outputs, job) == ""
        return list(outputs)

    def failure(self, log: str, exit_code: int | None, *, debug: str = "", **files: int) -> Failure:
        [outputs] = self.judged(log, exit_code, debug=debug, **files)
        assert outputs.failure is not None
        assert outputs.failure.message
        assert outputs.failure.hint
        return outputs.failure


@pytest.fixture
def left(tmp_path: Path) -> Left:
    return Left(tmp_path)


def test_a_good_run(left: Left) -> None:
    debug = f"{INFO}Average time per chunk: 361.5\n"
    [outputs] = left.judged(saved(), 0, debug=debug, rs_1__mp4=1000)
    assert outputs.failure is None
    assert outputs.values == {"seed": 2025, "frames": 93, "chunks": 1, "seconds_per_chunk": 361.5}


def test_a_good_picture(left: Left) -> None:
    picture = asked(given_input("video", "a.png", PICTURE), num_video_frames_per_chunk=1)
    [outputs] = left.judged("", 0, picture, rs_1__jpg=1000)
    assert outputs.failure is None
    assert outputs.values["frames"] == 1
    [outputs] = left.judged("", 0, picture, rs_1__mp4=1000)
    assert outputs.failure is not None


BLOCKED = f"{CRITICAL}Guardrail blocked generation. Prompt: a bad thing\n"


def test_a_blocked_prompt_ends_with_exit_0(left: Left) -> None:
    why = f"{CRITICAL}Prompt blocked by Qwen3Guard. Safety: Unsafe, Categories: ['Violent']\n"
    failure = left.failure(BLOCKED, 0, debug=why, rs_1__json=200)
    assert failure.code == "prompt_blocked"
    assert "Qwen3Guard: Safety: Unsafe, Categories: ['Violent']" in failure.message
    reason = f"{CRITICAL}GUARDRAIL BLOCKED: BLOCKLIST: Prompt blocked by censorship: Censored Prompt: ***\n"
    assert "BLOCKLIST" in left.failure(reason + BLOCKED, 0).message


def test_a_blocked_negative_prompt_is_called_so(left: Left) -> None:
    failure = left.failure(f"{CRITICAL}Guardrail blocked generation. Negative prompt: bad\n", 0)
    assert (failure.code, "negative prompt" in failure.message) == ("prompt_blocked", True)


def test_a_blocked_prompt_on_several_gpus_is_killed_and_still_called_blocked(left: Left) -> None:
    assert left.failure(BLOCKED, 137).code == "prompt_blocked"


def test_a_message_glued_to_a_bar_is_found(left: Left) -> None:
    assert left.failure("\r" + BAR + BLOCKED, 0).code == "prompt_blocked"


def test_a_blocked_video_is_told_by_debug_log(left: Left) -> None:
    debug = f"{CRITICAL}GUARDRAIL BLOCKED: VIDEOCONTENTSAFETYFILTER: unsafe frames\n"
    failure = left.failure(f"{INFO}Running guardrail check on video...\n", 0, debug=debug, rs_1_control_edge__mp4=10)
    assert (failure.code, "unsafe frames" in failure.message) == ("video_blocked", True)


def test_a_blocked_video_is_told_by_the_log_alone(left: Left) -> None:
    checking = f"{INFO}Running guardrail check on video...\n"
    assert left.failure(checking, 0).code == "video_blocked"
    assert left.failure(checking, 137).code == "killed"
    passed = f"{SUCCESS}Passed guardrail on generated video\n"
    assert left.failure(checking + passed, 0).code == "output_missing"


UVX = "Command '['uvx', 'hf>=1.3.5', 'download', 'nvidia/Cosmos-Guardrail1']' returned non-zero exit status 1."

CRASHES = {
    "out_of_memory": traceback("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."),
    "disk_full": traceback("OSError: [Errno 28] No space left on device"),
    "gated_model": "huggingface_hub.errors.GatedRepoError: 403 Client Error.\n"
    + traceback(f"subprocess.CalledProcessError: {UVX}"),
    "download_failed": traceback(f"subprocess.CalledProcessError: {UVX}"),
    "uvx_missing": traceback("FileNotFoundError: [Errno 2] No such file or directory: 'uvx'"),
    "checkpoint_missing": traceback("ValueError: Checkpoint '/data/model.pt' does not exist."),
    "environment": traceback("ImportError: CUDA extra not installed. Please run 'uv sync --extra=<cuda_name>'"),
    "nothing_found": f"{INFO}No boxes detected. Exiting.\n" + traceback("IndexError: list index out of range"),
    "too_short": traceback("ValueError: No input frames; cannot pad. Verify that video frame counts match."),
    "input_unreadable": traceback("ValueError: Invalid video extension: .MP4"),
    "gpu_count": traceback("ValueError: Split by width dimension is not currently supported."),
    "hang": "[rank1]: Watchdog caught collective operation timeout: WorkNCCL(SeqNum=3)\n",
    "spec_refused": "Error validating parameters from '/job/spec.json' at line 0\n"
    "1 validation error for InferenceArguments\nedge.control_weight\n"
    "  Input should be less than or equal to 1 [type=less_than_equal, input_value=1.5]\n",
    "killed": CHILD_FAILED.replace("exitcode  : 1", "exitcode  : -9"),
    "stopped": traceback("torch.distributed.elastic.multiprocessing.api.SignalException: Process 7 got signal: 15"),
    "crashed": traceback("KeyError: '999'"),
}


@pytest.mark.parametrize("code", CRASHES)
def test_a_crash_is_told_by_its_cause(left: Left, code: str) -> None:
    assert left.failure(CRASHES[code], 1).code == code


@pytest.mark.parametrize("code", CRASHES)
def test_under_torchrun_the_cause_stands_above_its_report(left: Left, code: str) -> None:
    assert left.failure(CRASHES[code] + CHILD_FAILED, 1).code == code


def test_the_words_name_what_is_known(left: Left) -> None:
    assert "KeyError: '999'" in left.failure(CRASHES["crashed"] + CHILD_FAILED, 1).message
    assert "/data/model.pt" in left.failure(CRASHES["checkpoint_missing"], 1).message
    assert "nvidia/Cosmos-Guardrail1" in left.failure(CRASHES["download_failed"], 1).message
    refused = left.failure(CRASHES["spec_refused"], 1).message
    assert "edge.control_weight Input should be less than or equal to 1" in refused


READERS = {
    "OSError: `pyav` can not handle the given uri.": "input_unreadable",
    "av.error.InvalidDataError: [Errno 1094995529] Invalid data found when processing input": "input_unreadable",
    "ValueError: need at least one array to stack": "input_unreadable",
    "OSError: Unable to load image: Truncated File Read": "input_unreadable",
    " Wrong shape: expected 4 dims. Received 3-dim tensor.": "input_unreadable",
    "RuntimeError: expected input to have 3 channels, but got 2 channels instead": "input_unreadable",
    "ValueError: all input arrays must have the same shape": "input_unreadable",
    "ValueError: could not broadcast input array from shape (480,640,3) into shape (360,640,3)": "input_unreadable",
    "IndexError: index 93 is out of bounds for axis 0 with size 93": "input_unreadable",
    "RuntimeError: The size of tensor a (44) must match the size of tensor b (60) at dimension 3": "size_mismatch",
    "AssertionError: Input control_input length doesn't match expected length specified by state_t.": "chunk_length",
    "AttributeError: 'DMD2Model' object has no attribute 'get_x_from_clean'": "distilled",
}


@pytest.mark.parametrize("error", READERS)
def test_what_the_readers_fail_on_names_the_file_at_fault_not_a_crash(left: Left, error: str) -> None:
    assert left.failure(traceback(error) + CHILD_FAILED, 1).code == READERS[error]


def test_depth_that_cannot_be_computed_is_told_by_debug_log(left: Left) -> None:
    log = traceback("TypeError: 'NoneType' object is not subscriptable")
    assert left.failure(log, 1, debug=f"{INFO}Failed to compute depth: no frames\n").code == "depth_failed"


@pytest.mark.parametrize(
    ("exit_code", "code"),
    [
        (137, "killed"),
        (-9, "killed"),
        (143, "stopped"),
        (2, "command_refused"),
        (None, "no_exit_code"),
        (1, "exit_code"),
        (0, "output_missing"),
    ],
)
def test_a_silent_end_is_told_by_its_exit_code(left: Left, exit_code: int | None, code: str) -> None:
    assert left.failure("", exit_code).code == code


def test_an_empty_file_is_no_result(left: Left) -> None:
    assert left.failure("", 0, rs_1__mp4=0).code == "output_cut"


def test_a_file_half_written_is_no_result(left: Left) -> None:
    assert left.failure("", 137, rs_1__mp4=1000).code == "killed"


def test_only_errors_of_a_failed_run_count(left: Left) -> None:
    [outputs] = left.judged(CRASHES["out_of_memory"] + saved(), 0, rs_1__mp4=1000)
    assert outputs.failure is None


def batch(*names: str) -> tuple[Request[Parameters], ...]:
    return tuple(asked(id=name) for name in names)


def begins(number: int, name: str) -> str:
    return f"{INFO}[{number}/3] Processing sample {name}\n"


def test_of_a_batch_that_crashed_the_good_part_is_kept(left: Left) -> None:
    log = begins(1, "a") + saved("a") + begins(2, "b") + CRASHES["out_of_memory"]
    a, b, c = left.judged(log, 1, *batch("a", "b", "c"), a__mp4=10)
    assert a.failure is None
    assert b.failure is not None
    assert b.failure.code == "out_of_memory"
    assert c.failure is not None
    assert (c.failure.code, c.failure.transient) == ("not_reached", True)
    assert "memory" in c.failure.message


def test_one_blocked_prompt_does_not_blame_the_others(left: Left) -> None:
    log = begins(1, "a") + BLOCKED + begins(2, "b") + saved("b") + begins(3, "c") + saved("c")
    a, b, c = left.judged(log, 0, *batch("a", "b", "c"), b__mp4=10, c__mp4=10)
    assert a.failure is not None
    assert a.failure.code == "prompt_blocked"
    assert (b.failure, c.failure) == (None, None)


def test_a_batch_stopped_for_a_blocked_prompt_says_so_to_the_rest(left: Left) -> None:
    requests = tuple(evolve(request, gpus=2) for request in batch("a", "b"))
    a, b = left.judged(begins(1, "a") + BLOCKED, 137, *requests)
    assert a.failure is not None
    assert a.failure.code == "prompt_blocked"
    assert b.failure is not None
    assert (b.failure.code, "blocked the prompt" in b.failure.message) == ("not_reached", True)


def test_what_ends_a_batch_before_it_began_is_told_to_all(left: Left) -> None:
    a, b = left.judged(CRASHES["uvx_missing"], 1, *batch("a", "b"))
    assert [one.failure and one.failure.code for one in (a, b)] == ["uvx_missing", "uvx_missing"]
    a, b = left.judged(CRASHES["crashed"], 1, *batch("a", "b"))
    assert [one.failure and one.failure.code for one in (a, b)] == ["crashed", "crashed"]


_parts = st.sampled_from(
    [*CRASHES.values(), BLOCKED, BAR, "\r", saved("a"), begins(1, "a"), begins(2, "b"), CHILD_FAILED]
)


@given(parts=st.lists(_parts | st.text(max_size=20), max_size=8), exit_code=st.none() | st.integers(-20, 255))
def test_without_a_file_there_is_always_a_failure_with_words(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], exit_code: int | None
) -> None:
    outputs = Left(tmp_path_factory.mktemp("job")).judged(
        "".join(parts).encode(errors="replace").decode(), exit_code, *batch("a", "b")
    )
    for one in outputs:
        assert one.failure is not None
        assert one.failure.message.strip()
        assert one.failure.hint.strip()
