"""The example packages: found by their own metadata, asked as any plugin, and their script run for real."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import av
import pytest
from attrs import evolve

from cosmos_core import PYTHON, Input, Job, Media, PluginError, Request, Result
from cosmos_core.models import Model, Models
from cosmos_core.models.inputs import check
from cosmos_core.models.metadata import EntryPoint
from cosmos_core.models.verdict import verdict
from cosmos_core.parameters import read

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def entries(package: str, monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """What a package's own pyproject.toml registers."""
    monkeypatch.syspath_prepend(str(EXAMPLES / package))
    project = tomllib.loads((EXAMPLES / package / "pyproject.toml").read_text())["project"]
    return [EntryPoint(n, v, group) for group, named in project["entry-points"].items() for n, v in named.items()]


@pytest.fixture
def storyboard(monkeypatch: pytest.MonkeyPatch) -> Model:
    return Models(entries("cosmos-storyboard", monkeypatch))["storyboard"]


def a_request(model: Model, frames: int | None = 24, text: str = "", **given: Any) -> Request[Any]:
    media = None if frames is None else Media(kind="video", width=64, height=48, frames=frames, fps=12.0)
    video = Input(slot="video", name="Street Scene.MP4", media=media)
    parameters = read(model.toolkit().parameters, given).instance
    return Request(
        id="rs_1", model="storyboard", toolkit="storyboard", text=text, inputs=(video,), parameters=parameters
    )


def a_clip(path: Path, frames: int) -> None:
    with av.open(str(path), "w", format="mp4") as film:
        stream = film.add_stream("mpeg4", rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane, grey in zip(frame.planes, (number * 10, 128, 128), strict=True):
                plane.update(bytes([grey]) * plane.buffer_size)
            for packet in stream.encode(frame):
                film.mux(packet)
        for packet in stream.encode():
            film.mux(packet)


def test_a_storyboard_is_drawn_by_the_script_that_the_plugin_ships(storyboard: Model, tmp_path: Path) -> None:
    request = a_request(storyboard, columns="3", rows=2, width=32)
    job = Job.of(request, dir=str(tmp_path / "job"))
    bundle = storyboard.convert_inputs(job)
    command = storyboard.choose_script(job, bundle)
    for folder in ("inputs", "outputs"):
        (tmp_path / "job" / folder).mkdir(parents=True)
    for file in bundle.files:
        (tmp_path / "job" / file.path).write_bytes(file.content)
    a_clip(tmp_path / "job" / bundle.places[0].to, 24)
    argv = [sys.executable if word == PYTHON else word for word in command.argv]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    reader = storyboard.follow_progress(job)
    fractions = [progress.fraction for line in done.stdout.splitlines() if (progress := reader(line))]
    assert len(fractions) == 6
    assert fractions[-1] == 1.0

    outputs = tmp_path / "job" / "outputs"
    files = {p.name: p.stat().st_size for p in outputs.iterdir()}
    log = tmp_path / "run.log"
    log.write_text(done.stdout)
    result = Result(files=files, folder=outputs, log=log, exit_code=0)
    (said,) = storyboard.parse_outputs(job, result)
    judged = verdict(bundle, result, said)
    assert judged.failure is None
    assert judged.values["seconds"] == pytest.approx([0, 4 / 12, 8 / 12, 1, 16 / 12, 20 / 12])
    with av.open(str(outputs / "storyboard.png")) as picture:
        page = next(picture.decode(video=0))
    assert (page.width, page.height) == (3 * 32 + 2 * 4, 2 * 24 + 4)


def test_the_storyboard_says_what_crosses_its_fields_and_waits_for_what_it_does_not_know(storyboard: Model) -> None:
    assert storyboard.validate_inputs(a_request(storyboard)) == ()
    assert storyboard.validate_inputs(a_request(storyboard, frames=None)) == ()
    assert storyboard.validate_inputs(evolve(a_request(storyboard), parameters=None)) == ()
    (problem,) = storyboard.validate_inputs(a_request(storyboard, frames=5))
    assert (problem.code, problem.severity) == ("too_few_frames", "error")
    (warning,) = storyboard.validate_inputs(a_request(storyboard, text="a city"))
    assert (warning.code, warning.severity) == ("text_not_used", "warning")
    assert check(storyboard.toolkit(), a_request(storyboard)) == ()
    assert "width" in [p.field for p in read(storyboard.toolkit().parameters, {"width": 4}).problems]


def test_nothing_drawn_is_a_failure_in_words(storyboard: Model, tmp_path: Path) -> None:
    job = Job.of(a_request(storyboard))
    result = Result(files={}, folder=tmp_path, log=tmp_path / "run.log", exit_code=0)
    (said,) = storyboard.parse_outputs(job, result)
    failure = verdict(storyboard.convert_inputs(job), result, said).failure
    assert failure is not None
    assert "outputs/storyboard.png" in failure.message


BROKEN = {
    "broken-import": "failed to load .*ModuleNotFoundError: No module named 'a_library_that_nobody_has'",
    "broken-description": "breaks the contract in describe: answered a dict, not a ModelInfo",
    "broken-hook-name": "has a hook that does not exist: validate_input",
    "broken-class": "registers the class Sound, not an instance of it",
}


def test_the_broken_package_breaks_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    models = Models([*entries("cosmos-broken", monkeypatch), *entries("cosmos-storyboard", monkeypatch)])
    rows = {row.name: row for row in models.report()}
    for name, words in BROKEN.items():
        assert rows[name].status == "broken"
        assert re.search(words, rows[name].error)
        assert rows[name].hint
    assert rows["broken-call"].status == rows["storyboard"].status == "ok"
    assert len(rows) == 6

    call = models["broken-call"]
    request: Request[Any] = Request(id="rs_1", model="broken-call", toolkit="nothing")
    with pytest.raises(PluginError, match=r"failed in validate_inputs: RuntimeError: no rules for nothing \(.*:\d+"):
        call.validate_inputs(request)
    with pytest.raises(PluginError, match="failed in convert_inputs: IndexError"):
        call.convert_inputs(Job.of(request))
    assert models["storyboard"].validate_inputs(a_request(models["storyboard"])) == ()


def test_the_house_rules_hold_for_every_model(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [*entries("cosmos-house-rules", monkeypatch), *entries("cosmos-storyboard", monkeypatch)]
    model = Models(found)["storyboard"]
    request = a_request(model)
    huge = Input(slot="video", name="wall.mp4", media=Media(kind="video", width=7680, height=4320, frames=99))
    (problem,) = model.validate_inputs(evolve(request, inputs=(huge,)))
    assert (problem.field, problem.code) == ("video", "house_too_large")
    assert model.validate_inputs(request) == ()
    job = Job.of(request)
    bundle = model.convert_inputs(job)
    assert model.choose_script(job, bundle).env == {"TQDM_DISABLE": "1"}
    assert model.pm.hook.choose_script(job=job, bundle=bundle) == model.choose_script(job, bundle)
