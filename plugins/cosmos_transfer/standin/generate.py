"""The run itself: load a model, go through the samples, write what the toolkit writes, fail where it fails."""

from __future__ import annotations

import os
import signal
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from . import media
from .console import INFERENCE, Bar, Log
from .flags import YES, Arguments
from .launch import Ranks
from .orders import Orders
from .picture import Picture, beside, changed, derived
from .spec import Sample

MAIN = "examples/inference.py:95:main"
CHECKPOINTS = "cosmos_transfer2/_src/imaginaire/utils/checkpoint_db.py:143:download"
SAVE = f"{INFERENCE}:142:__init__"
SAMPLES = f"{INFERENCE}:176:generate"
SAMPLE = f"{INFERENCE}:217:_generate_sample"
GUARDRAIL = "cosmos_transfer2/_src/imaginaire/auxiliary/guardrail/common/core.py:52:run_safety_check"
PIPELINE = "cosmos_transfer2/_src/transfer2/inference/inference_pipeline.py:412:generate_img2world"
WEIGHTS = "nvidia/Cosmos-Transfer2.5-2B"
SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", *media.STILLS)
LATENT_FRAMES = 24
NCCL_SECONDS = 1800.0
# the aspect classes at 720; the other resolutions scale these, to multiples of 16
SIZES = ((1280, 704), (960, 704), (960, 960), (704, 960), (704, 1280))
RESOLUTIONS = {
    **dict.fromkeys(("720", "720p", "720robocasa"), 720),
    **dict.fromkeys(("480", "480p"), 480),
    "256": 256,
    "512": 512,
    "1024": 1024,
    "1080": 1080,
}


class ModelKey:
    """What the toolkit looks checkpoints up by; shows in its KeyError."""

    def __init__(self, variant: str, distilled: bool) -> None:
        self._shown = f"ModelKey(variant={variant!r}, distilled={distilled})"

    def __repr__(self) -> str:
        return self._shown


class OutOfMemoryError(RuntimeError):
    """Shown as torch's."""

    __module__ = "torch"


class CalledProcessError(Exception):
    """Shown as that of subprocess."""

    __module__ = "subprocess"


