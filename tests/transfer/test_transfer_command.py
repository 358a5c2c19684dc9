"""The command: plain arguments, the launcher by the number of GPUs, flags and environment."""

from __future__ import annotations

from pathlib import PurePosixPath

from attrs import evolve
from hypothesis import given
from transfer_requests import asked, valid_requests

from cosmos_core import PYTHON, Command, Job, Request, Site
from cosmos_core.models import checks
from cosmos_transfer.transfer25 import choose_script, convert_inputs
from cosmos_transfer.transfer25.parameters import Parameters, Settings


def command_of(*requests: Request[Parameters], dir: str = "/job") -> Command:  # noqa: A002  the field's name
    job = Job.of(*requests, dir=dir)
    return choose_script(job, convert_inputs(job))


@given(request=valid_requests())
def test_arguments_are_plain_and_hold_nothing_the_user_wrote(request: Request[Parameters]) -> None:
    command = command_of(request, dir="/data/my jobs/jb_1")
    assert checks.wrong_command(command) == ""
    assert command.argv[-1] != "-c"
    assert not {"sh", "bash", "eval", request.text}.intersection(command.argv)
    assert "/data/my jobs/jb_1/spec.json" in command.argv
    assert command.resources.gpus == (request.gpus or 1)


def test_one_gpu() -> None:
    assert command_of(asked(), dir="/w/jb_1").argv == (
        PYTHON, "examples/inference.py", "-i", "/w/jb_1/spec.json", "-o", "/w/jb_1/outputs",
    )  # fmt: skip


def test_a_batch() -> None:
    assert "/job/batch.jsonl" in command_of(asked(id="a"), asked(id="b")).argv


def test_several_gpus_go_through_torchrun_on_a_port_of_the_jobs_own() -> None:
    request = evolve(asked(), gpus=4)
    command = command_of(request, dir="/w/jb_1")
    assert command.argv[:2] == ("torchrun", "--nproc_per_node=4")
    assert command.argv[3] == "examples/inference.py"
    assert command.argv[2].startswith("--master_port=")
    assert command == command_of(request, dir="/w/jb_1")
    assert command.argv[2] != command_of(request, dir="/w/jb_2").argv[2]
    assert 1024 < int(command.argv[2].partition("=")[2]) < 32768
    assert command.resources.gpus == 4


def test_the_distilled_model_needs_its_flag_and_its_variable() -> None:
    command = command_of(asked(distilled=True, num_steps=4))
    assert command.argv[-1] == "--model=edge/distilled"
    assert command.env == {"COSMOS_EXPERIMENTAL_CHECKPOINTS": "1"}
    assert command_of(asked()).env == {}


def test_flags() -> None:
    assert command_of(asked(disable_guardrails=True)).argv[-1] == "--disable-guardrails"
    assert command_of(asked(offload_guardrail_models=True)).argv[-1] == "--offload-guardrail-models"


def test_the_site_brings_its_own_checkpoint() -> None:
    settings = Settings(checkpoint_path=PurePosixPath("/data/model.pt"), experiment="mine")
    request = evolve(asked(), site=Site(target="t", toolkit="cosmos-transfer2.5", settings=settings))
    assert command_of(request).argv[-2:] == ("--checkpoint-path=/data/model.pt", "--experiment=mine")


def test_the_token_is_asked_for_by_name() -> None:
    assert command_of(asked()).secrets == ("HF_TOKEN",)
