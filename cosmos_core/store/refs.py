"""How prompts and runs are named by users: unique prefixes of ids, `@last`, `@last~2`, their own names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import Connection, and_, select

from cosmos_core.errors import NotFound, UsageError
from cosmos_core.store import tables as t

KINDS = ("ps", "rs", "jb", "gr")

SMOKE_TEST = "smoke-test"
"""The tag of runs that only try a target: `@last` never means one."""

_TABLES = {"ps": t.prompts, "rs": t.runs, "jb": t.jobs, "gr": t.groups}
_NAMES = {"ps": "prompt", "rs": "run", "jb": "job", "gr": "group"}
_LAST = re.compile(r"@last(?:~([0-9]{1,9}))?")
_NEWEST = 1000  # in which a name has to be the only one of its kind
_SHOWN = 5  # candidates named where a prefix is ambiguous
_HINT = "`cosmos list runs` and `cosmos list prompts` show what there is"


def resolve(c: Connection, ref: str, kinds: Sequence[str]) -> str:
    """The one id that `ref` means. Raises NotFound, and UsageError for several or one of another kind."""
    if match := _LAST.fullmatch(ref):
        if "rs" not in kinds:
            raise _wrong_kind(ref, "rs", kinds)
        return _last(c, int(match[1] or 0), ref)
    kind, sign, rest = ref.partition("_")
    if kind not in _TABLES or not sign or not rest:
        return _named(c, ref, kinds)
    if kind not in kinds:
        raise _wrong_kind(ref, kind, kinds)
    id_ = _TABLES[kind].c.id
    near = and_(id_ >= ref, id_ <= ref + "z" * 32)  # what the index can serve; z is the last letter that ids have
    begun = select(id_).where(near, id_.startswith(ref, autoescape=True))
    found = list(c.execute(begun.order_by(id_).limit(_SHOWN + 1)).scalars())
    if not found:
        return _named(c, ref, kinds)
    if len(found) > 1 and found[0] != ref:
        raise UsageError(f"{ref} begins several ids: {_some(found)}", hint="type more of it")
    return str(found[0])


def looks_like_id(name: str) -> bool:
    """Whether `resolve` would not take it for a name."""
    kind, sign, rest = name.partition("_")
    return name.startswith("@") or bool(kind in _TABLES and sign and rest)


def _named(c: Connection, name: str, kinds: Sequence[str]) -> str:
    """The newest thousand are looked through. A run's name is first its own, then its prompt's: both may have it."""
    for kind in ("rs", "ps"):
        if kind not in kinds or not name:
            continue
        columns = _TABLES[kind].c
        newest = select(columns.id, columns.name).order_by(columns.created_at.desc(), columns.id.desc()).limit(_NEWEST)
        some = newest.subquery()
        found = list(c.execute(select(some.c.id).where(some.c.name == name)).scalars())
        if len(found) > 1 and kind == "rs":
            found = _without_retried(c, found)
        if len(found) > 1:
            words = f"{len(found)} {_NAMES[kind]}s are named {name}: {_some(found)}"
            raise UsageError(words, hint="name one by its id")
        if found:
            return str(found[0])
    raise not_found(name)


def _without_retried(c: Connection, ids: Sequence[str]) -> list[str]:
    """A run that was tried again is meant by its name no more: the retry is."""
    retried = set(c.execute(select(t.runs.c.retry_of).where(t.runs.c.id.in_(ids))).scalars())
    return [id_ for id_ in ids if id_ not in retried]


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")


def not_found(ref: str) -> NotFound:
    """For an id, or the beginning of one, that nothing has."""
    what = _NAMES.get(ref.partition("_")[0], "prompt or run")
    return NotFound(f"there is no {what} {ref}", hint=_HINT)


def _last(c: Connection, back: int, ref: str) -> str:
    r = t.runs.c
    tries = select(t.tags.c.owner_id).where(t.tags.c.tag == SMOKE_TEST)
    newest = select(r.id).where(r.id.not_in(tries)).order_by(r.created_at.desc(), r.id.desc())
    found = c.execute(newest.offset(back).limit(1)).scalar()
    if found is None:
        raise NotFound(f"{ref} names no run: there are not that many", hint="`cosmos list runs` shows them")
    return str(found)


def _wrong_kind(ref: str, kind: str, kinds: Sequence[str]) -> UsageError:
    wanted = " or a ".join(_NAMES[k] for k in kinds)
    return UsageError(f"{ref} is a {_NAMES[kind]}; this wants a {wanted}", hint=_HINT)
