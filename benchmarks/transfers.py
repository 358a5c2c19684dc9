"""Files there and back, against OpenSSH: `python benchmarks/transfers.py [ROUNDS]`.

Large: 512 MiB that do not repeat, up and down. A is ours, with the digest compared at both ends; B is `scp` and then
`sha256sum` at both ends, as somebody would who wants to know that it arrived. Many: 2,000 files of 200 KB down; A is
ours, digests included, B is `scp -r` alone. Again: what it takes to see that the host has a file, over a connection
that is open. Both A and B log in anew each time. They alternate; first on loopback, then through 50 ms: a proxy that is
25 ms late each way and as wide as it gets (it takes part of the processor, from both alike). Files lie in memory on
both sides, so that no disk has its say.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from real_host import HOST, RealHost, real_host, spread

# isort: split
from real_disk import small_disk

from cosmos_core.targets.cache import cached_path, is_right, seal
from cosmos_core.targets.host import Tree
from cosmos_core.targets.ssh import SshHost

ROUNDS = 5
LARGE = 512 << 20
MANY = 2000
EACH = 200_000
FEW = 200
LATE_S = 0.025


class Bench:
    """One host with the files on both sides."""

    def __init__(self, host: RealHost, disks: contextlib.ExitStack) -> None:
        self.host = host
        self.there = disks.enter_context(small_disk(host.accounts[HOST].home / "bench", 3000, host.accounts[HOST]))
        self.here = disks.enter_context(small_disk(host.home / "bench", 3000))
        self.large = self.here / "large"
        with self.large.open("wb") as file:
            for _ in range(LARGE >> 20):
                file.write(os.urandom(1 << 20))
        with self.large.open("rb") as file:
            self.digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.names = [f"many/{number:05}.bin" for number in range(MANY)]
        self._lay_out()

    def _lay_out(self) -> None:
        """The large file and the many on the host's side."""
        (self.there / "many").mkdir()
        shutil.copyfile(self.large, self.there / "down")
        for name in self.names:
            (self.there / name).write_bytes(os.urandom(EACH))
        account = self.host.accounts[HOST]
        for path in (self.there, *self.there.rglob("*")):
            os.chown(path, account.uid, -1)

    def keep(self, count: int) -> None:
        """Leave so many of the many."""
        for name in self.names[count:]:
            (self.there / name).unlink()
        self.names = self.names[:count]

    # -- ours ------------------------------------------------------------------------------------------------------

    def up(self) -> float:
        """Bring the large file there."""
        (self.there / "up").unlink(missing_ok=True)
        with opened() as far:
            return timed(lambda: far.put(self.large, str(self.there / "up"), sha256=self.digest))

    def down(self) -> float:
        """Bring it here."""
        with opened() as far:
            return timed(lambda: far.get({str(self.there / "down"): self.here / "down"}))

    def many(self) -> float:
        """Bring the many here."""
        shutil.rmtree(self.here / "many", ignore_errors=True)
        with opened() as far:
            return timed(lambda: far.get({str(self.there / name): self.here / name for name in self.names}))

    def again(self) -> float:
        """See that the host has a file, over a connection that is open."""
        place = cached_path(str(self.there), self.digest, ".bin")
        with opened() as far:
            far.lay_out(str(self.there), Tree())
            if place not in far.stat([place]):
                far.put(self.large, place, mode=0o400, sha256=self.digest, mtime=seal(self.digest))
            return timed(lambda: is_right(far, place, self.digest, far.stat([place]), LARGE))

    # -- OpenSSH ---------------------------------------------------------------------------------------------------

    def scp_up(self) -> float:
        """Bring the large file there, and compare."""
        (self.there / "up").unlink(missing_ok=True)
        return timed(
            lambda: (
                self._run("scp", *self.host.ssh_options, self.large, f"{HOST}:{self.there}/up"),
                self._run("sha256sum", self.large),
                self._run("ssh", *self.host.ssh_options, HOST, f"sha256sum {self.there}/up"),
            )
        )

    def scp_down(self) -> float:
        """Bring it here, and compare."""
        (self.here / "down").unlink(missing_ok=True)
        return timed(
            lambda: (
                self._run("scp", *self.host.ssh_options, f"{HOST}:{self.there}/down", self.here / "down"),
                self._run("sha256sum", self.here / "down"),
                self._run("ssh", *self.host.ssh_options, HOST, f"sha256sum {self.there}/down"),
            )
        )

    def scp_many(self) -> float:
        """Bring the many here."""
        shutil.rmtree(self.here / "many", ignore_errors=True)
        return timed(lambda: self._run("scp", *self.host.ssh_options, "-r", f"{HOST}:{self.there}/many", self.here))

    def _run(self, *argv: str | Path) -> None:
        done = subprocess.run(list(map(str, argv)), env=self.host.environ, capture_output=True, check=False)
        if done.returncode:
            sys.exit(f"{argv[0]} ended with {done.returncode}: {done.stderr.decode()}")


