"""Which faults come next: all kinds in all states that they go with, the least tried first, by the seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random

from attrs import define, field
from faults import ANY, Fault


@define
class Planner:
    """Remembers what was injected, so that what is missing comes next."""

    faults: tuple[Fault, ...]
    rng: Random
    done: Counter[tuple[str, str]] = field(factory=Counter)

    def next(self, count: int) -> list[tuple[Fault, str]]:
        """So many faults with the states that they are to hit, about in the order in which runs come to these."""
        hoped = Counter(self.done)
        plan: list[tuple[Fault, str]] = []
        for _ in range(count):
            fault, state = min(
                ((fault, state) for fault in self.faults for state in fault.states),
                key=lambda pair: (
                    sum(hoped[pair[0].name, s] for s in pair[0].states) / pair[0].weight
                    + hoped[pair[0].name, pair[1]] / 4
                    + self.rng.random()
                ),
            )
            hoped[fault.name, state] += 1
            plan.append((fault, state))
        return sorted(plan, key=lambda pair: ANY.index(pair[1]) + self.rng.uniform(0, 3))

    def tell(self, injected: Iterable[tuple[str, str]]) -> None:
        """What really was injected, and in which state."""
        self.done.update(injected)
