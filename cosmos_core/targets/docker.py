"""The runtime of a container: `docker run` with everything at the paths that it has outside."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence

from attrs import frozen

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Host
from cosmos_core.targets.script import Runtime


@frozen(kw_only=True)
class Mount:
    """A file or folder of the host that a container sees."""

    source: str
    to: str
    read_only: bool = False

    @property
    def option(self) -> str:
        """The value of --mount; unlike --volume it makes nothing on the host where the source is missing."""
        fields = ["type=bind", f"source={self.source}", f"target={self.to}", *(["readonly"] if self.read_only else [])]
        return ",".join(_csv(field) for field in fields)


def _csv(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if any(c in field for c in ',"\n\r') else field


@frozen(kw_only=True)
class Container:
    """What one job's container is made of.

    The image keeps its entrypoint and not its USER, who could not write into the job's folder: jobs run as root, and
    what they wrote is given to the folder's owner.
    """

    docker: Sequence[str]  # the command: ("docker",) or ("sudo", "docker")
    image: str
    entrypoint: Sequence[str]  # the image's own
    log: str
    argv: Sequence[str]
    env: Mapping[str, str | None]
    cwd: str
    mounts: Sequence[Mount]
    volumes: Sequence[str] = ()  # anonymous: what of the image the mounts would hide
    ipc: str | None = None
    shm_size: str | None = None
    labels: Mapping[str, str]


def container(c: Container) -> Runtime:
    """The shell's part for a container; every word of it is quoted, but for what job.sh decides when it runs."""
    options: list[str] = []
    for mount in c.mounts:
        options += ["--mount", mount.option]
    for volume in c.volumes:
        options += ["--volume", volume]
    for name, value in c.env.items():
        if value is not None:
            options += ["--env", f"{name}={value}"]
    for name, value in c.labels.items():
        options += ["--label", f"{name}={value}"]
    if c.ipc:
        options += ["--ipc", c.ipc]
    if c.shm_size:
        options += ["--shm-size", c.shm_size]
    # a variable of the image can only be unset inside
    unset = [word for name, value in c.env.items() if value is None for word in ("-u", name)]
    argv = ["env", *unset, *c.argv] if unset else list(c.argv)
    # Docker's own log passes on whole lines only, and a progress bar is one line for as long as it moves
    into_log = 'log=$1; shift; exec "$@" >> "$log" 2>&1'
    work = (
        'docker run --detach --name "$container" --env-file /dev/stdin \\\n'
        '        ${devices:+--gpus "$devices"} ${labelled:+--label "cosmos.gpus=$labelled"} \\\n'
        f"        --user 0:0 --workdir {shlex.quote(c.cwd)} {shlex.join(options)} \\\n"
        f"        --entrypoint sh {shlex.quote(c.image)} -c {shlex.quote(into_log)} sh {shlex.quote(c.log)} \\\n"
        f"        {shlex.join([*c.entrypoint, *argv])}"
    )
    # `ask` sets `patience` where no answer is to be waited for long
    docker = f'docker() {{ ${{patience:-command}} {shlex.join(c.docker)} "$@"; }}'
    settings = f"image={shlex.quote(c.image)}\npatience=''\n{docker}"
    return Runtime(kind="docker", work=f"    {work}", settings=settings)


@frozen(kw_only=True)
class Image:
    """An image as a host has it."""

    digest: str
    entrypoint: tuple[str, ...]


def look_at_image(host: Host, docker: Sequence[str], image: str) -> Image:
    """An image on a host. Raises TargetUnusable, with the remedy, where it is not there or Docker is not."""
    wanted = "{{.Id}} {{json .Config.Entrypoint}}"
    asked = host.run(("env", *docker, "image", "inspect", "--format", wanted, image))
    if asked.exit_code:
        raise refused(host.name, docker, asked.words, image)
    digest, _, entrypoint = asked.text.partition(" ")
    return Image(digest=digest, entrypoint=tuple(json.loads(entrypoint) or ()))


def is_root(user: str) -> bool:
    """Whether an image's USER is root: by name or number, with or without a group, or nobody said."""
    return user.partition(":")[0] in ("", "root", "0")


# Of a broken configuration, of podman in Docker's place: said beside whatever else is said.
_NOTICE = re.compile(r"WARNING: .*|Emulate Docker CLI using podman.*|time=\S+ level=warning .*")


def _without_notices(words: str) -> str:
    kept = "\n".join(line for line in words.splitlines() if not _NOTICE.fullmatch(line.strip()))
    return kept or words


def refused(where: str, docker: Sequence[str], words: str, image: str = "") -> TargetUnusable:
    """What Docker's refusal means, and what to do about it. Its words are those of Docker 20 to 28."""
    command = shlex.join(docker)
    words = _without_notices(words)
    if "no such image" in words.lower() or "Unable to find image" in words:
        named = image or words.partition("image '")[2].partition("'")[0]
        hint = f"`{command} pull {named}` or `{command} load` there, or correct `image` in the configuration"
        return TargetUnusable(f"{where} has no Docker image {named}", hint=hint)
    if "permission denied" in words:
        hint = 'add the user to the group docker there, or set docker = ["sudo", "docker"] for the target'
        return TargetUnusable(f"the user on {where} may not use Docker", hint=hint)
    if ("not found" in words or "No such file" in words) and docker[0] in words and "daemon" not in words:
        hint = 'install Docker there, name it with its path in `docker`, or set runtime = "process"'
        return TargetUnusable(f"there is no {docker[0]} on {where}", hint=hint)
    if "password is required" in words or "terminal is required" in words:
        hint = "allow it in sudoers with NOPASSWD, or add the user to the group docker"
        return TargetUnusable(f"sudo on {where} asks for a password", hint=hint)
    if any(said in words for said in ("annot connect to the Docker daemon", "during connect", "does not answer")):
        hint = "`sudo systemctl start docker` there; then `cosmos sync` goes on with the run"
        return TargetUnusable(f"Docker on {where} does not answer", hint=hint)
    told = words.removeprefix("docker: ").partition("See 'docker run --help'")[0]
    told = told.partition("Run 'docker run --help'")[0].strip()
    return TargetUnusable(f"Docker on {where} refused: {told}", hint="put that right there, then `cosmos sync`")