@contextlib.contextmanager
def opened() -> Iterator[SshHost]:
    """The host, logged in at when it is first asked something."""
    far = SshHost(HOST, connect_timeout=10)
    try:
        yield far
    finally:
        far.close()


def timed(action: Callable[[], object]) -> float:
    """Wall seconds."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


@contextlib.contextmanager
def late(host: RealHost) -> Iterator[None]:
    """Lead the client's way to the host through a link that is late; the proxy is a process of its own."""
    program = [sys.executable, Path(__file__).resolve().parents[1] / "tests" / "real" / "real_link.py"]
    argv = [*map(str, program), str(host.sshd.port), str(LATE_S)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as link:
        assert link.stdout
        port = link.stdout.readline().strip()
        config = host.client.config.read_text(encoding="utf-8")
        host.client.config.write_text(config.replace(f"Port {host.sshd.port}", f"Port {port}"), encoding="utf-8")
        known = host.client.known_hosts.read_text(encoding="utf-8")
        more = host.sshd.known_hosts.replace(str(host.sshd.port), port)
        host.client.known_hosts.write_text(known + more, encoding="utf-8")
        try:
            yield
        finally:
            link.terminate()


def compare(what: str, ours: Callable[[], float], theirs: Callable[[], float], rounds: int, goal: float) -> None:
    """Alternate and print."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    a, b = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    print(f"{what:<20} ours {spread(a, 2)} s   theirs {spread(b, 2)} s")
    print(f"{'':<20} ratio {spread([x / y for x, y in pairs], 2)}   goal: at most {goal:g}", flush=True)


def main(rounds: int) -> None:
    """Measure and print."""
    with real_host() as host, contextlib.ExitStack() as disks:
        os.environ["HOME"] = str(host.home)
        bench = Bench(host, disks)
        bench.up()  # what is loaded and connected for the first time is
        print(f"rounds {rounds}; 512 MiB; {MANY} files of {EACH // 1000} KB, through 50 ms {FEW} of them, once")
        compare("loopback: up", bench.up, bench.scp_up, rounds, 1)
        compare("loopback: down", bench.down, bench.scp_down, rounds, 1)
        compare("loopback: many", bench.many, bench.scp_many, rounds, 0.2)
        print(f"{'loopback: again':<20} ours {spread([bench.again() for _ in range(rounds)], 4)} s   goal: at most 0.1")
        with late(host):
            compare("50 ms: up", bench.up, bench.scp_up, 2, 1)
            compare("50 ms: down", bench.down, bench.scp_down, 2, 1)
            print(
                f"{'50 ms: again':<20} ours {spread([bench.again() for _ in range(rounds)], 4)} s   goal: at most 0.1"
            )
            bench.keep(FEW)
            compare("50 ms: many", bench.many, bench.scp_many, 1, 0.2)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