class Run:
    """One run of the toolkit on one rank."""

    def __init__(self, arguments: Arguments, samples: list[Sample], ranks: Ranks, orders: Orders) -> None:
        self._arguments = arguments
        self._setup = arguments.setup
        self._ranks = ranks
        self._orders = orders
        self._smoke = os.environ.get("COSMOS_SMOKE", "").lower() in YES
        self._samples = samples[:1] if self._smoke else samples
        if self._setup["benchmark"]:
            self._samples = self._samples[:1] * 4
        self._guarded = not (self._setup["disable_guardrails"] or self._smoke)
        self._folder = arguments.output
        self._folder.mkdir(parents=True, exist_ok=True)
        verbose = os.environ.get("COSMOS_VERBOSE", "").lower() in YES
        self._log = Log(self._folder, speaks=ranks.rank == 0, verbose=verbose)

    def everything(self) -> None:
        """Load and generate all samples; whatever the toolkit does not catch is raised."""
        try:
            self._load()
            if self._ranks.rank != 0:
                if not self._ranks.hear(self._chunk):
                    self._wait_for_nccl()
                return
            names = [sample.name for sample in self._samples]
            self._log.line(SAMPLES, f"Generating {len(names)} samples: {names}")
            for index, sample in enumerate(self._samples, start=1):
                self._log.line(SAMPLES, f"[{index}/{len(names)}] Processing sample {sample.name}")
                self._one(sample)
            if self._setup["profile"]:
                (self._folder / "profile.pyisession").write_text('{"simulated": true}\n')
            self._ranks.say("done")
        finally:
            self._log.close()

    def _load(self) -> None:
        controls = sorted({key for sample in self._samples for key in sample.controls})
        self._log.line(MAIN, "This is a simulation: no model is loaded, nothing is generated", "WARNING")
        self._log.line(MAIN, f"Found {len(controls)} hint keys across all samples")
        variant = controls[0] if len(controls) == 1 else "multicontrol"
        distilled = self._arguments.model == "edge/distilled"
        if distilled and variant != "edge":
            raise KeyError(ModelKey(variant, distilled))
        if len(controls) > 1:
            words = "Multicontrol is not strictly equal to single control: all four branches are loaded"
            self._log.line(SAVE, words, "WARNING")
        download = ["uvx", "hf>=1.3.5", "download", WEIGHTS, "--repo-type", "model", "--revision", "main"]
        place = f"{'distilled' if distilled else 'general'}/{controls[0]}"
        download.append(f"{place}/model_ema_bf16.pt")
        if self._ranks.rank == 0:
            self._log.line(CHECKPOINTS, f"Downloading checkpoint {WEIGHTS}/{place}(61f5694b-simulated)")
            self._log.line(CHECKPOINTS, " ".join(repr(word) if ">" in word else word for word in download))
        self._fail_to_download(download)
        if self._ranks.rank == 0:
            self._log.line(SAVE, f"Saved config to {self._folder / 'config.yaml'}")
            config = f"simulated: true\nmodel: {variant}\ndistilled: {str(distilled).lower()}\n"
            (self._folder / "config.yaml").write_text(config)

    def _fail_to_download(self, command: list[str]) -> None:
        failure = self._orders.failure
        if failure == "no_uvx":
            raise FileNotFoundError(2, "No such file or directory", "uvx")
        if failure == "gated_model":
            words = (
                "huggingface_hub.errors.GatedRepoError: 403 Client Error. (Request ID: Root=1-simulated)\n\n"
                f"Cannot access gated repo for url https://huggingface.co/{WEIGHTS}/resolve/main.\n"
                f"Access to model {WEIGHTS} is restricted and you are not in the authorized list. "
                f"Visit https://huggingface.co/{WEIGHTS} to ask for access."
            )
        elif failure == "missing_checkpoint":
            words = (
                "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find the requested files in the disk cache "
                "and outgoing traffic has been disabled. To enable hf.co look-ups and downloads online, set "
                "'local_files_only' to False."
            )
        else:
            return
        _tell(words)
        raise CalledProcessError(f"Command '{command}' returned non-zero exit status 1.")

    def _one(self, sample: Sample) -> None:
        log = self._log
        place = self._folder / f"{sample.name}.json"
        place.write_text(sample.json(), encoding="utf-8")
        log.line(SAMPLE, f"Saved arguments to {place}")
        if self._prompt_blocked(sample):
            return
        shown = {key: settings["control_path"] for key, settings in sample.controls.items()}
        log.line(SAMPLE, f"Processing the following paths: {shown}")
        log.line(PIPELINE, "Loading input video...", "DEBUG")
        work = Work(sample, self._smoke)
        log.line(PIPELINE, "Computing prompt text embeddings...", "DEBUG")
        log.line(PIPELINE, "Loading control inputs...", "DEBUG")
        work.check_lengths()
        work.check_split(self._setup["context_parallel_size"] or self._ranks.world)
        began = time.monotonic()
        for chunk in range(1, work.chunks + 1):
            log.line(PIPELINE, f"Generating chunk {chunk}/{work.chunks}", "DEBUG")
            log.line(PIPELINE, f"Seed: {sample.arguments['seed'] + chunk - 1}", "DEBUG")
            self._ranks.say(str(work.steps))
            self._chunk(work.steps, sample.name)
        average = (time.monotonic() - began) / work.chunks
        log.line(PIPELINE, f"Average time per chunk: {average:.2f}s", "DEBUG")
        for kind, name, path in work.write_controls(self._folder):
            log.line(SAMPLE, f"{name} {kind} video saved to {path}")
        if self._guarded:
            log.line(SAMPLE, "Running guardrail check on video...")
            if self._orders.strikes("blocked_video", sample.name):
                reason = "frame 0: unsafe class (simulated)"
                log.line(GUARDRAIL, f"GUARDRAIL BLOCKED: VIDEOCONTENTSAFETYFILTER: {reason}", "CRITICAL")
                if not self._setup["keep_going"]:
                    raise Exception("Guardrail blocked video2world generation.")
                return
            log.line(SAMPLE, "Passed guardrail on generated video", "SUCCESS")
        result = self._folder / f"{sample.name}{work.suffix}"
        work.write_result(result)
        if self._orders.strikes("cut_output", sample.name):
            os.truncate(result, result.stat().st_size // 2)
        (self._folder / f"{sample.name}.txt").write_text(sample.prompt, encoding="utf-8")
        log.line(SAMPLE, f"Generated video saved to {result}", "SUCCESS")

    def _prompt_blocked(self, sample: Sample) -> bool:
        if not self._guarded:
            return False
        log = self._log
        log.line(SAMPLE, "Running guardrail check on prompt...")
        texts = (
            ("blocked_prompt", "Prompt", sample.prompt),
            ("blocked_negative_prompt", "Negative prompt", str(sample.arguments["negative_prompt"])),
        )
        for failure, title, text in texts:
            if not self._orders.strikes(failure, sample.name):
                log.line(SAMPLE, f"Passed guardrail on {title.lower()}", "SUCCESS")
                continue
            reason = "Prompt blocked by Qwen3Guard. Safety: Unsafe, Categories: ['Violent']"
            log.line(GUARDRAIL, f"GUARDRAIL BLOCKED: QWEN3GUARD: {reason}", "CRITICAL")
            words = f"Guardrail blocked generation. {title}: {text}"
            if not self._setup["keep_going"]:
                raise Exception(words)
            log.line(SAMPLE, words, "CRITICAL")
            if self._ranks.world > 1:
                # the other ranks were not told and have entered their collectives
                self._wait_for_nccl()
            return True
        return False

    def _chunk(self, steps: int, sample: str = "") -> None:
        bar = Bar(steps)
        first = self._ranks.rank == 0
        for step in range(steps):
            if first and step == min(3, steps - 1):
                self._strike(sample)
            time.sleep(self._orders.step_seconds)
            bar.step()
        bar.close()

    def _strike(self, sample: str) -> None:
        orders = self._orders
        if orders.strikes("crash", sample):
            os.kill(os.getpid(), signal.SIGKILL)
            os._exit(128 + signal.SIGKILL)  # the first process of a container cannot kill itself; the system could
        if orders.strikes("out_of_memory", sample):
            _tell("")
            raise OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 2.37 GiB. GPU 0 has a total capacity of 44.52 GiB of which "
                "1.02 GiB is free. Including non-PyTorch memory, this process has 43.49 GiB memory in use."
            )
        if orders.strikes("hang", sample):
            while True:
                signal.pause()

    def _wait_for_nccl(self) -> None:
        seconds = float(os.environ.get("TORCH_NCCL_HEARTBEAT_TIMEOUT_SEC", NCCL_SECONDS))
        time.sleep(seconds)
        raise RuntimeError(f"[Rank {self._ranks.rank}] Watchdog caught collective operation timeout: {seconds:.0f} s")


