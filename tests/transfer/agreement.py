"""Thousands of requests on real small files, each judged by our checks and then played by the stand-in.

`python tests/transfer/agreement.py --requests 10000 --report FILE.md` tells the figures; a request is told by its
number alone. What our checks let pass without a word has to run to its end.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "real"))

from attrs import frozen
from played import Played
from small_media import array, cut, damaged, picture, trimmed, turned, video

from cosmos_core import Input, Media, Request, Site
from cosmos_core.media import probe
from cosmos_core.models import inputs
from cosmos_transfer.transfer25 import TOOLKIT, validate_inputs
from cosmos_transfer.transfer25.parameters import (
    CONTROLS,
    NAME,
    PRESETS,
    RESOLUTIONS,
    MaskPrompts,
    Parameters,
    Weights,
)

VIDEOS: dict[str, Callable[[], bytes]] = {
    "eight.mp4": lambda: video(8),
    "five.mp4": lambda: video(5),
    "one.mp4": lambda: video(1),
    "two.mp4": lambda: video(2),
    "93.mp4": lambda: video(93),
    "94.mp4": lambda: video(94),
    "100.mp4": lambda: video(100),
    "187.mp4": lambda: video(187),
    "wide.mp4": lambda: video(8, 96, 54),
    "tall.mp4": lambda: video(8, 48, 64),
    "square.mp4": lambda: video(8, 64, 64),
    "upright.mp4": lambda: video(8, 54, 96),
    "between.mp4": lambda: video(8, 98, 62),  # 1.58, nearer to 16:9 than to 4:3
    "odd.mp4": lambda: video(8, 65, 49, pixels="yuv444p", codec="libx264"),
    "slow.mp4": lambda: video(8, rate=12),
    "ntsc.mp4": lambda: video(8, rate=Fraction(30000, 1001)),
    "lapse.mp4": lambda: video(8, rate=Fraction(1, 2)),
    "variable.mp4": lambda: video(14, left_out=(3, 4, 5, 8, 9, 12), codec="libx264"),
    "sound.mp4": lambda: video(8, sound=True),
    "pieces.mp4": lambda: video(20, fragmented=True, codec="libx264"),
    "lost_end.mp4": lambda: _without_end(video(20, fragmented=True, codec="libx264")),
    "damaged.mp4": lambda: damaged(video(codec="libx264", noise=True)),
    "cut.mp4": lambda: cut(video(8)),
    "no_end.mp4": lambda: cut(video(8, codec="libx264", noise=True, moved=True), 0.8),
    "text.mp4": lambda: b"not a video",
    "phone.mp4": lambda: turned(video(8)),
    "trimmed.mp4": lambda: trimmed(video(8)),
    "av1.mp4": lambda: video(8, codec="libsvtav1"),
    "hevc.mp4": lambda: video(8, codec="libx265"),
    "ten_bits.mp4": lambda: video(8, codec="libx265", pixels="yuv420p10le"),
    "a.webm": lambda: video(8, codec="libvpx-vp9", container="webm"),
    "editor.mov": lambda: video(8, codec="prores_ks", pixels="yuv422p10le", container="mov"),
    "camera.avi": lambda: video(8, codec="mjpeg", pixels="yuvj420p", container="avi"),
    "grey.avi": lambda: video(8, codec="rawvideo", pixels="gray", container="avi"),
    "a.mkv": lambda: video(8, container="matroska"),
    "LOUD.MP4": lambda: video(8),
}
PICTURES: dict[str, Callable[[], bytes]] = {
    "a.png": picture,
    "a.jpg": lambda: picture("yuvj420p", "mjpeg"),
    "tall.png": lambda: picture(width=48, height=64),
    "alpha.png": lambda: picture("rgba"),
    "deep.png": lambda: picture("rgb48be"),
    "deep_alpha.png": lambda: picture("rgba64be"),
    "grey.png": lambda: picture("gray"),
    "grey_alpha.png": lambda: picture("ya8"),
    "palette.png": lambda: picture("pal8"),
    "bits.png": lambda: picture("monob"),
    "deep_grey.png": lambda: picture("gray16be"),
    "cut.png": lambda: cut(picture(), 0.7),
    "cut.jpg": lambda: picture("yuvj420p", "mjpeg")[:-1],
    "LOUD.PNG": picture,
    "a.gif": lambda: picture("rgb8", "gif"),
    "a.bmp": lambda: picture("bgr24", "bmp"),
}
ARRAYS: dict[str, Callable[[], bytes]] = {
    "m.npz": lambda: array((8, 4, 4)),
    "long.npz": lambda: array((200, 4, 4)),
    "short.npz": lambda: array((3, 4, 4)),
    "none.npz": lambda: array((0, 4, 4)),
    "named.npz": lambda: array(name="mask"),
    "flat.npz": lambda: array((8, 4)),
    "switches.npz": lambda: array((8, 4, 4), "|b1"),
    "words.npz": lambda: array((8, 4, 4), "<U1"),
    "cut.npz": lambda: cut(array()),
}
_ALL = {**VIDEOS, **PICTURES, **ARRAYS}
HARMLESS = {"fps_cut", "no_effect", "weight_zero", "weights_normalised"}
"""Warnings that nobody takes for a word about a failure."""

UNSAID = "The toolkit would not say so: "
"""What the stand-in writes where the toolkit goes on with something else than was handed in."""

_GOOD_VIDEOS = ("eight.mp4", "eight.mp4", "100.mp4", "five.mp4", "sound.mp4", "a.webm", "hevc.mp4", "94.mp4")
_GOOD_PICTURES = ("a.png", "a.png", "a.jpg", "alpha.png")


def _without_end(pieces: bytes) -> bytes:
    return pieces[: pieces.rindex(b"moof") - 4]


@cache
def content(name: str) -> bytes:
    """The bytes of one of the files."""
    return _ALL[name]()


@cache
def looked(name: str) -> Media:
    """What the core's look into the file shows."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(content(name))
        return probe(Path(folder) / name).media


