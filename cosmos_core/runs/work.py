"""What a stored run means in terms of the contract: its job, its files and its command."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from attrs import frozen

from cosmos_core.errors import ConfigError
from cosmos_core.models import Model, Models
from cosmos_core.parameters import Reading, read
from cosmos_core.runs.plan import ExecutionConfig, as_input, as_site, config_of, without
from cosmos_core.runs.sites import paths_in
from cosmos_core.store.records import InputRecord, PromptRecord, RunRecord
from cosmos_core.targets.docker import Container, Mount, container
from cosmos_core.targets.process import process
from cosmos_core.targets.script import Runtime
from cosmos_core.values import PYTHON, Bundle, Command, Input, Job, Request, Toolkit

STAND_IN = "stand_in.pyz"


@frozen(kw_only=True)
class Work:
    """A run, ready to be put on its host."""

    run: RunRecord
    prompt: PromptRecord
    model: Model
    toolkit: Toolkit
    config: ExecutionConfig
    job: Job[Any]
    bundle: Bundle
    command: Command

    @property
    def argv(self) -> tuple[str, ...]:
        """The whole command: the prefix put before it, and every placeholder replaced."""
        return whole_argv(self.command, self.toolkit, self.config, self.job.dir)

    @property
    def cwd(self) -> str:
        """Where the command runs."""
        return self.command.cwd or self.job.site.workdir or self.job.dir

    @property
    def env(self) -> Mapping[str, str | None]:
        """What the command is told, secrets aside."""
        return {
            "TMPDIR": self.job.path("tmp"),  # NVIDIA's tools write fixed names into /tmp
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.command.env,
        }

    def runtime(self, entrypoint: Sequence[str], labels: Mapping[str, str]) -> Runtime:
        """How the target does it, as the parts of a script. `entrypoint` is the image's; labels say whose it is."""
        if self.config.target.runtime == "process":
            return process(self.argv, self.env, self.cwd)
        return container(self._container(entrypoint, labels))

    def _container(self, entrypoint: Sequence[str], labels: Mapping[str, str]) -> Container:
        target, site = self.config.target, self.config.toolkit
        if site.image is None:
            raise ConfigError(
                f"target {target.name} does not say which image {self.toolkit.name} is in",
                hint=f'add image = "..." to [targets.{target.name}.toolkits."{self.toolkit.name}"], and run it again',
            )
        shm = self.command.resources.shm_gb
        return Container(
            docker=target.docker,
            image=site.image,
            entrypoint=entrypoint,
            log=self.job.path("run.log"),
            argv=self.argv,
            env=self.env,
            cwd=self.cwd,
            mounts=tuple(self._mounts(site.repo)),
            volumes=site.volumes or (),
            ipc=target.ipc,
            shm_size=target.shm_size or (f"{shm:g}g" if shm and not target.ipc else None),
            labels=labels,
        )

    def _mounts(self, repo: str | None) -> Iterator[Mount]:
        """The job's folder, at its own path, with its inputs on top, read-only; the repository where it belongs."""
        yield Mount(source=self.job.dir, to=self.job.dir)
        yield Mount(source=self.job.path("inputs"), to=self.job.path("inputs"), read_only=True)
        for place in self.bundle.places:
            if there := self.lies_there(place.input):
                yield Mount(source=there, to=self.job.path(place.to), read_only=True)
        if repo is not None and self.toolkit.workdir is not None:
            yield Mount(source=repo, to=self.toolkit.workdir)
        for path in self.config.target.mounts:
            yield Mount(source=path, to=path)
        for path in map(str, paths_in(self.job.site.settings).values()):
            yield Mount(source=path, to=path, read_only=True)

    def record_of(self, wanted: Input) -> InputRecord:
        """What the prompt remembers of an input."""
        same = (
            r for r in self.prompt.inputs if (r.slot, r.name, r.sha256) == (wanted.slot, wanted.name, wanted.sha256)
        )
        found = next(same, None)
        if found is None:  # the models room has checked that places hold inputs of the request
            raise AssertionError(f"no input {wanted.slot} in {self.prompt.id}")
        return found

    def lies_there(self, wanted: Input) -> str | None:
        """Where on the target a file of the user's own lies: never copied, never linked."""
        record = self.record_of(wanted)
        if record.target == self.config.target.name and record.run_id is None:
            return record.remote
        return None


