"""Failures by the texts they leave in the log, each in words for somebody who makes films.

The texts are NVIDIA's, Python's, PyTorch's and Hugging Face's own. The most telling comes first: a download
that fails for want of a licence also ends in a failed command.
"""

from __future__ import annotations

import re

from attrs import frozen

from cosmos_core import Failure


@frozen(kw_only=True)
class Signature:
    """A text and what it means; `{named groups}` of the pattern may stand in the message and the hint."""

    pattern: str
    code: str
    message: str
    hint: str
    transient: bool = False

    def failure(self, log: str) -> Failure | None:
        """The failure, if the log shows it."""
        found = re.search(self.pattern, log, re.MULTILINE)  # compiled for what failed: most runs never need it
        if found is None:
            return None
        parts = {name: " ".join((text or "").split()) for name, text in found.groupdict().items()}
        return Failure(
            code=self.code,
            message=self.message.format(**parts),
            hint=self.hint.format(**parts),
            transient=self.transient,
        )


def _sign(pattern: str, code: str, message: str, hint: str, *, transient: bool = False) -> Signature:
    return Signature(pattern=pattern, code=code, message=message, hint=hint, transient=transient)


SIGNATURES = (
    _sign(
        r"^Error validating parameters from .*\n(?:\d+ validation errors? .*\n)?(?P<what>.*(?:\n  .*)?)",
        "spec_refused",
        "the toolkit refused the settings: {what}",
        "change that setting; if cosmos took it without a word, please report it with the output of --dry-run",
    ),
    _sign(
        r"CUDA out of memory",
        "out_of_memory",
        "the GPU ran out of memory",
        "use offload_guardrail_models=true, a lower resolution, fewer frames per chunk or more GPUs, and "
        "look whether something else is using the GPU",
    ),
    _sign(
        r"No space left on device",
        "disk_full",
        "there is no space left on the disk of the target",
        "make room there (the models alone take many gigabytes), then try again",
    ),
    _sign(
        r"GatedRepoError|\bgated repo\b|\b40[13] Client Error|Access to model \S+ is restricted",
        "gated_model",
        "Hugging Face did not give out the models: a licence is not accepted, or the token is missing or wrong",
        "accept the licence of nvidia/Cosmos-Guardrail1 and of the other models on huggingface.co, and put "
        "HF_TOKEN into the env_file of the target",
    ),
    _sign(
        r"LocalEntryNotFoundError",
        "checkpoint_missing",
        "a model is not in the cache of the target, and fetching it is switched off",
        "let the target download it once (without HF_HUB_OFFLINE), or copy a filled cache there",
    ),
    _sign(
        r"FileNotFoundError: .*'uvx'",
        "uvx_missing",
        "uvx is not found on the target, and the toolkit fetches its models with it",
        "install uv there (https://docs.astral.sh/uv) so that uvx is on the PATH of commands that run without a login",
    ),
    _sign(
        r"CalledProcessError: Command '\['uvx', .*?'download', '(?P<repository>[^']+)'",
        "download_failed",
        "the model {repository} could not be downloaded",
        "look whether the target reaches huggingface.co, then try again; without a network, fill its cache "
        "first and set HF_HUB_OFFLINE=1",
        transient=True,
    ),
    _sign(
        r"Checkpoint '(?P<checkpoint>[^']*)' (?:does not exist|not found)",
        "checkpoint_missing",
        "the checkpoint {checkpoint} is not there",
        "correct checkpoint_path in the target's settings, or update the toolkit's repository",
    ),
    _sign(
        r"CUDA extra (?:not installed|version mismatch)",
        "environment",
        "the toolkit's environment does not fit the GPU: its CUDA parts are missing or of another version",
        "run `uv sync --extra=cu128` in the toolkit's repository, or rebuild the image",
    ),
    _sign(
        r"No boxes detected\. Exiting\.",
        "nothing_found",
        "nothing in the video was found by the words given for it",
        "name things that can be seen in the first frame with seg_prompt or mask_prompt, or give the "
        "control as a video",
    ),
    _sign(
        r"Failed to compute depth: (?P<why>.*)",
        "depth_failed",
        "depth could not be computed from the video: {why}",
        "give the depth as a control video, or leave out that control",
    ),
    _sign(
        r"No input frames; cannot pad\.",
        "too_short",
        "a control, a mask or the guided mask is shorter than the video",
        "give one that is as long, or read less of the video with max_frames",
    ),
    _sign(
        r"Invalid video extension: (?P<suffix>\S+)|Unsupported format: (?P<format>\S+)",
        "input_unreadable",
        "the toolkit cannot read this kind of file: {suffix}{format}",
        "convert it to .mp4",
    ),
    _sign(
        r"(?:`pyav` can not handle the given uri|An unknown error occurred while initializing plugin `pyav`"
        r"|InvalidDataError: |need at least one array to stack)",
        "input_unreadable",
        "the toolkit cannot decode one of the videos: it is cut off, damaged, or holds no pictures",
        "play each input to its end, replace the one that breaks off, or encode it anew as H.264 in .mp4",
    ),
    _sign(
        r"OSError: (?:Unable to load image: .*|cannot identify image file.*)",
        "input_unreadable",
        "the toolkit cannot read one of the pictures: it is cut off, damaged, or of another kind than its name says",
        "open each picture, and save the one that fails anew as .png",
    ),
    _sign(
        r"Wrong shape: expected 4 dims|expected input to have 3 channels",
        "input_unreadable",
        "the toolkit reads pictures with three colours only, and one of them has a palette, is grey, or has 16 bits",
        "save it anew as a plain 8-bit RGB picture",
    ),
    _sign(
        r"all input arrays must have the same shape|could not broadcast input array from shape",
        "input_unreadable",
        "the picture size changes within a video, or differs between a video and its mask",
        "encode the video anew with one size, and give masks and controls the size of the video",
    ),
    _sign(
        r"IndexError: index \d+ is out of bounds for (?:axis 0|dimension 2) with size (?P<frames>\d+)",
        "input_unreadable",
        "a video has another number of frames than it says or than was asked for ({frames})",
        "encode the video anew, and look whether context_frame_index is below its number of frames",
    ),
    _sign(
        r"The size of tensor a \((?P<one>\d+)\) must match the size of tensor b \((?P<other>\d+)\)",
        "size_mismatch",
        "the video and a control or mask have different shapes ({one} against {other} after scaling)",
        "give controls and masks the width and height of the video",
    ),
    _sign(
        r"Input control_input length doesn't match",
        "chunk_length",
        "the model cannot make chunks of that many frames",
        "leave num_video_frames_per_chunk at 93, or set it to 1 for a picture",
    ),
    _sign(
        r"AttributeError: 'DMD2Model' object has no attribute 'get_x_from_clean'",
        "distilled",
        "the distilled model cannot begin from the input's own picture",
        "leave out sigma_max, or use the base model",
    ),
    _sign(
        r"Split by width dimension is not currently supported",
        "gpu_count",
        "the toolkit cannot split its work over that many GPUs",
        "use 1, 2, 4 or 8 GPUs",
    ),
    _sign(
        r"Watchdog caught collective operation timeout",
        "hang",
        "the GPUs waited for each other until the toolkit gave up",
        "try again; if it happens again, use one GPU to see the cause",
        transient=True,
    ),
    _sign(
        r"SignalException: Process \d+ got signal: ",
        "stopped",
        "the toolkit was told to stop before it was done",
        "run it again, unless you stopped it yourself",
    ),
    _sign(
        r"\bSignal 9 \(SIGKILL\)|\bexitcode\s*: -9\b",
        "killed",
        "the toolkit was killed, by somebody or because the host's memory (not the GPU's) ran out",
        "make memory free on the target, or use fewer or shorter videos",
    ),
)

_EXCEPTION = re.compile(
    r"^(?:\[rank\d+\]: ?)?(?P<what>[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)(?:: .*)?)$", re.MULTILINE
)
_PLAIN_ERROR = re.compile(r"^Error: (?P<what>.+)$", re.MULTILINE)


def known_failure(log: str) -> Failure | None:
    """The first failure of the list that the log shows."""
    return next((failure for signature in SIGNATURES if (failure := signature.failure(log))), None)


def last_words(log: str) -> str:
    """The exception (or error line) that ended the program; torchrun's report of it is no cause itself."""
    errors = [found["what"] for found in _EXCEPTION.finditer(log) if "ChildFailedError" not in found["what"]]
    if errors:
        return errors[-1]
    plain = _PLAIN_ERROR.search(log)
    return plain["what"] if plain else ""