class Work:
    """One sample's media: what comes in, how many chunks, and what goes out."""

    def __init__(self, sample: Sample, smoke: bool) -> None:
        arguments = sample.arguments
        self._sample = sample
        if sample.video.suffix not in SUFFIXES:
            raise ValueError(f"Invalid video extension: {sample.video.suffix}")
        self._lines = RESOLUTIONS[arguments["resolution"]]
        if sample.video.suffix == ".mkv":
            raise TypeError("Unsupported format: mkv")
        self._media = media.look(sample.video)
        self._frames = min(self._media.frames, arguments["max_frames"] or media.LONGEST, media.LONGEST)
        chunk = arguments["num_video_frames_per_chunk"]
        if chunk == 1 or not self._media.known:
            self._frames = min(self._frames, 1 if chunk == 1 else 93)
        self.steps: int = 1 if smoke else arguments["num_steps"]
        self.chunks = 1
        if self._frames > chunk:
            self.chunks += -(-(self._frames - chunk) // (chunk - arguments["num_conditional_frames"]))
        self.suffix = ".jpg" if self._frames == 1 else ".mp4"
        wide, high = self._media.width or 16, self._media.height or 9
        near = min(SIZES, key=lambda size: abs(wide / high - size[0] / size[1]))
        self._class = (self._scaled(near[0]), self._scaled(near[1]))
        self._size = self._class
        if arguments["keep_input_resolution"]:
            self._size = (max(2, wide & ~1), max(2, high & ~1))
        # int(29.97) is 29 there too; a rate below one would stop the encoder
        self._fps = max(1, int(self._media.fps))

    def _scaled(self, side: int) -> int:
        return round(side * self._lines / 720 / 16) * 16

    def check_lengths(self) -> None:
        """A control, mask or guide that ends before the video does stops the run."""
        if not self._media.known:
            return
        guide = self._sample.arguments["guided_generation_mask"]
        others = [settings[key] for settings in self._sample.controls.values() for key in ("control_path", "mask_path")]
        for name in [*others, guide]:
            if name is None:
                continue
            path = Path(name)
            frames = media.array_frames(path) if path.suffix == ".npz" else media.look(path).frames
            if frames < self._frames:
                raise ValueError("No input frames; cannot pad. Verify that video frame counts match.")

    def check_split(self, gpus: int) -> None:
        """The picture is split over latent frames, then over height; what is left over cannot be split."""
        rest = gpus
        for length in (LATENT_FRAMES, self._class[1] // 16):
            for share in range(rest, 0, -1):
                if rest % share == 0 and length % share == 0:
                    rest //= share
                    break
        if rest != 1:
            raise ValueError("Split by width dimension is not currently supported.")

    def write_controls(self, folder: Path) -> Iterator[tuple[str, str, Path]]:
        """Write the controls and masks that the toolkit writes; yields kind, control and path."""
        for control, settings in self._sample.controls.items():
            path = folder / f"{self._sample.name}_control_{control}{self.suffix}"
            self._write(path, self._control(control), Path(settings["control_path"] or self._sample.video))
            yield "control", control, path
            if settings["mask_prompt"] is not None and settings["mask_path"] is None:
                path = folder / f"{self._sample.name}_mask_{control}{self.suffix}"
                self._write(path, self._derived("mask"), self._sample.video)
                yield "mask", control, path
        if self._sample.arguments["guided_generation_mask"] is not None:
            path = folder / f"{self._sample.name}_mask_guided_generation{self.suffix}"
            guide = Path(self._sample.arguments["guided_generation_mask"])
            video = guide.suffix != ".npz"
            content = self._pictures(guide) if video else self._derived("mask")
            self._write(path, content, guide if video else self._sample.video)
            yield "mask", "guided_generation", path

    def write_result(self, path: Path) -> None:
        """Write the output: the input changed, with the controls and the input beside it where asked for."""
        arguments = self._sample.arguments
        key = zlib.crc32(f"{arguments['seed']}\0{self._sample.prompt}".encode())
        columns = []
        if arguments["show_input"]:
            columns.append(self._pictures(self._sample.video))
        if arguments["show_control_condition"]:
            columns += [self._control(control) for control in self._sample.controls]
        result = (changed(picture, key) for picture in self._pictures(self._sample.video))
        content = (beside(list(row)) for row in zip(*columns, result, strict=False)) if columns else result
        self._write(path, content, self._sample.video)

    def _pictures(self, path: Path) -> Iterator[Picture]:
        return media.pictures(path, *self._size, self._frames)

    def _derived(self, control: str) -> Iterator[Picture]:
        return (derived(picture, control) for picture in self._pictures(self._sample.video))

    def _control(self, control: str) -> Iterator[Picture]:
        path = self._sample.controls[control]["control_path"]
        return self._derived(control) if path is None else self._pictures(Path(path))

    def _write(self, path: Path, content: Iterator[Picture], source: Path) -> None:
        if not self._media.known:
            media.copy(source, path)
        elif self.suffix == ".jpg":
            media.write_still(path, next(content))
        else:
            media.write_video(path, content, self._fps)


def _tell(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
