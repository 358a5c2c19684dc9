"""Who sends a file: one at a time, whatever the number of processes and machines that want it to be there.

As in job.sh a claim is a symbolic link that says who holds it, made in one step, and claims are numbered: where a
holder is gone, the next one claims anew, and nobody else can. Who holds it is the shell on the host that takes the
bytes. It ends with its connection; one that a dead link left behind is told by bytes that do not grow any more.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

# `mine` is of this connection: what it left behind is not waited for, nor is `stuck`, which somebody else left behind.
SHELL = """
boot=-; { read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null; node=$(uname -n);
born() {
 if [ -d /proc/self ]; then
  { read -r l <"/proc/$1/stat"; } 2>/dev/null || return; set -- ${l##*) }; [ "$1" = Z ] || echo "${20}";
 else kill -0 "$1" 2>/dev/null && echo -; fi; };
holds() {
 holder=$(readlink -- "$1") || return; set -- $holder; [ $# = 5 ] || return;
 [ "$4" = "$node" ] || return 0;
 [ "$3" = "$boot" ] && [ "$2" = "$(born "$1")" ]; };
end() {
 set -- $1; [ "$4" = "$node" ] || return 0;
 kill -s KILL -- "-$1" 2>/dev/null || kill -s KILL "$1" 2>/dev/null;
 t=0; while [ "$2" = "$(born "$1")" ] && [ $t -lt 100 ]; do t=$((t + 1)); sleep 0.05 2>/dev/null || sleep 1; done; };
""".replace("\n", "")

# Says "held" and ends where somebody else sends the file; else `number` is that of our claim, which goes when we end.
CLAIM = """
me="$$ $(born $$) $boot $node $mine"; number=1;
until ln -s "$me" "$claim.$number" 2>/dev/null; do
 if holds "$claim.$number"; then
  if [ "${holder##* }" = "$mine" ] || [ "$holder" = "$stuck" ]; then end "$holder"; else echo "held"; exit; fi;
 elif [ ! -h "$claim.$number" ]; then
  ln -s "$me" "$claim.$number" && break; [ -h "$claim.$number" ] || exit 1; continue;
 fi;
 number=$((number + 1));
done;
trap 'rm -f -- "$claim.$number"' EXIT; trap 'exit 1' HUP INT TERM PIPE;
""".replace("\n", "")

# Who sends the file now, and how far that is; "free" if nobody does.
LOOK = """
number=1; while [ -h "$claim.$number" ]; do
 if holds "$claim.$number"; then echo "$holder"; stat -c '%s %Y' -- "$part" 2>/dev/null; exit; fi;
 number=$((number + 1));
done; echo free
""".replace("\n", "")

RELEASE_ALL = 'for one in "$claim".*; do [ ! -h "$one" ] || rm -f -- "$one"; done'


class Turns:
    """Threads of one process that want the same file there take turns, and need not ask the host whose it is."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken: set[str] = set()

    @contextlib.contextmanager
    def take(self, path: str, on_wait: Callable[[], None] | None) -> Iterator[bool]:
        """One's turn; whether it had to be waited for. `on_wait` is told twice a second meanwhile."""
        waited = False
        while True:
            with self._changed:
                if path not in self._taken or (waited and self._changed.wait_for(lambda: path not in self._taken, 0.5)):
                    self._taken.add(path)
                    break
            waited = True
            if on_wait:
                on_wait()
        try:
            yield waited
        finally:
            with self._changed:
                self._taken.discard(path)
                self._changed.notify_all()
