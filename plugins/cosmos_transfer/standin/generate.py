"""The run itself: load a model, go through the samples, write what the toolkit writes, fail where it fails."""

from __future__ import annotations

import os
import random
import signal
import sys
import time

from .console import INFERENCE, Bar, Log
from .flags import YES, Arguments
from .inputs import CHUNK, Inputs
from .launch import Ranks
from .orders import Orders
from .reader import load_av
from .spec import Sample
from .work import Work

MAIN = "examples/inference.py:95:main"
CHECKPOINTS = "cosmos_transfer2/_src/imaginaire/utils/checkpoint_db.py:143:download"
SAVE = f"{INFERENCE}:142:__init__"
SAMPLES = f"{INFERENCE}:176:generate"
SAMPLE = f"{INFERENCE}:217:_generate_sample"
GUARDRAIL = "cosmos_transfer2/_src/imaginaire/auxiliary/guardrail/common/core.py:52:run_safety_check"
PIPELINE = "cosmos_transfer2/_src/transfer2/inference/inference_pipeline.py:412:generate_img2world"
WEIGHTS = "nvidia/Cosmos-Transfer2.5-2B"
NCCL_SECONDS = 1800.0
DISTILLED = "edge/distilled"


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
        self._distilled = arguments.model == DISTILLED
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
        if load_av() is None:
            words = "Without PyAV here no video is looked into: results are copies, lengths, sizes and codecs unchecked"
            self._log.line(MAIN, words, "WARNING")
        variant = controls[0] if len(controls) == 1 else "multicontrol"
        distilled = self._distilled
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
        gpus = self._setup["context_parallel_size"] or self._ranks.world
        inputs = Inputs(sample, self._orders, gpus=gpus, distilled=self._distilled)
        log.line(PIPELINE, "Loading input video...", "DEBUG")
        inputs.read_video()
        inputs.read_guide()
        log.line(PIPELINE, "Computing prompt text embeddings...", "DEBUG")
        inputs.read_context()
        log.line(PIPELINE, "Loading control inputs...", "DEBUG")
        inputs.read_controls()
        self._sample_chunks(sample, inputs)
        for words in inputs.unsaid:
            log.line(SAMPLE, f"The toolkit would not say so: {words}", "WARNING")
        work = Work(sample, inputs)
        if self._distilled and inputs.out_frames > CHUNK:
            words = f"Generated output has {inputs.out_frames} frames (> {CHUNK}); the distilled model is made for less"
            log.line(SAMPLE, words, "WARNING")
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

    def _sample_chunks(self, sample: Sample, inputs: Inputs) -> None:
        log = self._log
        steps = 1 if self._smoke else sample.arguments["num_steps"]
        seed = sample.arguments["seed"]
        chunks = inputs.count_chunks()
        began = time.monotonic()
        for index in range(chunks):
            log.line(PIPELINE, f"Generating chunk {index + 1}/{chunks}", "DEBUG")
            inputs.start_chunk(index)
            # each chunk's seed is drawn from that of the last
            seed = random.Random(seed).randint(0, 1000000)  # noqa: S311
            log.line(PIPELINE, f"Seed: {seed}", "DEBUG")
            self._ranks.say(str(steps))
            self._chunk(steps, sample.name, inputs)
            inputs.end_chunk()
        log.line(PIPELINE, f"Average time per chunk: {(time.monotonic() - began) / chunks:.2f}s", "DEBUG")

    def _prompt_blocked(self, sample: Sample) -> bool:
        if not self._guarded:
            return False
        log = self._log
        log.line(SAMPLE, "Running guardrail check on prompt...")
        texts = [("blocked_prompt", "Prompt", sample.prompt)]
        if not self._distilled:  # takes no negative prompt, and drops it without a word
            negative = str(sample.arguments["negative_prompt"])
            texts.append(("blocked_negative_prompt", "Negative prompt", negative))
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

    def _chunk(self, steps: int, sample: str = "", inputs: Inputs | None = None) -> None:
        bar = Bar(steps)
        if inputs is not None:
            inputs.first_step()
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
            orders.hold()

    def _wait_for_nccl(self) -> None:
        seconds = float(os.environ.get("TORCH_NCCL_HEARTBEAT_TIMEOUT_SEC", NCCL_SECONDS))
        time.sleep(seconds)
        raise RuntimeError(f"[Rank {self._ranks.rank}] Watchdog caught collective operation timeout: {seconds:.0f} s")


def _tell(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
