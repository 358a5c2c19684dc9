"""Looking at files, many at a time, in one question."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Span, Stat
from cosmos_core.targets.ssh.frames import MOST, chunks, quote, quoted
from cosmos_core.targets.ssh.words import ABSENT, complaint, refusal

if TYPE_CHECKING:
    from cosmos_core.targets.ssh.line import Line

_FORMAT = "%s %f %Y %y %n//"  # understood by GNU and busybox alike; %y alone knows parts of a second
_RECORD = re.compile(
    rb"([0-9]{1,18}) ([0-9a-f]{1,8}) (-?[0-9]{1,18}) [0-9+-]+ ([0-9:]+(?:\.[0-9]*)?) [0-9+-]+ (.*)", re.DOTALL
)
_MOST_NS = (1 << 63) - 1  # of what a database can hold: in the year 2262


@frozen(kw_only=True)
class Seen:
    """What `stat` said of one file."""

    path: str
    size: int
    mode: int
    mtime_ns: int


def stat_script(paths: Sequence[str], end: str, then: str = "; ") -> str:
    """Print a record for each that is there, `end` after each, since names hold anything."""
    return then.join(f"stat -L -c {quote(_FORMAT + end)} -- {quoted(chunk)}" for chunk in chunks(paths))


def records(out: bytes, end: str) -> Iterator[Seen]:
    """Read what that printed. Raises TargetUnusable for what no `stat` would have printed."""
    for record in out.split(f"//{end}\n".encode())[:-1]:
        found = _RECORD.fullmatch(record)
        if found is None:
            raise senseless(record)
        size, mode, seconds, clock, path = found.groups()
        fraction = clock.partition(b".")[2].ljust(9, b"0")[:9]
        mtime_ns = int(seconds) * 1_000_000_000 + int(fraction)
        yield Seen(
            path=os.fsdecode(path),
            size=int(size),
            mode=int(mode, 16),
            mtime_ns=min(max(mtime_ns, -_MOST_NS), _MOST_NS),
        )


def senseless(answer: bytes) -> TargetUnusable:
    """An answer that our question cannot have."""
    words = answer[:80].decode("utf-8", "backslashreplace")
    return TargetUnusable(
        f"the host's answer makes no sense: {words!r}",
        hint="is its shell, or its `stat`, something else than it was? `cosmos sync` asks again",
        transient=True,
    )


def _look(line: Line, paths: Sequence[str], verb: str) -> Mapping[str, Seen]:
    if not paths:
        return {}
    end = secrets.token_hex(16)
    done = line.ask(stat_script(paths, end))
    found = {seen.path: seen for seen in records(done.out, end)}
    missing = [path for path in dict.fromkeys(paths) if path not in found]
    if missing and (said := complaint(done.err, ignore=ABSENT, names=missing)):
        raise refusal(line.name, verb, next((path for path in missing if path in said), missing[0]), said)
    return found


def look(line: Line, paths: Sequence[str]) -> Mapping[str, Stat]:
    """Size and age of those that are there; links are followed."""
    return {
        path: Stat(
            bytes=seen.size,
            mtime_ns=seen.mtime_ns,
            is_dir=stat.S_ISDIR(seen.mode),
            is_file=stat.S_ISREG(seen.mode),
        )
        for path, seen in _look(line, paths, "look at").items()
    }


# One `stat` for all, and then only what is new: whoever watches many jobs asks this every second. Those that are not
# there are named once more, so that it is heard if the reason is another than that. A file that goes in between puts
# sizes and files out of step; then nothing is said, and it is asked again.
_FIND = 'if [ -e {path} ]; then set -- "$@" {path}; spans="${{spans}}{span} "; else absent="$absent "{again}; fi; '
_NEW = (
    """[ -z "$absent" ] || eval "stat -L -c '' -- $absent" > /dev/null; """
    "sizes=; count=0; "
    '[ $# = 0 ] || sizes=$(stat -L -c %s -- "$@"); for size in $sizes; do count=$((count + 1)); done; '
    'if [ "$count" = $# ]; then printf "{end}\\n"; for size in $sizes; do '
    "span=${{spans%% *}}; spans=${{spans#* }}; limit=${{span##*:}}; offset=${{span%:*}}; offset=${{offset#*:}}; "
    'if [ "$size" -gt "$offset" ]; then '
    'printf "%s\\n" "${{span%%:*}}"; tail -c "+$((offset + 1))" -- "$1" | head -c "$limit"; printf {end}; fi; '
    "shift; done; fi"
)
_TRIES = 5


def read(line: Line, spans: Sequence[Span]) -> Sequence[bytes]:
    """The bytes of each span, by one question."""
    got = [b""] * len(spans)
    paths = [span.path for span in spans]
    found = "".join(
        _FIND.format(path=quote(span.path), again=quote(quote(span.path)), span=f"{index}:{span.offset}:{span.limit}")
        for index, span in enumerate(spans)
        if span.limit > 0
    )
    for _ in range(_TRIES):
        end = secrets.token_hex(16)
        done = line.ask(f"set --; spans=; absent=; {found}{_NEW.format(end=end)}")
        if said := complaint(done.err, ignore=ABSENT, names=paths):
            raise refusal(line.name, "read", next((path for path in paths if path in said), paths[0]), said)
        if done.out.startswith(end.encode()):
            break
    for record in done.out.partition(b"\n")[2].split(end.encode())[:-1]:
        number, _, content = record.partition(b"\n")
        index = int(number) if number.isdigit() and len(number) < 10 else len(spans)
        if index >= len(spans) or len(content) > spans[index].limit:
            raise senseless(record)
        got[index] = content
    return got


def below(line: Line, path: str) -> Mapping[str, int]:
    """Every file below a folder with its size, by relative path; links are left out, also one in its place."""
    root = path.rstrip("/") + "/"
    end = secrets.token_hex(16)
    # without the slash, lest a link in the folder's place be followed
    # thousands of files take their time: small questions must not wait behind them
    with line.errand(f"find {quote(root[:-1])} -type f -exec stat -c {quote(_FORMAT + end)} -- {{}} +") as errand:
        done = errand.finish(most=MOST)
    if said := complaint(done.err, ignore=ABSENT):
        raise refusal(line.name, "look into", path, said)
    return dict(sorted(_below(root, records(done.out, end))))


def _below(root: str, found: Iterator[Seen]) -> Iterator[tuple[str, int]]:
    for seen in found:
        if f"{seen.path}/" == root:
            continue  # a file in the folder's place
        rel = seen.path.removeprefix(root)
        if rel == seen.path or rel.startswith("/") or ".." in rel.split("/"):
            raise senseless(os.fsencode(seen.path))
        yield rel, seen.size
