"""People on the GPU host: system users with the shells, start-up files and rights that such people have."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen
from real_processes import everything, kill_all, user_of
from real_session import Missing, Session, call, open_folder, program

_SHELLS = {"ada": "bash", "bob": "tcsh", "eve": "sh", "sue": "bash"}
_IN_DOCKER_GROUP = ("ada", "bob")
_START_UP = {
    "ada": (
        ".bashrc",
        """\
echo "Welcome to the lab's GPU machine. Reboot on Friday!"
echo "bashrc: module: command not found" >&2
alias ls='ls --color=always'
""",
    ),
    "bob": (
        ".cshrc",
        """\
echo "bob's shell, tuned since 1996"
sh -c 'echo "cshrc: stty: Inappropriate ioctl for device" >&2'
alias rm 'rm -i'
set noclobber
""",
    ),
}


@frozen
class Account:
    """A user of the host."""

    name: str
    """What the tests call them: ada, bob, eve or sue."""
    user: str
    """What the system calls them."""
    uid: int
    home: Path
    key: Path
    """The private key that opens their account; the public one lies beside it."""


@frozen
class Accounts:
    """ada: bash, noisy, may use Docker. bob: tcsh, noisy, may use Docker. eve: sh, no Docker. sue: sudo docker."""

    session: Session

    @classmethod
    def of(cls, session: Session) -> Accounts:
        """Those of this session, made when first wanted."""
        session.once("accounts", lambda: _make(session))
        return cls(session)

    def __getitem__(self, name: str) -> Account:
        user = f"{self.session.name}-{name}"
        entry = pwd.getpwnam(user)
        return Account(name, user, entry.pw_uid, Path(entry.pw_dir), self.session.folder / "keys" / name)

    def __iter__(self) -> Iterator[Account]:
        return (self[name] for name in _SHELLS)

    @property
    def docker_group(self) -> str:
        """The group whose members may use the Docker daemons of this session."""
        return f"{self.session.name}-docker"

    @property
    def authorized_keys(self) -> Path:
        """A folder with a file of public keys for each user."""
        return self.session.folder / "authorized_keys"


def _make(session: Session) -> dict[str, str]:
    accounts = Accounts(session)
    shells = {name: program(shell, {"sh": "dash"}.get(shell, shell)) for name, shell in _SHELLS.items()}
    program("sudo", "sudo")
    for folder in (session.folder / "home", session.folder / "keys", accounts.authorized_keys):
        open_folder(folder)
    call("groupadd", "--system", accounts.docker_group)
    for name, shell in shells.items():
        user, home, key = f"{session.name}-{name}", session.folder / "home" / name, session.folder / "keys" / name
        groups = ("--groups", accounts.docker_group) if name in _IN_DOCKER_GROUP else ()
        # no password is one that nobody has; a locked account would be refused even with its key
        call(
            "useradd",
            "--system",
            "--user-group",
            "--no-create-home",
            "--home-dir",
            home,
            "--shell",
            shell,
            "--password",
            "*",
            *groups,
            user,
        )
        open_folder(home)
        if name in _START_UP:
            file, text = _START_UP[name]
            (home / file).write_text(text, encoding="utf-8")
            shutil.chown(home / file, user, user)
        shutil.chown(home, user, user)
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key)
        shutil.copy(key.with_suffix(".pub"), accounts.authorized_keys / user)
    _let_sue_use_docker(session)
    return {}


def _sudoers(session: Session) -> Path:
    return Path("/etc/sudoers.d") / session.name


def _let_sue_use_docker(session: Session) -> None:
    # sudo takes the first one on its own PATH, and a machine may have two
    there = [path for folder in ("/usr/local/bin", "/usr/bin") if os.access(path := f"{folder}/docker", os.X_OK)]
    if not there:
        raise Missing("docker is not installed: apt-get install docker.io")
    file = _sudoers(session)
    partial = session.folder / "sudoers"
    partial.write_text(f"{session.name}-sue ALL=(root) NOPASSWD: {', '.join(there)}\n", encoding="utf-8")
    partial.chmod(0o440)
    call("visudo", "--check", "--quiet", f"--file={partial}")
    shutil.move(partial, file)


def remove_accounts(session: Session) -> None:
    """Remove the users with all that they run, and what they were allowed."""
    _sudoers(session).unlink(missing_ok=True)
    users = [entry for entry in pwd.getpwall() if entry.pw_name.startswith(f"{session.name}-")]
    uids = {entry.pw_uid for entry in users}
    if uids:
        kill_all(lambda: (pid for pid in everything() if user_of(pid) in uids))
    for entry in users:
        call("userdel", entry.pw_name)
    with contextlib.suppress(KeyError):
        call("groupdel", grp.getgrnam(f"{session.name}-docker").gr_name)
