"""What is the matter with a spec file that no model reads, as far as its text tells."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path

_COMMENTS = ("//", "/*", "#")
_SHOWN = 6  # keys in a message


def why_not_read(path: Path) -> tuple[str, str]:
    """What a file is that no model reads, and what to do. Raises OSError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        with path.open("rb") as file:
            utf16 = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        return f"{path.name} is {'UTF-16' if utf16 else 'no UTF-8 text'}", "save it as UTF-8, or name another file"
    if not text.strip():
        return f"{path.name} is empty", "name another file"
    if path.suffix.lower() not in (".json", ".jsonl"):
        kind = f"a {path.suffix} file" if path.suffix else "a file without a suffix"
        return f"no model reads {kind} as this one", "the toolkits' specs are .json or .jsonl"
    values = []
    for first_line, document in _documents(path, text):
        try:
            values.append(json.loads(document))
        except json.JSONDecodeError as error:
            message, hint = _fault(document, error)
            return f"{path.name}, line {first_line + error.lineno - 1}, column {error.colno}: {message}", hint
        except RecursionError:
            return f"{path.name} is nested too deep", "check the file"
    first = values[0] if values else None
    if not first and isinstance(first, (dict, list)):
        return f"{path.name} asks for nothing: it holds {json.dumps(first)}", "write a prompt and a video into it"
    if isinstance(first, dict):
        keys = ", ".join([*map(str, list(first)[:_SHOWN]), *(["..."] if len(first) > _SHOWN else [])])
        return f"no model that is installed knows its keys: {keys}", "check the file, and --model"
    return f"{path.name} holds no object with settings", "check the file"


def _documents(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """The number of its first line, and each JSON text."""
    if path.suffix.lower() == ".json":
        yield 1, text
    else:
        yield from enumerate(text.removesuffix("\n").split("\n"), 1)


def _fault(text: str, error: json.JSONDecodeError) -> tuple[str, str]:
    """The usual mistakes by name."""
    at = error.pos
    if not text.strip():
        return "a blank line is no part of .jsonl", "take it out"
    rest = text[at:].lstrip()
    before = text[:at].rstrip()
    if not rest:
        return "it ends in the middle", "the end is missing: write or copy it whole"
    if rest.startswith(_COMMENTS):
        return "a comment is no part of JSON", "take it out, though NVIDIA's documents show some"
    if before.endswith(",") and rest[0] in "}]":
        return f"a comma before the closing {rest[0]}", "take the comma out"
    if error.msg.startswith("Illegal trailing comma"):  # from Python 3.13 on, it points at the comma
        return "a comma before a closing bracket", "take the comma out"
    if rest[0] == "'":
        return "texts are in single quotes", 'JSON wants double quotes: "like this"'
    if error.msg == "Extra data":
        return "there is more after its end", "several objects go into a .jsonl file, one a line"
    if rest.startswith(("True", "False", "None")):
        return f"{rest.split()[0].strip(',}]')} is Python", "JSON has true, false and null"
    return f"this is no JSON: {error.msg}", "correct it there"