def request_of(run: RunRecord, prompt: PromptRecord, toolkit: Toolkit, version: str | None = None) -> Request[Any]:
    """The request of a stored run, with its frozen parameters."""
    config = config_of(run)
    return Request(
        id=run.id,
        model=run.model_type,
        toolkit=run.toolkit,
        text=prompt.prompt_text,
        inputs=tuple(as_input(record) for record in prompt.inputs),
        parameters=_stored(toolkit.parameters, config.parameters).instance,
        given=_stored(toolkit.parameters, config.given).given,
        gpus=config.gpus,
        site=as_site(config.target, toolkit, config.toolkit, version),
    )


def _stored(cls: type[Any], values: Mapping[str, Any]) -> Reading:
    """What was stored, read by today's class: parameters that it does not have any more are left out."""
    reading = read(cls, values)
    gone = {problem.field for problem in reading.problems if problem.code == "unknown_key"}
    return read(cls, without(values, gone)) if gone else reading


def work_of(
    run: RunRecord,
    prompt: PromptRecord,
    models: Models,
    dir: str,  # noqa: A002
    version: str | None = None,
    staged: tuple[Bundle, Command] | None = None,
) -> Work:
    """Convert a stored run for the folder `dir`. Pure but for the plugin's own package being read.

    What was `staged` on its host is not converted again: today's plugin may do so otherwise, or fail.
    """
    model = models[run.model_type]
    toolkit = model.toolkit(run.toolkit)
    job = Job.of(request_of(run, prompt, toolkit, version), dir=dir)
    if staged:
        bundle, command = staged
    else:
        bundle = model.convert_inputs(job)
        command = model.choose_script(job, bundle)
    return Work(
        run=run,
        prompt=prompt,
        model=model,
        toolkit=toolkit,
        config=config_of(run),
        job=job,
        bundle=bundle,
        command=command,
    )


def whole_argv(command: Command, toolkit: Toolkit, config: ExecutionConfig, dir: str) -> tuple[str, ...]:  # noqa: A002
    """A command's arguments as they are run.

    A stand-in gets the real ones after its own name, so that it tests them too.
    """
    if config.target.simulated and toolkit.stand_in:
        return (sys.executable, f"{dir}/{STAND_IN}", *_by_python(command))
    # a toolkit without a repository runs scripts of ours: by this Python here, by the host's elsewhere
    here = config.target.host is None and config.target.runtime == "process"
    python = "python" if toolkit.workdir is not None else sys.executable if here else "python3"
    argv = tuple(python if word == PYTHON else word for word in command.argv)
    return (*(config.toolkit.prefix or ()), *argv)


def toolkit_argv(work: Work) -> tuple[str, ...]:
    """The command as the toolkit itself would be given it, where its stand-in is given it now."""
    return _by_python(work.command) if work.config.target.simulated and work.toolkit.stand_in else work.argv


def _by_python(command: Command) -> tuple[str, ...]:
    return tuple("python" if word == PYTHON else word for word in command.argv)


def stand_in_archive(stand_in: str) -> bytes:
    """The stand-in "package:module" as a zip that Python runs: the whole package, and a call of main(argv)."""
    package, _, module = stand_in.partition(":")
    name = package.rpartition(".")[2]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        start = f"import sys\nfrom {name}.{module} import main\nsys.exit(main(sys.argv[1:]))\n"
        archive.writestr(zipfile.ZipInfo("__main__.py"), start)
        for file in sorted(resources.files(package).iterdir(), key=lambda f: f.name):
            if file.name.endswith(".py"):
                archive.writestr(zipfile.ZipInfo(f"{name}/{file.name}"), file.read_bytes())
    return buffer.getvalue()
