"""What people's own ssh knows of a host, as `ssh -G` says it: ~/.ssh/config means here what it means there."""

from __future__ import annotations

import getpass
import os
import pwd
import re
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import evolve, frozen

from cosmos_core.errors import TargetUnusable

_HOP = re.compile(r"(?:ssh://)?(?:(?P<user>.+)@)?(?P<host>\[[^]]+\]|[^:@]+)(?::(?P<port>\d+))?/?")
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}


@frozen(kw_only=True)
class Hop:
    """One machine on the way, with what ssh's configuration says of it."""

    name: str  # as it was asked for, so that `ssh NAME` does the same
    hostname: str
    port: int
    user: str
    known_as: str  # how known_hosts files call it
    jumps: tuple[str, ...] = ()
    proxy_command: str | None = None
    identity_files: tuple[Path, ...] = ()
    certificates: tuple[Path, ...] = ()
    identities_only: bool = False
    agent: str | None = None  # the agent's socket
    user_known_hosts: tuple[Path, ...] = ()
    global_known_hosts: tuple[Path, ...] = ()
    hash_known_hosts: bool = False
    family: int = socket.AF_UNSPEC

    @property
    def principal(self) -> str:
        """The name that a certificate has to be for."""
        own = self.hostname.lower()
        return own if self.known_as in (own, f"[{own}]:{self.port}") else self.known_as

    @property
    def label(self) -> str:
        """Its name, and its address where that is another."""
        address = self.hostname if self.port == 22 else f"{self.hostname}:{self.port}"
        name = self.name.removeprefix("ssh://").rpartition("@")[2]
        return name if name == address else f"{self.name} ({address})"


def way_to(destination: str) -> tuple[Hop, ...]:
    """The machines on the way to a host, the host itself last: [USER@]NAME[:PORT], the name as ssh's files have it.

    Raises TargetUnusable where ssh's configuration cannot be read or leads in a circle.
    """
    return _way(_with_port(destination) or _resolve(destination), ())


def _way(hop: Hop, above: tuple[tuple[str, int, str], ...]) -> tuple[Hop, ...]:
    mark = (hop.name, hop.port, hop.user)  # not the address: two machines may both be `localhost` behind others
    if mark in above:
        raise TargetUnusable(
            f"the way to {hop.name} leads in a circle: ProxyJump comes back to it",
            hint="take the jump host out of its own pattern in ~/.ssh/config, e.g. `Host * !jump`",
        )
    if not hop.jumps:
        return (hop,)
    # As with ssh itself: of several jumps only the first has a way of its own, the others go by those before.
    first, *others = (_resolve_jump(jump) for jump in hop.jumps)
    return (*_way(first, (*above, mark)), *others, hop)


def _with_port(destination: str) -> Hop | None:
    """A host whose port was written behind its name, which `ssh` itself takes in ssh:// only."""
    parts = _HOP.fullmatch(destination)
    if parts is None or not (parts["port"] or destination.startswith("ssh://")):
        return None
    return evolve(_resolve_parts(parts), name=f"ssh://{destination.removeprefix('ssh://')}")


def _resolve_jump(jump: str) -> Hop:
    parts = _HOP.fullmatch(jump.strip())
    if parts is None:
        raise TargetUnusable(f"cannot read the ProxyJump {jump}", hint="it should be [user@]host[:port]")
    return _resolve_parts(parts)


def _resolve_parts(parts: re.Match[str]) -> Hop:
    options = ["-l", parts["user"]] if parts["user"] else []
    options += ["-p", parts["port"]] if parts["port"] else []
    return _resolve(parts["host"].strip("[]"), options)