@frozen(kw_only=True)
class Case:
    """A request, and the files behind its inputs by slot."""

    number: int
    request: Request[Parameters]
    version: str | None = None

    def told(self) -> str:
        """Enough to see what was asked."""
        parameters = self.request.parameters
        defaults = Parameters()
        said = {key: getattr(parameters, key) for key in self.request.given}
        said = {key: value for key, value in said.items() if value != getattr(defaults, key)}
        files = {item.slot: item.name for item in self.request.inputs}
        return f"#{self.number} {json.dumps(files)} gpus={self.request.gpus} version={self.version} {said}"


def case(number: int) -> Case:
    """The request of that number: mostly in order, with one thing or two that may not be."""
    dice = random.Random(number)
    still = dice.random() < 0.25
    # how likely each setting is an odd one, and each file
    strange, strange_file = dice.choice(((0.0, 0.0), (0.1, 0.0), (0.0, 0.3), (0.1, 0.1), (0.3, 0.5)))

    def pick(good: Iterable[Any], odd: Iterable[Any]) -> Any:
        return dice.choice(list(odd if dice.random() < strange else good))

    def pick_file(good: Iterable[str], odd: Iterable[str]) -> str:
        return dice.choice(list(odd if dice.random() < strange_file else good))

    source = pick_file(_GOOD_PICTURES, PICTURES) if still else pick_file(_GOOD_VIDEOS, VIDEOS)
    files = {"video": source}
    like = _GOOD_PICTURES if still else (source, source, "187.mp4")
    distilled = dice.random() < 0.15
    used = ["edge"] if distilled else sorted(dice.sample(CONTROLS, dice.choice((1, 1, 1, 2, 4))))
    if distilled:
        used = pick([used], [["depth"], ["edge", "seg"]])
    weights: dict[str, float] = {}
    prompts: dict[str, str] = {}
    for control in used:
        given = dice.random()
        if given < 0.7:
            weights[control] = pick((0.3, 1.0), (0.0,))
        if given > 0.5:
            files[control] = pick_file(like, _ALL)
        if dice.random() < 0.2:
            files[f"mask.{control}"] = pick_file(like, _ALL)
        if dice.random() < 0.15:
            prompts[control] = "car"
    if dice.random() < 0.1 and "vis" not in used:
        files["image_context"] = pick_file((*_GOOD_PICTURES, "eight.mp4"), _ALL)
    if dice.random() < 0.15:
        files["guided_generation_mask"] = pick_file(("long.npz", "187.mp4", source), _ALL)
    told = _settings(dice, pick, still=still, distilled=distilled, files=set(files), weights=set(weights))
    told = {"weights": Weights(**weights), "mask_prompt": MaskPrompts(**prompts), **told}
    version = dice.choice((None, None, "1.5.4", "1.5.1"))
    request = Request(
        id="rs_1",
        model="transfer",
        toolkit=NAME,
        text="a street at night",
        inputs=tuple(Input(slot=slot, name=name, media=looked(name)) for slot, name in files.items()),
        parameters=Parameters(**told),
        given=tuple(told),
        gpus=pick((None, None, None, None, None, 1, 1, 2), (2, 3, 4, 7)),
        site=None if version is None else Site(target="lab", toolkit=NAME, version=version),
    )
    return Case(number=number, request=request, version=version)


