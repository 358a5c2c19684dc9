"""How long `cosmos status` of five hosts takes, one of them dead: `python benchmarks/status_of_five.py [ROUNDS]`.

Four are this machine's own sshd as four users see it, two with Docker; the fifth takes the connection and says nothing.
A is the whole command, start-up included; B is the same without the dead one, and they alternate. What counts is how
far A goes over the dead host's connect_timeout.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from real_host import COSMOS, RealHost, real_host, spread

ROUNDS = 10
TIMEOUT_S = 2.0
GOAL_S = 0.3
ALIVE = ("ada", "bob", "eve", "sue")
DEAD = "dead"
IN_DOCKER = ("ada", "bob")


def tables(host: RealHost, names: Sequence[str]) -> list[str]:
    """A target for each."""
    folders = {name: str(host.accounts[name].home / "cosmos") if name != DEAD else "/nowhere" for name in names}
    return [
        host.table(
            name,
            host=name,
            connect_timeout=TIMEOUT_S,
            work_dir=folders[name],
            runtime="docker" if name in IN_DOCKER else "process",
        )
        for name in names
    ]


def know(host: RealHost, port: int) -> None:
    """Let the client's ssh know where the dead host is."""
    file = host.home / ".ssh" / "config.d" / "dead.conf"
    file.write_text(f"Host {DEAD}\n    HostName 127.0.0.1\n    Port {port}\n", encoding="utf-8")


def timed(config: Path, host: RealHost, reachable: int) -> float:
    """Wall seconds of one `cosmos status`, which has to find that many hosts usable."""
    argv = [*COSMOS, "--config", str(config), "status", "--json"]
    start = time.perf_counter()
    done = subprocess.run(argv, cwd=host.home, env=host.environ, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    items = json.loads(done.stdout)["items"] if done.stdout else []
    if sum(item["reachable"] for item in items) != reachable:
        sys.exit(f"not {reachable} hosts were found usable: {done.stdout} {done.stderr}")
    return seconds


def main(rounds: int) -> None:
    """Measure and print."""
    with real_host() as host, socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        know(host, silent.getsockname()[1])
        five, four = host.home / "five.toml", host.home / "four.toml"
        five.write_text("\n".join(tables(host, (*ALIVE, DEAD))), encoding="utf-8")
        four.write_text("\n".join(tables(host, ALIVE)), encoding="utf-8")
        timed(four, host, 4)  # makes the database
        with_dead, without, over = [], [], []
        for _ in range(rounds):
            with_dead.append(timed(five, host, 4))
            without.append(timed(four, host, 4))
            over.append(with_dead[-1] - TIMEOUT_S)
    print(f"rounds                       {rounds}")
    print(f"five hosts, one dead, s      {spread(with_dead, 3)}   its connect_timeout: {TIMEOUT_S:g}")
    print(f"the four that live, s        {spread(without, 3)}")
    print(f"over the timeout, s          {spread(over, 3)}   goal: at most {GOAL_S:g}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
