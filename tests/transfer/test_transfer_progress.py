"""Progress from log lines as the toolkit prints them."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from transfer_requests import VIDEO, asked, given_input

from cosmos_core import Job, LineReader, Progress, Request
from cosmos_transfer.transfer25 import follow_progress
from cosmos_transfer.transfer25.parameters import Parameters


def message(words: str, level: str = "INFO") -> str:
    return f"[11-23 08:49:42|{level}|cosmos_transfer2/inference.py:217:_generate_sample] {words}"


def bar(step: int, steps: int = 35) -> str:
    percent = 100 * step // steps
    return f"Generating samples: {percent:3d}%|█▏        | {step}/{steps} [00:41<05:22, 10.40s/it]"


def of_frames(frames: int, gpus: int | None = None, name: str = "rs_1") -> Request[Parameters]:
    return evolve(asked(given_input("video", media=evolve(VIDEO, frames=frames)), id=name), gpus=gpus)


def reader(*requests: Request[Parameters]) -> LineReader:
    return follow_progress(Job.of(*requests))


def told(read: LineReader, *lines: str) -> list[Progress]:
    return [progress for line in lines if (progress := read(line)) is not None]


BLOCKED = message("Guardrail blocked generation. Prompt: a bad thing", "CRITICAL")


def test_a_run_from_start_to_end() -> None:
    read = reader(of_frames(93))
    progress = told(
        read,
        "Imported 1 of 3",
        "Imported 2 of 3",
        message("Downloading checkpoint nvidia/Cosmos-Transfer2.5-2B/general/edge(61f5694b-1)"),
        message("Saved config to /job/outputs/config.yaml"),
        message("[1/1] Processing sample rs_1"),
        message("Running guardrail check on prompt..."),
        message("Passed guardrail on prompt", "SUCCESS"),
        message("edge control video saved to /job/outputs/rs_1_control_edge.mp4"),
        *(bar(step) for step in range(36)),
        message("Running guardrail check on video..."),
        message("Generated video saved to /job/outputs/rs_1.mp4", "SUCCESS"),
    )
    words = [one.message for one in progress]
    assert words[:7] == [
        "loading the model",
        "downloading nvidia/Cosmos-Transfer2.5-2B/general/edge",
        "the model is loaded",
        "checking the prompt",
        "the prompt passed the safety check",
        "the edge control is there",
        "sampling 0/35",
    ]
    assert words[-4:] == ["sampling 34/35", "decoding what was sampled", "checking the result", "saved"]
    by_words = {one.message: one.fraction for one in progress}
    assert by_words["sampling 7/35"] == 0.18
    assert by_words["the edge control is there"] == 0.0
    assert [by_words[stage] for stage in words[-3:]] == [0.9, 0.94, 1.0]
    assert by_words["saved"] == 1.0
    assert max(one.fraction or 0 for one in progress[:-1]) < 1
    assert all(one.request == "rs_1" and one.doomed is None for one in progress)


def test_chunks_are_counted_by_their_bars() -> None:
    read = reader(of_frames(185))  # 93 and 92 more: two chunks
    progress = told(read, *(bar(step, 4) for _ in range(2) for step in range(5)))
    assert [one.fraction for one in progress] == [round(0.9 * n / 8, 4) for n in range(9)]
    assert progress[2].message == "chunk 1/2, sampling 2/4"
    assert progress[-2].message == "chunk 2/2, sampling 3/4"
    assert progress[-1].message == "decoding what was sampled"


def test_chunks_are_counted_where_bars_do_not_begin_at_zero() -> None:
    read = reader(of_frames(185))
    progress = told(read, *(bar(step, 4) for _ in range(2) for step in range(1, 5)))
    assert [one.fraction for one in progress] == [round(0.9 * n / 8, 4) for n in range(1, 9)]


def test_every_rank_has_a_bar_of_its_own() -> None:
    read = reader(of_frames(185, gpus=2))
    first = told(read, bar(0, 4), bar(0, 4), *(bar(step, 4) for step in range(1, 4) for _ in range(2)), bar(4, 4))
    assert first[-1].fraction == 0.45
    # one rank has begun the second chunk, the other still ends the first
    assert told(read, bar(0, 4), bar(4, 4)) == []
    second = told(read, bar(0, 4), bar(1, 4), bar(1, 4))
    assert [one.fraction for one in second] == [0.5625]


def test_a_chunk_that_the_log_names_is_believed() -> None:
    read = reader(of_frames(185))
    [progress] = told(read, message("Generating chunk 2/2"), bar(2, 4))
    assert progress.fraction == 0.675


def test_a_message_behind_a_bar_is_read_too() -> None:
    read = reader(of_frames(93))
    [progress] = told(read, bar(35) + message("Running guardrail check on video..."))
    assert (progress.message, progress.fraction) == ("checking the result", 0.94)


def test_each_request_of_a_batch_has_its_own_fraction() -> None:
    read = reader(of_frames(93, name="rs_a"), of_frames(93, name="rs_b"))
    progress = told(
        read,
        message("[1/2] Processing sample rs_a"),
        bar(35),
        message("Generated video saved to /job/outputs/rs_a.mp4", "SUCCESS"),
        message("[2/2] Processing sample rs_b"),
        bar(7),
    )
    assert [(one.request, one.fraction) for one in progress] == [
        ("rs_a", 0.0), ("rs_a", 0.9), ("rs_a", 1.0), ("rs_b", 0.0), ("rs_b", 0.18),
    ]  # fmt: skip
    assert progress[3].message == "sample 2 of 2"


def test_what_comes_after_sampling_has_its_share_and_words() -> None:
    read = reader(of_frames(93))
    progress = told(
        read,
        bar(35),
        message("edge control video saved to /job/outputs/rs_1_control_edge.mp4"),
        message("Running guardrail check on video..."),
        message("Passed guardrail on generated video", "SUCCESS"),
        message("Generated video saved to /job/outputs/rs_1.mp4", "SUCCESS"),
    )
    assert [(one.fraction, one.message) for one in progress] == [
        (0.9, "decoding what was sampled"),
        (0.92, "the edge control is there"),
        (0.94, "checking the result"),
        (0.97, "the result passed the safety check, encoding it"),
        (1.0, "saved"),
    ]


def test_a_blocked_prompt_dooms_a_job_on_several_gpus_only() -> None:
    [alone] = told(reader(of_frames(93)), BLOCKED)
    assert alone.doomed is None
    [together] = told(reader(of_frames(93, gpus=4)), BLOCKED)
    assert together.doomed is not None
    assert together.doomed.code == "prompt_blocked"


def test_a_blocked_prompt_is_seen_whatever_it_says() -> None:
    for words in (bar(3), message("Running guardrail check on video..."), "[1/1] Processing sample rs_1"):
        [progress] = told(reader(of_frames(93, gpus=2)), BLOCKED + words)
        assert progress.doomed is not None


def test_only_the_program_itself_dooms_a_job() -> None:
    read = reader(of_frames(93, gpus=4))
    progress = told(read, "Guardrail blocked generation. Prompt: x", "saying " + BLOCKED)
    assert [one.doomed for one in progress] == [None]


_words = st.sampled_from(
    [
        "Generating chunk 2/2",
        "[1/2] Processing sample rs_a",
        "[2/2] Processing sample rs_b",
        "[3/2] Processing sample rs_c",
        "Generated video saved to /job/outputs/rs_a.mp4",
        "Running guardrail check on prompt...",
        "Guardrail blocked generation. Prompt: x",
    ]
)
_line = st.one_of(
    st.text(max_size=40),
    st.builds(bar, st.integers(0, 9), st.integers(1, 7)),
    st.builds(message, _words, st.sampled_from(("INFO", "CRITICAL"))),
)


@given(
    lines=st.lists(st.builds(str.__add__, _line, st.just("") | _line), max_size=60),
    gpus=st.sampled_from((1, 2)),
)
def test_no_line_soup_sends_a_request_back(lines: list[str], gpus: int) -> None:
    read = reader(of_frames(185, gpus, "rs_a"), of_frames(300, gpus, "rs_b"))
    reached = {"rs_a": 0.0, "rs_b": 0.0}
    for progress in told(read, *lines):
        assert progress.request is not None
        assert progress.fraction is not None
        assert reached[progress.request] <= progress.fraction <= 1
        reached[progress.request] = progress.fraction