def _settings(
    dice: random.Random,
    pick: Callable[..., Any],
    *,
    still: bool,
    distilled: bool,
    files: set[str],
    weights: set[str],
) -> dict[str, Any]:
    guided = "guided_generation_mask" in files
    # of each setting: values that go with the rest, and any
    values: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
        "num_video_frames_per_chunk": ((), (1, 5, 29, 92, 94, 121)),
        "max_frames": (() if still else (2, 6, 93, 94, 5000), (1, 2, 5001)),
        "num_conditional_frames": ((0, 2), (0, 2)),
        "seed": ((0, 2**32, 2**63), (2**64, 2**80)),
        "sigma_max": ((), (0.0, 80.0)),
        "negative_prompt": (("blurry",), ("", " ")),
        "resolution": (RESOLUTIONS, RESOLUTIONS),
        "context_frame_index": (() if still or "vis" in weights else (1, 4), (1, 7, 8, 93)),
        "guidance": ((0, 7), (0, 7)),
        "keep_input_resolution": ((False,), (False,)),
        "show_input": ((True,), (True,)),
        "show_control_condition": ((True,), (True,)),
        "edge_threshold": (PRESETS if "edge" in weights - files else (), PRESETS),
        "blur_strength": (PRESETS if "vis" in weights - files else (), PRESETS),
        "seg_prompt": (("car",) if "seg" in weights - files else (), ("car",)),
        "guided_generation_step_threshold": ((3,) if guided else (), (0, 3)),
        "guided_generation_foreground_labels": (((1, 2),) if guided else (), ((), (1,))),
        "disable_guardrails": ((True,), (True,)),
    }
    told: dict[str, Any] = {"num_steps": 4 if distilled else pick((1, 2), (35,)), "distilled": distilled}
    for key, (good, odd) in values.items():
        choices = pick([good], [odd] if dice.random() < 0.4 else [()])
        if choices and dice.random() < (0.1 if choices is good else 0.5):
            told[key] = dice.choice(choices)
    if still:
        told |= pick(({"num_video_frames_per_chunk": 1, "max_frames": 1},), ({}, {"max_frames": 1}))
    if told.get("keep_input_resolution") is False:
        told["resolution"] = "256"  # or most of the time goes into encoding
    return told


# -- what becomes of a request ---------------------------------------------------------------------------------


@frozen(kw_only=True)
class Outcome:
    """What our checks said of a request, and how it ended in the stand-in (empty: well)."""

    case: Case
    refused: tuple[str, ...] = ()  # codes
    warned: tuple[str, ...] = ()
    failed: str = ""
    told_as: str = ""  # our word for the failure, from its log

    @property
    def disagrees(self) -> bool:
        """Let pass without a word, and did not come to its end."""
        return bool(self.failed) and not (self.refused or set(self.warned) - HARMLESS)


