"""The command line: `examples/inference.py`, under torchrun where it gets several GPUs."""

from __future__ import annotations

from zlib import crc32

from cosmos_core import PYTHON, Bundle, Command, Job, Resources
from cosmos_transfer.transfer25.parameters import Parameters, Settings

SCRIPT = "examples/inference.py"
GPU_MEM_GB = 65.4
"""What NVIDIA's documents say one GPU needs for the 2B model."""

_PORTS = range(12000, 32000)  # below the ports that Linux gives to outgoing connections


def choose_script(job: Job[Parameters], bundle: Bundle) -> Command:
    """The command for a job; all its requests agree on every flag, since those are in the batch key."""
    first = job.requests[0]
    gpus = first.gpus or 1
    # torchrun's default port is fixed, and two jobs may share a host
    port = _PORTS[crc32(job.dir.encode()) % len(_PORTS)]
    launcher = (PYTHON,) if gpus == 1 else ("torchrun", f"--nproc_per_node={gpus}", f"--master_port={port}")
    return Command(
        argv=(
            *launcher,
            SCRIPT,
            "-i",
            job.path(bundle.files[0].path),
            "-o",
            job.path("outputs"),
            *_flags(job),
        ),
        env={"COSMOS_EXPERIMENTAL_CHECKPOINTS": "1"} if first.parameters.distilled else {},
        secrets=("HF_TOKEN",),
        resources=Resources(gpus=gpus, gpu_mem_gb=GPU_MEM_GB),
    )


def _flags(job: Job[Parameters]) -> tuple[str, ...]:
    parameters = job.requests[0].parameters
    settings: Settings = job.site.settings or Settings()
    flags: list[str] = []
    if parameters.distilled:
        flags.append("--model=edge/distilled")
    if parameters.disable_guardrails:
        flags.append("--disable-guardrails")
    if parameters.offload_guardrail_models:
        flags.append("--offload-guardrail-models")
    if settings.checkpoint_path is not None:
        flags.append(f"--checkpoint-path={settings.checkpoint_path}")
    if settings.experiment is not None:
        flags.append(f"--experiment={settings.experiment}")
    return tuple(flags)