def _resolve(name: str, options: Sequence[str] = ()) -> Hop:
    said = _ask(name, options)
    hostname, port, user = said["hostname"][0], int(said["port"][0]), said["user"][0]
    alias = _set(said, "hostkeyalias")
    known_as = alias or (hostname if port == 22 else f"[{hostname}]:{port}")
    tokens = {"n": name.rpartition("@")[2], "h": hostname, "p": str(port), "r": user, "k": known_as}
    jumps = _set(said, "proxyjump")
    command = _set(said, "proxycommand")
    return Hop(
        name=name,
        hostname=hostname,
        port=port,
        user=user,
        known_as=known_as.lower(),
        jumps=tuple(jumps.split(",")) if jumps else (),
        proxy_command=_expanded(command, tokens) if command and not jumps else None,
        identity_files=tuple(_own(_expanded(path, tokens)) for path in said.get("identityfile", ())),
        certificates=tuple(_own(_expanded(path, tokens)) for path in said.get("certificatefile", ())),
        identities_only=said.get("identitiesonly") == ["yes"],
        agent=_agent(said, tokens),
        user_known_hosts=_paths(said, "userknownhostsfile"),
        global_known_hosts=_paths(said, "globalknownhostsfile"),
        hash_known_hosts=said.get("hashknownhosts") == ["yes"],
        family=_FAMILIES.get(_set(said, "addressfamily") or "any", socket.AF_UNSPEC),
    )


def _ask(name: str, options: Sequence[str]) -> Mapping[str, list[str]]:
    """What `ssh -G` says, by keyword."""
    if name.startswith("-"):
        raise TargetUnusable(f"{name} is no host name", hint="`host` in cosmos.toml is a name, or user@name")
    argv = ("ssh", *_whose_file(), "-G", *options, "--", name)
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30)
    except FileNotFoundError as error:
        raise TargetUnusable(
            "there is no `ssh` on this machine", hint="install it (Debian, Ubuntu: `apt install openssh-client`)"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise TargetUnusable(
            f"`ssh -G {name}` does not come to an end", hint="look at `Match exec` in ~/.ssh/config"
        ) from error
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip()
        raise TargetUnusable(f"ssh cannot read what it is to know of {name}: {words}", hint=f"try `ssh -G {name}`")
    found: dict[str, list[str]] = {}
    for line in done.stdout.decode("utf-8", "surrogateescape").split("\n"):
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword, []).append(value)
    return found


def _passwd_home() -> Path | None:
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def _whose_file() -> Sequence[str]:
    """ssh looks for its file by the user database; where $HOME is another folder, the file there is meant."""
    if Path.home() == _passwd_home():
        return ()
    file = Path.home() / ".ssh" / "config"
    return ("-F", str(file) if file.is_file() else "none")


def _set(said: Mapping[str, list[str]], keyword: str) -> str | None:
    value = said.get(keyword, ["none"])[0]
    return None if value == "none" else value


def _expanded(text: str, tokens: Mapping[str, str]) -> str:
    """ssh's own tokens and variables, which `ssh -G` leaves as they are in these values."""
    host = socket.gethostname()
    known: dict[str, Callable[[], str]] = {
        "%": lambda: "%",
        "d": lambda: str(Path.home()),
        "i": lambda: str(os.getuid()),
        "l": lambda: host,
        "L": lambda: host.partition(".")[0],
        "u": getpass.getuser,
    }

    def value(match: re.Match[str]) -> str:
        if token := match[1]:
            return tokens.get(token) or known.get(token, lambda: match[0])()
        return os.environ.get(match[2], "")

    return re.sub(r"%(.)|\$\{(\w+)\}", value, text)


def _own(path: str) -> Path:
    """A path of the user's: below $HOME where ssh, which goes by the user database, says another home."""
    given, home = Path(path).expanduser(), _passwd_home()
    if home and home != Path.home() and given.is_relative_to(home / ".ssh"):
        return Path.home() / given.relative_to(home)
    return given


def _paths(said: Mapping[str, list[str]], keyword: str) -> tuple[Path, ...]:
    """A list of files; ssh prints them with blanks between, whatever is in their names."""
    parts: list[str] = []
    for word in (_set(said, keyword) or "").split(" "):
        if parts and not word.startswith(("/", "~")):
            parts[-1] += f" {word}"
        elif word:
            parts.append(word)
    return tuple(_own(part) for part in parts)


def _agent(said: Mapping[str, list[str]], tokens: Mapping[str, str]) -> str | None:
    value = said.get("identityagent", ["SSH_AUTH_SOCK"])[0]
    if value == "none":
        return None
    if value == "SSH_AUTH_SOCK" or value.startswith("$"):
        return os.environ.get(value.strip("${}")) or None
    return str(_own(_expanded(value, tokens)))
