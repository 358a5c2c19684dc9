"""What the host does with a file that is sent: scripts, as single lines."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from attrs import frozen

from cosmos_core.targets.host import OnWait
from cosmos_core.targets.ssh.claim import CLAIM, LOOK, RELEASE_ALL, SHELL
from cosmos_core.targets.ssh.frames import quote
from cosmos_core.targets.ssh.sums import ASKED, FAST, sums_for
from cosmos_core.targets.told import Told

SHORT = "not all of it arrived"
OTHER = 3
"""What a verification ends with where the file is not there, or another one."""

# It says what it has, and of the disk what df says; takes the rest from standard input; says the digest of it all.
# A connection that breaks looks like the end of the file, hence the size. While it digests what it has, nothing grows,
# hence the touching. On a full disk tee stops at once, where it can. The blanks are for those who wait for the mark at
# our end: they hold back what may be its beginning.
_RECEIVE = """
mkdir -p -- "$folder" || exit 1;
[ ! -d "$to" ] || { echo "$to: Is a directory" >&2; exit 1; };
@CLAIM@
[ -z "$mtime" ] || [ "$(stat -L -c "%s %Y" -- "$to" 2>/dev/null)" != "$size $mtime" ] || { echo there; exit; };
have=$({ wc -c <"$part"; } 2>/dev/null) || have=0;
[ "$have" -le "$size" ] || { rm -f -- "$part"; have=0; };
echo have $have $(df -P -k -- "$folder" 2>/dev/null | tail -n 1); printf '%40s\\n' '';
stop=--output-error=exit; tee $stop </dev/null >/dev/null 2>&1 || stop=;
beat() { while sleep 5 && kill -0 $$; do touch -c -- "$part"; done </dev/null >/dev/null 2>&1; };
old() { [ "$have" = 0 ] || { beat & head -c "$have" -- "$part"; kill $! 2>/dev/null; }; };
digest=$({ old; tee $stop -a -- "$part"; } | sums) && [ -e "$part" ] || exit 1;
[ "$(wc -c <"$part")" -eq "$size" ] || { [ -s "$part" ] || rm -f -- "$part"; echo "$short" >&2; exit 1; };
case "$digest" in
 "$wanted"*) chmod "$mode" -- "$part" && seal "$part" && mv -f -- "$part" "$to" || exit 1; @RELEASE@;;
 *) rm -f -- "$part";;
esac;
echo "$digest"
""".replace("\n", "")
_VERIFY = (
    '[ -f "$to" ] || exit "$other"; digest=$(asked sum_of "$to") || exit 1; '
    'case "$digest" in "$wanted"*) seal "$to";; *) exit "$other";; esac'
)


@frozen(kw_only=True)
class Delivery:
    """A file that is to be on the host."""

    source: Path
    to: str
    size: int
    sha256: str
    mode: int
    mtime: int | None
    more: int  # bytes that are to come afterwards and need room, too
    mark: str  # of the connection
    told: Told
    on_wait: OnWait | None

    @property
    def part(self) -> str:
        """What it is called there until all of it is."""
        return str(PurePosixPath(self.to).with_name(f".{self.sha256}.part"))

    @property
    def look(self) -> str:
        """The script that says who sends it, and how far they are."""
        return f"{self._names}{SHELL}{LOOK}"

    def receive(self, stuck: str) -> str:
        """The script that takes it; whoever is `stuck` with it is ended."""
        variables = (
            f"stuck={quote(stuck)}; size={self.size}; mode={self.mode:o}; wanted={self.sha256}; short={quote(SHORT)}; "
            f"mtime={'' if self.mtime is None else self.mtime}; {_seal(self.mtime)}{sums_for(self.size)}"
        )
        script = _RECEIVE.replace("@CLAIM@", CLAIM).replace("@RELEASE@", RELEASE_ALL)
        return f"{self._names}{variables}{SHELL}{script}"

    @property
    def _names(self) -> str:
        folder = PurePosixPath(self.to).parent
        return (
            f"umask 077; to={quote(self.to)}; folder={quote(str(folder))}; part={quote(self.part)}; "
            f"claim={quote(str(folder / f'.{self.sha256}.claim'))}; mine={self.mark}; "
        )


def verification(path: str, sha256: str, mtime: int) -> str:
    """The script that reads a file from end to end, and marks it where it is what it should be."""
    return f"to={quote(path)}; wanted={sha256}; other={OTHER}; {_seal(mtime)}{FAST}{ASKED}{_VERIFY}"


def _seal(mtime: int | None) -> str:
    if mtime is None:
        return "seal() { :; }; "
    return f'seal() {{ TZ=UTC0 touch -t {datetime.fromtimestamp(mtime, UTC):%Y%m%d%H%M.%S} -- "$1"; }}; '
