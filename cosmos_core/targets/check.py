"""What is wrong with a host: everything that was looked at, each with its remedy. Toolkits are the runs' business."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from cosmos_core.amounts import size
from cosmos_core.config import Target
from cosmos_core.targets.docker import is_root, refused
from cosmos_core.targets.facts import Answer, Facts, Folder
from cosmos_core.targets.findings import Finding, fine, problem, unseen, warning
from cosmos_core.targets.overview import CUT_OFF, NOT_THERE, Overview

FAR = ("setsid", "tar", "tee", "sha256sum", "stat", "uname")
PROGRAMS = {
    **dict.fromkeys(
        (
            *("cat", "chmod", "cut", "date", "dd", "head", "id", "ln", "ls", "mkdir", "mv", "printf"),
            *("readlink", "rm", "sleep", "sort", "tail", "tee", "tr", "sha256sum", "stat", "uname", "wc"),
        ),
        "coreutils",
    ),
    "find": "findutils",
    "flock": "util-linux",
    "grep": "grep",
    "sed": "sed",
    "setsid": "util-linux",
    "tar": "tar",
    "timeout": "coreutils",
}
"""What job.sh and the host itself call, with the packages of Debian and Ubuntu; `timeout` may be missing."""

_GB = 10**9
_LITTLE_SPACE = 20 * _GB
_SKEW_WARNING_S, _SKEW_PROBLEM_S = 2.0, 60.0
_OURS_ALONE = 0o700


def programs_of(target: Target) -> tuple[str, ...]:
    """The programs that this target's jobs need."""
    return tuple(
        name
        for name in PROGRAMS
        if (name != "flock" or waits_for_gpus(target)) and (name not in FAR or target.host is not None)
    )


def waits_for_gpus(target: Target) -> bool:
    """Whether its jobs may have to stand in the line."""
    return not target.simulated and target.gpus != 0


def host_findings(target: Target, facts: Facts, seen: Overview) -> Iterator[Finding]:
    """All but the way there and the toolkits."""
    yield fine("system", facts.system)
    yield _clock(seen.skew_s)
    yield _programs(target, facts)
    yield from _work_dir(target, facts)
    if facts.lock_dir is not None:
        yield _lock_dir(facts.lock_dir)
    if target.host is not None:
        yield _logind(target, facts)
    if target.runtime == "docker":
        yield from _docker(target, facts, bool(seen.gpus))
    if not target.simulated:
        yield from _gpus(target, seen)
    yield from _leftovers(target, facts, seen)


def _clock(skew_s: float) -> Finding:
    off = abs(skew_s)
    words = f"{off:.0f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's"
    remedy = "`sudo timedatectl set-ntp true` on the one that is wrong"
    if off > _SKEW_PROBLEM_S:
        return problem("clock", words, remedy)
    return warning("clock", words, remedy) if off > _SKEW_WARNING_S else fine("clock", "agrees with this machine's")


def _programs(target: Target, facts: Facts) -> Finding:
    asked = programs_of(target)
    missing = [name for name in asked if not facts.programs.get(name)]
    if not missing:
        return fine("programs", f"the {len(asked)} that jobs need are on the PATH")
    packages = " ".join(dict.fromkeys(PROGRAMS[name] for name in missing))
    if missing == ["timeout"]:
        return warning("programs", "no `timeout`: a Docker that hangs holds up everything", "install coreutils there")
    return problem(
        "programs",
        f"not on the PATH of commands there: {', '.join(missing)}",
        f"`sudo apt install {packages}` there" + (", or set gpus = 0: no line" if missing == ["flock"] else ""),
    )


