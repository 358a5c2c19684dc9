"""The `storyboard` model: frames of a video, evenly spread, side by side in one PNG."""

from __future__ import annotations

import json
from collections.abc import Iterator

from attrs import asdict, frozen

from cosmos_core import (
    PYTHON,
    Bundle,
    Command,
    Fetch,
    FileToWrite,
    InputSlot,
    Job,
    ModelInfo,
    Outputs,
    Place,
    Problem,
    Request,
    Resources,
    Result,
    Toolkit,
    hookimpl,
    parameter,
    shipped,
)


@frozen(kw_only=True)
class Parameters:
    columns: int = parameter(4, help="Pictures beside each other.", ge=1, le=20)
    rows: int = parameter(3, help="Pictures below each other.", ge=1, le=20)
    width: int = parameter(240, help="Width of one picture.", unit="pixels", ge=16, le=1920)


VIDEO = InputSlot(name="video", required=True, help="The video to be shown.")
TOOLKIT = Toolkit(name="storyboard", inputs=(VIDEO,), parameters=Parameters, runs_here=True)


@hookimpl
def describe() -> ModelInfo:
    return ModelInfo(title="A whole video in one picture", toolkits=(TOOLKIT,))


@hookimpl
def validate_inputs(request: Request[Parameters]) -> Iterator[Problem]:
    if request.text:
        yield Problem(
            field="text",
            message="a storyboard shows no words",
            hint="leave the text out",
            code="text_not_used",
            severity="warning",
        )
    video, asked = request.one("video"), request.parameters
    frames = video.media.frames if video and video.media else None  # None: not looked at yet
    if asked and frames is not None and frames < asked.columns * asked.rows:
        yield Problem(
            field="columns",
            message=f"{asked.columns} x {asked.rows} pictures of {frames} frames",
            hint="ask for fewer columns or rows",
            code="too_few_frames",
        )


@hookimpl
def convert_inputs(job: Job[Parameters]) -> Bundle:
    (request,) = job.requests  # without a batch key, every request has a job of its own
    video = request.all("video")[0]
    return Bundle(
        files=(
            FileToWrite(path="draw.py", content=shipped("cosmos_storyboard", "draw.py")),
            FileToWrite(path="spec.json", content=json.dumps(asdict(request.parameters)).encode()),
        ),
        places=(Place(input=video, to="inputs/video"),),
        fetch=(
            Fetch(pattern="storyboard.png", role="result", name="image", required=True),
            Fetch(pattern="seconds.json", role="data", required=True),
        ),
    )


@hookimpl
def choose_script(job: Job[Parameters], bundle: Bundle) -> Command:
    return Command(argv=(PYTHON, job.path("draw.py"), job.dir), resources=Resources(gpus=0))


@hookimpl
def parse_outputs(job: Job[Parameters], result: Result) -> Outputs:
    seconds = result.text("seconds.json")
    return Outputs(values={"seconds": json.loads(seconds)} if seconds else {})
