"""The toolkit on several GPUs: a bar from every rank, torchrun's words, and the hang after a blocked prompt."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from playing import SCRIPT, Make, Played, Player, environment
from real_processes import HANG_S

HEAD = ("torchrun", "--nproc_per_node=4", "--master_port=12341", SCRIPT)
GOOD = ("-i", "spec.json", "-o", "outputs")


def play(player: Player, *flags: str, **env: str) -> Played:
    return player.run(*HEAD, *GOOD, *flags, av=False, **env)


def test_every_rank_draws_a_bar_and_the_first_alone_writes(player: Player, sample: Make) -> None:
    player.write(sample())
    played = play(player)
    assert played.code == 0, played.err
    assert played.err.count("4/4 [") == 4
    assert played.out.count("Generated video saved to") == 1
    assert played.files() == {"a.json", "a.mp4", "a.txt", "a_control_edge.mp4"}
    assert "Setting OMP_NUM_THREADS environment variable" in played.err


@pytest.mark.parametrize(
    "head",
    [
        ("torchrun", "--nproc-per-node", "2", "-m", "examples.inference"),
        ("uv", "run", "torchrun", "--standalone", "--nproc_per_node=2", SCRIPT),
        ("/opt/venv/bin/torchrun", SCRIPT),
    ],
)
def test_other_spellings_of_torchrun(player: Player, sample: Make, head: tuple[str, ...]) -> None:
    player.write(sample())
    assert player.run(*head, *GOOD, av=False).code == 0


@pytest.mark.parametrize(("data", "exit_code"), [({"guidance": 9}, 1), ({}, 2)])
def test_a_failure_ends_in_torchruns_block_and_exit_code_1(
    player: Player, sample: Make, data: dict[str, int], exit_code: int
) -> None:
    player.write(sample(**data))
    played = play(player, *(["--foo"] if exit_code == 2 else []))
    assert played.code == 1
    assert "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: " in played.err
    assert f"{SCRIPT} FAILED" in played.err
    assert "Root Cause (first observed failure):" in played.err
    assert f"  exitcode  : {exit_code} (pid: " in played.err


def test_a_killed_rank_is_told_by_its_signal(player: Player, sample: Make) -> None:
    player.write(sample())
    played = play(player, STANDIN_FAIL="crash")
    assert played.code == 1
    assert "  exitcode  : -9 (pid: " in played.err
    assert "Signal 9 (SIGKILL) received by PID" in played.err


@pytest.mark.parametrize(("gpus", "code"), [("1", 0), ("3", 0), ("8", 0), ("5", 1), ("7", 1)])
def test_gpu_counts_that_cannot_be_split(player: Player, sample: Make, gpus: str, code: int) -> None:
    player.write(sample(num_steps=1))
    played = player.run("torchrun", f"--nproc_per_node={gpus}", SCRIPT, *GOOD, av=False)
    assert played.code == code
    assert ("ValueError: Split by width dimension is not currently supported" in played.err) == bool(code)


def test_a_blocked_prompt_hangs_until_the_collectives_time_out(player: Player, sample: Make) -> None:
    player.write(sample())
    played = play(player, STANDIN_FAIL="blocked_prompt", TORCH_NCCL_HEARTBEAT_TIMEOUT_SEC="0.2")
    assert played.code == 1
    assert "CRITICAL|cosmos_transfer2/inference.py:217:_generate_sample] Guardrail blocked generation." in played.out
    assert "collective operation timeout" in played.err


@pytest.mark.parametrize("failure", ["blocked_prompt", "hang"])
def test_sigterm_to_torchrun_ends_all_ranks(player: Player, sample: Make, failure: str) -> None:
    player.write(sample())
    with subprocess.Popen(
        player.command(*HEAD, *GOOD, av=False),
        cwd=player.folder,
        env=environment({"STANDIN_FAIL": failure}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        until = b"CRITICAL" if failure == "blocked_prompt" else b"Processing the following"
        while until not in process.stdout.readline():
            assert process.poll() is None
        os.kill(process.pid, signal.SIGTERM)
        # both pipes end only when the last rank is gone
        _, errors = process.communicate(timeout=HANG_S)
    assert process.returncode == 1
    assert b"SignalException: Process" in errors