def _work_dir(target: Target, facts: Facts) -> Iterator[Finding]:
    folder = facts.work_dir
    make = f"`sudo install -d -m 700 -o {facts.user} {shlex.quote(folder.path)}` there, or correct work_dir"
    if folder.way == "refused":
        verb = "written to" if folder.is_there else "made"
        yield problem("work_dir", f"{folder.path} cannot be {verb}: {_last(folder.words)}", make)
    elif folder.is_there and folder.owner != facts.user:
        yield problem("work_dir", f"{folder.path} belongs to {folder.owner}, and jobs run as {facts.user}", make)
    elif folder.way == "written":
        yield problem(
            "work_dir",
            f"{folder.path} takes no hard links, and a job's inputs are links: {_last(folder.words)}",
            "put work_dir on a disk of the host's own (ext4, xfs): exFAT, some FUSE and SMB mounts have none",
        )
    elif folder.is_there and (folder.mode or 0) & ~_OURS_ALONE & 0o077:
        yield warning(
            "work_dir",
            f"{folder.path} can be looked into by others (mode {folder.mode:o})",
            f"`chmod 700 {shlex.quote(folder.path)}` there",
        )
    else:
        yield fine("work_dir", f"{folder.path}, {'written and linked' if folder.is_there else 'can be made'}")
    if facts.free is None:
        yield unseen("space", "df does not say")
    elif facts.free < _LITTLE_SPACE:
        yield warning(
            "space",
            f"{size(facts.free)} free for {folder.path}",
            f"make room, or move work_dir to another disk; `du -sh {shlex.quote(folder.path)}/*` there tells of it",
        )
    else:
        yield fine("space", f"{size(facts.free)} free for {folder.path}")


def _lock_dir(folder: Folder) -> Finding:
    make = f"`sudo install -d -m 1777 {shlex.quote(folder.path)}` there, or set lock_dir"
    if folder.way == "refused":
        verb = "written to" if folder.is_there else "made"
        return problem("lock_dir", f"{folder.path} cannot be {verb}: {_last(folder.words)}", make)
    if folder.way != "locked":
        return problem(
            "lock_dir", f"no file can be locked in {folder.path}", "set lock_dir to a folder on a local disk"
        )
    if folder.is_there and folder.mode != 0o1777:
        return warning("lock_dir", f"{folder.path} has mode {folder.mode or 0:o}: not all users can wait there", make)
    return fine("lock_dir", f"{folder.path}, {'locked' if folder.is_there else 'can be made'}")


def _logind(target: Target, facts: Facts) -> Finding:
    if "KillUserProcesses=yes" not in facts.logind or "lingers" in facts.logind or facts.user == "root":
        return fine("logout", "jobs outlive the connection")
    seen = "systemd ends what a user has running at logout (KillUserProcesses=yes), jobs as well"
    remedy = f"`sudo loginctl enable-linger {facts.user}` there"
    return (warning if target.runtime == "docker" else problem)("logout", seen, remedy)


# -- Docker ----------------------------------------------------------------------------------------------------------


def _docker(target: Target, facts: Facts, has_gpus: bool) -> Iterator[Finding]:
    answer, where = facts.docker or facts.product, target.host or "this machine"
    if facts.is_podman:
        yield warning(
            "docker",
            f"{shlex.join(target.docker)} is podman, and cosmos was not tested with podman",
            f"install Docker Engine there, and name it in `docker` of [targets.{target.name}];"
            f" `cosmos targets check {target.name} --smoke` tries podman",
        )
    if answer is None or answer.code or not facts.docker_version:
        error = refused(where, target.docker, _why_not(target, answer))
        yield problem("docker", error.message, error.hint.partition("; then")[0])
        yield unseen("images", "Docker has to answer first")
        return
    yield fine("docker", facts.docker_version)
    if waits_for_gpus(target) or has_gpus:
        yield _nvidia(target, facts)
    for image, told in facts.images.items():
        yield _image(target, where, image, told)


def _why_not(target: Target, answer: Answer | None) -> str:
    """What Docker's client said."""
    if answer is None or answer.code in CUT_OFF:
        return "does not answer"
    if answer.code == NOT_THERE:
        return f"{target.docker[0]}: not found"
    return " ".join(answer.why.split())


def _nvidia(target: Target, facts: Facts) -> Finding:
    runtimes = facts.runtimes.said.split() if facts.runtimes and not facts.runtimes.code else []
    if "nvidia" in runtimes:
        return fine("nvidia runtime", "Docker knows it")
    if facts.hooks:
        return fine("nvidia runtime", facts.hooks.split()[0])
    return warning(
        "nvidia runtime",
        "neither Docker's runtime `nvidia` nor its hook or a CDI specification was seen",
        "install nvidia-container-toolkit there, then `sudo nvidia-ctk runtime configure --runtime=docker` and"
        f" `sudo systemctl restart docker`; `cosmos targets check {target.name} --smoke` tries it",
    )


