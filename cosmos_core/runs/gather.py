"""The inputs of a wish: what each REF is, and at which rate image sequences play."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

from attrs import evolve, field, frozen

from cosmos_core.config import Target
from cosmos_core.models.inputs import slot_of
from cosmos_core.parameters import keys
from cosmos_core.runs.frames import Change, Frames
from cosmos_core.runs.inputs import BadRef, Refs, is_there
from cosmos_core.runs.since import problem_of
from cosmos_core.runs.wish import Wish
from cosmos_core.sequences import BadSequence, NoSequence, rate_of
from cosmos_core.store.records import InputRecord
from cosmos_core.values import InputSlot, Problem, Toolkit

_SOME_RATE = Fraction(24)  # to check pictures with while their rate is not known
_FOLDERS_FOR = frozenset({"video", "any"})


@frozen(kw_only=True)
class Gathered:
    """The inputs, those that could not be read included, and everything wrong with them."""

    inputs: tuple[InputRecord, ...]
    problems: tuple[Problem, ...]


def gather(wish: Wish, stored: Iterable[InputRecord], toolkit: Toolkit, target: Target | None, refs: Refs) -> Gathered:
    """Look at all inputs of a wish; `stored`: those of the prompt that it starts from."""
    return _Gathering(wish=wish, stored=tuple(stored), toolkit=toolkit, target=target, refs=refs).all()


@frozen(kw_only=True)
class _Gathering:
    wish: Wish
    stored: tuple[InputRecord, ...]
    toolkit: Toolkit
    target: Target | None
    refs: Refs
    problems: list[Problem] = field(factory=list)

    def all(self) -> Gathered:
        said = self._rates()
        replaced = {slot for slot, _ in self.wish.inputs}
        old = [record for record in self.stored if record.slot not in replaced]
        changes = {record: self.refs.changed(record) for record in old}
        changed = [record for record in old if (change := changes[record]) and change.kind == "changed"]
        again = [r for r in old if r.frames and _said_for(r.slot, said) is not None and r not in changed]
        kept = [record for record in old if record not in again]
        for record in kept:
            self._look_again(record, changes[record] or self.refs.frames.make_again(record))
        wanted = [*((r.slot, r.frames.pattern) for r in again if r.frames), *self.wish.inputs]
        new = {i: self._file(*wanted[i]) for i in range(len(wanted)) if not self._is_sequence(*wanted[i])}
        sequences = [i for i in range(len(wanted)) if i not in new]
        self._refuse_needless(said, {*(wanted[i][0] for i in sequences), *(r.slot for r in changed if r.frames)})
        rates = {i: self._rate(wanted[i][0], said, [*kept, *new.values()]) for i in sequences}
        ready = not any(problem.severity == "error" for problem in self.problems) and None not in rates.values()
        ready = ready and not any(self._begins_badly(*wanted[i]) for i in sequences)
        frames = self.refs.frames if ready else evolve(self.refs.frames, encode=False)  # for nothing: it is refused
        found = {i: self._sequence(*wanted[i], rate, frames) for i, rate in rates.items()}
        self._ask_for(sorted({wanted[i][0] for i, rate in rates.items() if rate is None and found[i] is not None}))
        new |= {i: record or _unread(*wanted[i]) for i, record in found.items()}
        inputs = (*kept, *(new[i] for i in range(len(wanted))))
        return Gathered(inputs=inputs, problems=tuple(self.problems))

    # -- files -------------------------------------------------------------------------------------------------

    def _look_again(self, record: InputRecord, change: Change | None) -> None:
        if change and (problem := problem_of(record, change, self.wish.source, self._is_on_target)):
            self.problems.append(problem)

    def _is_on_target(self, record: InputRecord) -> bool:
        return self.target is not None and is_there(record, self.target, self.refs.hosts)

    def _file(self, slot: str, ref: str) -> InputRecord:
        try:
            record = self.refs.read(slot, ref)
        except BadRef as bad:
            problem = bad.problem(slot)
            if bad.code == "no_such_file" and (key := _number_of(self.toolkit, slot, ref)):
                message = f"takes a file, and there is no file {ref}"
                problem = evolve(problem, message=message, hint=f"give the number as --{key.replace('_', '-')} {ref}")
            self.problems.append(problem)
            return _unread(slot, ref)
        target = self.target
        if target and record.target not in (None, target.name) and record.path is None:
            message = f"{record.ref} lies on {record.target}, and the run goes to {target.name}"
            self._problem(slot, message, f"add --target {record.target}, or fetch it first", "elsewhere")
        return record

    # -- image sequences ---------------------------------------------------------------------------------------

    def _is_sequence(self, slot: str, ref: str) -> bool:
        takes = slot_of(self.toolkit, slot)
        return takes is not None and not _FOLDERS_FOR.isdisjoint(takes.kinds) and self.refs.is_sequence(ref)

    def _sequence(self, slot: str, ref: str, rate: Fraction | None, frames: Frames) -> InputRecord | None:
        """Its input, or a stand-in for what is faulty; None where there is no sequence at all."""
        try:
            record, warnings = frames.read(slot, ref, rate or _SOME_RATE, lossless=self._is_lossless(slot))
        except BadSequence as bad:
            self.problems.extend([evolve(problem, field=slot) for problem in bad.problems])
            return None if isinstance(bad, NoSequence) else _unread(slot, ref)
        self.problems.extend([evolve(problem, field=slot) for problem in warnings])
        if rate is None and record.media:  # nobody is told of a rate that nobody said
            return evolve(record, media=evolve(record.media, fps=None, nominal_fps=None))
        return record

    def _begins_badly(self, slot: str, ref: str) -> bool:
        return self.refs.frames.begins_badly(ref, lossless=self._is_lossless(slot))

    def _is_lossless(self, slot: str) -> bool:
        takes: InputSlot | None = slot_of(self.toolkit, slot)
        return takes is not None and takes.lossless

    def _rates(self) -> Mapping[str, Fraction]:
        said = {}
        for slot, words in self.wish.input_fps.items():
            try:
                said[slot] = rate_of(words)
            except ValueError as error:
                self._problem("input_fps", str(error), "say 24, 23.976 or 24000/1001", "invalid")
        return said

    def _rate(self, slot: str, said: Mapping[str, Fraction], others: Iterable[InputRecord]) -> Fraction | None:
        """What was said; else as it was for this slot before; else the one rate of the videos beside it."""
        if (rate := _said_for(slot, said)) is not None:
            return rate
        before = {record.frames.rate for record in self.stored if record.frames and record.slot == slot}
        beside = {r.frames.rate if r.frames else r.media.fps for r in others if r.media and r.media.fps}
        try:
            rates = {rate_of(rate) for rate in before or beside}
        except ValueError:  # a video with a rate that nobody means
            return None
        return rates.pop() if len(rates) == 1 else None

    def _ask_for(self, slots: Iterable[str]) -> None:
        if slots and not any(problem.field == "input_fps" for problem in self.problems):
            message = f"the pictures for {' and '.join(slots)} have no rate"
            self._problem("input_fps", message, "say it: --input-fps 24 (or 23.976, 30000/1001 ...)", "rate_missing")

    def _refuse_needless(self, said: Mapping[str, Fraction], slots: set[str]) -> None:
        for slot in said:
            if slot not in slots and (slot or not (slots or self.problems)):  # what is not found may have been one
                what = f"{slot} is no image sequence" if slot else "there is no image sequence"
                self._problem("input_fps", what, "leave it out: a video has its own rate", "no_sequence")

    def _problem(self, name: str, message: str, hint: str, code: str) -> None:
        self.problems.append(Problem(field=name, message=message, hint=hint, code=code))


def _said_for(slot: str, said: Mapping[str, Fraction]) -> Fraction | None:
    return said.get(slot, said.get(""))


def _number_of(toolkit: Toolkit, slot: str, ref: str) -> str | None:
    """The parameter that was meant where a number is given for a file: for `edge` it is `weights.edge`."""
    try:
        float(ref)
    except ValueError:
        return None
    return next((key.name for key in keys(toolkit.parameters) if key.name.rpartition(".")[2] == slot), None)


def _unread(slot: str, ref: str) -> InputRecord:
    return InputRecord(slot=slot, ref=ref, name=Path(ref).name)
