"""How ids are named by users: unique prefixes, `@last`, `@last~2`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import Connection, and_, select

from cosmos_core.errors import NotFound, UsageError
from cosmos_core.store import tables as t

KINDS = ("ps", "rs", "jb", "gr")

_TABLES = {"ps": t.prompts, "rs": t.runs, "jb": t.jobs, "gr": t.groups}
_NAMES = {"ps": "prompt", "rs": "run", "jb": "job", "gr": "group"}
_LAST = re.compile(r"@last(?:~([0-9]{1,9}))?")
_SHOWN = 5  # candidates named where a prefix is ambiguous
_HINT = "`cosmos list runs` and `cosmos list prompts` show what there is"


def resolve(c: Connection, ref: str, kinds: Sequence[str]) -> str:
    """The one id that `ref` means. Raises NotFound, and UsageError for several or one of another kind."""
    if match := _LAST.fullmatch(ref):
        if "rs" not in kinds:
            raise _wrong_kind(ref, "rs", kinds)
        return _last(c, int(match[1] or 0), ref)
    kind, sign, rest = ref.partition("_")
    if kind in _TABLES and kind not in kinds:
        raise _wrong_kind(ref, kind, kinds)
    if kind not in kinds or not sign or not rest:
        raise not_found(ref)
    id_ = _TABLES[kind].c.id
    near = and_(id_ >= ref, id_ <= ref + "z" * 32)  # what the index can serve; z is the last letter that ids have
    begun = select(id_).where(near, id_.startswith(ref, autoescape=True))
    found = list(c.execute(begun.order_by(id_).limit(_SHOWN + 1)).scalars())
    if not found:
        raise not_found(ref)
    if len(found) > 1 and found[0] != ref:
        names = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
        raise UsageError(f"{ref} begins several ids: {names}", hint="type more of it")
    return str(found[0])


def not_found(ref: str) -> NotFound:
    """For an id, or the beginning of one, that nothing has."""
    what = _NAMES.get(ref.partition("_")[0], "prompt or run")
    return NotFound(f"there is no {what} {ref}", hint=_HINT)


def _last(c: Connection, back: int, ref: str) -> str:
    r = t.runs.c
    newest = select(r.id).order_by(r.created_at.desc(), r.id.desc())
    found = c.execute(newest.offset(back).limit(1)).scalar()
    if found is None:
        raise NotFound(f"{ref} names no run: there are not that many", hint="`cosmos list runs` shows them")
    return str(found)


def _wrong_kind(ref: str, kind: str, kinds: Sequence[str]) -> UsageError:
    wanted = " or a ".join(_NAMES[k] for k in kinds)
    return UsageError(f"{ref} is a {_NAMES[kind]}; this wants a {wanted}", hint=_HINT)