def _image(target: Target, where: str, image: str, told: Answer) -> Finding:
    if told.code:
        error = refused(where, target.docker, told.why, image)
        return problem("image", error.message, error.hint)
    digest, count, made, user = [*told.said.split(), "", "", "", ""][:4]
    about = size(int(count)) if count.isdecimal() else "of unknown size"
    runs = f"; jobs run in it as root, and not as its USER {user}" if not is_root(user) else ""
    return fine("image", f"{image}, {about}, made {made[:10]}, {digest[:19]}{runs}")


# -- GPUs and what is left -------------------------------------------------------------------------------------------


def _gpus(target: Target, seen: Overview) -> Iterator[Finding]:
    count = len(seen.gpus)
    smi = next((trouble for trouble in seen.troubles if "nvidia-smi" in trouble), "")
    if smi:
        yield problem("gpus", smi, "`nvidia-smi` there has to work; after an update of the driver, restart the machine")
    elif not count and target.gpus == 0:
        yield fine("gpus", "none, and none are waited for (gpus = 0)")
    elif not count:
        words = "there is no nvidia-smi, or it lists no GPU"
        remedy = f"install NVIDIA's driver there, or set gpus = 0 in [targets.{target.name}]"
        needed = target.gpus is None and target.runtime == "docker"
        yield (problem if needed else warning)("gpus", words, remedy)
    else:
        yield _against_configuration(target, seen)
        yield from _others(target, seen)


def _against_configuration(target: Target, seen: Overview) -> Finding:
    names = dict.fromkeys(use.gpu.name for use in seen.gpus)
    count = len(seen.gpus)
    words = f"{count} x {', '.join(names)}, driver {seen.driver}"
    ours = target.gpus if isinstance(target.gpus, tuple) else tuple(range(target.gpus or 0))
    absent = [index for index in ours if index not in {use.gpu.index for use in seen.gpus}]
    if absent:
        named = "gpus = " + (str(list(ours)) if isinstance(target.gpus, tuple) else str(target.gpus))
        return problem(
            "gpus",
            f"{words}; the configuration says {named}",
            f"set gpus = {count} in [targets.{target.name}]",
        )
    return fine("gpus", words + (f"; {len(ours)} of them ours" if ours and len(ours) < count else ""))


def _others(target: Target, seen: Overview) -> Iterator[Finding]:
    ours = target.gpus if isinstance(target.gpus, tuple) else tuple(range(target.gpus or len(seen.gpus)))
    taken = [use for use in seen.gpus if use.gpu.index in ours and use.used_by_others]
    if not taken:
        return
    named = []
    for use in taken:
        pids = (f"pid {one.pid} ({one.user or '?'})" for one in use.processes if one.job is None)
        named.append(f"GPU {use.gpu.index} by {', '.join(pids) or 'somebody'}")
    free = [use.gpu.index for use in seen.gpus if use.gpu.index in ours and use not in taken]
    yield warning(
        "gpus",
        f"in use by others, who do not stand in the line: {'; '.join(named)}",
        f"jobs would share with them; talk to them, or set gpus = {free} in [targets.{target.name}]",
    )


def _leftovers(target: Target, facts: Facts, seen: Overview) -> Iterator[Finding]:
    count, total = facts.leftovers
    if count:
        jobs = f"{count} job{'s' * (count > 1)} of ours that ended, {size(total)} in {target.work_dir}/jobs"
        yield fine("leftovers", f"{jobs}; `cosmos clean --target {target.name}` removes what is fetched")
    alive = {job.container for job in seen.jobs if job.container}
    stale = [name for name in facts.containers if name not in alive]
    unfinished = {job.id for job in seen.jobs if job.state not in ("ended", "gone", "absent")}
    stale = [name for name in stale if name.removeprefix("cosmos-") not in unfinished]
    if stale:
        command = shlex.join((*target.docker, "rm", "--volumes", *stale[:5]))
        yield warning(
            "leftovers",
            f"{len(stale)} ended container{'s' * (len(stale) > 1)} of ours, still there",
            f"`cosmos clean --target {target.name}`; where that does not know them, `{command}` there",
        )
    dead = [ticket for ticket in seen.dead_tickets if ticket.owner != facts.user]
    if dead:
        owners = ", ".join(dict.fromkeys(ticket.owner for ticket in dead))
        yield fine("line", f"{len(dead)} dead ticket{'s' * (len(dead) > 1)} of {owners}, which hold up nobody")


def _last(words: str) -> str:
    """The system's own words for why not."""
    return words.rpartition(": ")[2] or "no reason was given"