def judge(asked: Case) -> Outcome:
    """Check it as `cosmos run` would, and play it; of those that are refused every fifth, to see what is too strict."""
    problems = (*inputs.check(TOOLKIT, asked.request), *validate_inputs(asked.request))
    refused = tuple(sorted({p.code for p in problems if p.severity == "error"}))
    warned = tuple(sorted({p.code for p in problems if p.severity == "warning"}))
    if refused and asked.number % 5:
        return Outcome(case=asked, refused=refused, warned=warned, failed="not played")
    with tempfile.TemporaryDirectory() as folder:
        try:
            contents = {item.slot: content(item.name) for item in asked.request.inputs}
            played = Played(Path(folder), asked.request, contents=contents)
        except (ValueError, LookupError, StopIteration) as error:
            if not refused:
                raise
            return Outcome(case=asked, refused=refused, warned=warned, failed=f"not converted: {error!r}")
        orders = {} if asked.version is None else {"STANDIN_VERSION": asked.version}
        played.play_here(**orders)
        failed = told_as = ""
        if played.exit_code != 0:
            words = [line for line in played.log.splitlines() if "Error" in line and "ChildFailed" not in line]
            failed = words[-1] if words else f"exit {played.exit_code}"
        elif UNSAID in played.log:
            failed = "not what was asked: " + played.log.partition(UNSAID)[2].splitlines()[0]
        elif left := played.left_behind():
            failed = f"left on the host: {', '.join(left)}"
        if not refused:
            [outputs] = played.outputs()
            told_as = outputs.failure.code if outputs.failure else ""
            if not failed and told_as:
                failed = f"judged as failed: {told_as}"
            elif played.exit_code and not told_as:
                failed = f"judged as done: {failed}"
    return Outcome(case=asked, refused=refused, warned=warned, failed=failed, told_as=told_as)


def judge_number(number: int) -> Outcome:
    """The request of that number, judged."""
    return judge(case(number))


def disagreements(numbers: Iterable[int]) -> list[str]:
    """The requests that were let pass without a word and failed, with what they ended in."""
    outcomes = (judge_number(number) for number in numbers)
    return [f"{outcome.case.told()} -> {outcome.failed}" for outcome in outcomes if outcome.disagrees]


# -- figures ---------------------------------------------------------------------------------------------------


def _kind(failed: str) -> str:
    return failed.split(":")[0].strip() + ":" + failed.partition(":")[2][:40] if failed else ""


def report(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """The figures, and what does not agree, as lines of Markdown."""
    groups: Counter[str] = Counter()
    strict: Counter[str] = Counter()
    warned: Counter[str] = Counter()
    tells: Counter[str] = Counter()
    wrong: list[str] = []
    for one in outcomes:
        said = "refused" if one.refused else "warned" if set(one.warned) - HARMLESS else "let pass"
        end = one.failed if one.failed == "not played" else "failed" if one.failed else "ran"
        groups[f"{said}, {end}"] += 1
        if one.refused and not one.failed:
            strict[", ".join(one.refused)] += 1
        if said == "warned" and one.failed and not one.disagrees:
            warned[f"{', '.join(one.warned)} -> {_kind(one.failed)}"] += 1
        if one.failed and not one.refused:
            tells[f"{_kind(one.failed)} is told as {one.told_as}"] += 1
        if one.disagrees:
            wrong.append(f"{one.case.told()} -> {one.failed}")
    yield f"{groups.total()} requests"
    for title, counts in (
        ("", groups),
        ("Refused, and would have run", strict),
        ("Warned of, and failed", warned),
        ("What our words made of a failure", tells),
    ):
        if title:
            yield f"\n## {title}\n"
        yield from (f"* {number} {name}" for name, number in counts.most_common())
    yield f"\n## Let pass without a word, and failed: {len(wrong)}\n"
    yield from (f"* {line}" for line in wrong)


def main() -> int:
    """Judge many requests on all cores, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--report", type=Path)
    words = parser.parse_args()
    numbers = range(words.first, words.first + words.requests)
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        outcomes = list(pool.imap_unordered(judge_number, numbers, chunksize=25))
    text = "\n".join(report(outcomes)) + "\n"
    if words.report is not None:
        words.report.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 1 if any(outcome.disagrees for outcome in outcomes) else 0


if __name__ == "__main__":
    raise SystemExit(main())
