"""Making folders, links and small files, and removing what is there."""

from __future__ import annotations

import io
import secrets
import tarfile
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from cosmos_core.targets.host import Tree
from cosmos_core.targets.ssh.frames import chunks, quote, quoted
from cosmos_core.targets.ssh.words import complaint, refusal

if TYPE_CHECKING:
    from cosmos_core.targets.ssh.line import Line

# $1 gets the second name $2, by `ln` with the options that follow, unless there is something of that name.
_SECOND_NAME = 'second() { [ -e "$2" ] || [ -h "$2" ] || ln $3 -- "$1" "$2" || [ -e "$2" ] || [ -h "$2" ]; }'


def lay_out(line: Line, folder: str, tree: Tree) -> None:
    """Make a folder that holds a tree, in one errand; the last file gets its name when all else is there."""
    root = PurePosixPath(folder)
    below = [PurePosixPath(rel) for rel in tree.folders]
    below += [PurePosixPath(rel).parent for rel, _ in (*tree.links, *tree.symbolic)]
    below += [PurePosixPath(rel).parent for rel, _, _ in tree.files]
    steps = ["umask 077"]
    folders = list(dict.fromkeys((folder, *(str(root / rel) for rel in below))))
    steps += [f"mkdir -p -- {quoted(chunk)}" for chunk in chunks(folders)]
    archive, last = _archive(tree)
    if last:
        steps.insert(0, f"part={quote(str(root / last[0]))}; trap 'rm -f -- \"$part\"' EXIT")
        # Owners and times are the host's own; modes are as they were given.
        steps.append(f"tar -C {quote(folder)} -xpomf -")
    steps.append(_SECOND_NAME)
    steps += [f"second {quote(source)} {quote(str(root / rel))} ''" for rel, source in tree.links]
    steps += [f"second {quote(source)} {quote(str(root / rel))} -s" for rel, source in tree.symbolic]
    if last:
        steps.append(f'mv -f -- "$part" {quote(str(root / last[1]))}')
    with line.errand(" && ".join(steps)) as errand:
        done = errand.finish(archive)
    if done.exit_code:
        raise refusal(line.name, "write", folder, complaint(done.err) or "")


def _archive(tree: Tree) -> tuple[bytes, tuple[str, str] | None]:
    """The tree's files, the last one under another name: (what it is called at first, its name)."""
    if not tree.files:
        return b"", None
    *_, (rel, _, _) = tree.files
    partial = str(PurePosixPath(rel).with_name(f".{PurePosixPath(rel).name}.{secrets.token_hex(4)}.part"))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8") as archive:
        for index, (name, content, mode) in enumerate(tree.files):
            member = tarfile.TarInfo(partial if index == len(tree.files) - 1 else name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue(), (partial, rel)


def link(line: Line, source: str, to: str) -> None:
    """Give a file a second name."""
    parent = str(PurePosixPath(to).parent)
    script = f"umask 077; {_SECOND_NAME}; mkdir -p -- {quote(parent)} && second {quote(source)} {quote(to)} ''"
    done = line.ask(script)
    if done.exit_code:
        raise refusal(line.name, "write", to, complaint(done.err) or "")


def remove(line: Line, path: str) -> None:
    """Remove a file, or a folder with all in it, however long that takes."""
    with line.errand(f"rm -rf -- {quote(path)}") as errand:
        done = errand.finish()
    if done.exit_code:
        raise refusal(line.name, "remove", path, complaint(done.err) or "")


def command(argv: Sequence[str], absent: str, *, detached: bool) -> str:
    """A command as a script. Where there is no such program it says `absent` on standard error and ends with 127."""
    start = f"exec {'setsid ' if detached else ''}{quoted(argv)}"
    return f"command -v {quote(argv[0])} >/dev/null 2>&1 || {{ printf {absent} >&2; exit 127; }}; {start}"
