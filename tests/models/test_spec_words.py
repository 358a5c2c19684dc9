"""What is said of a spec file that no model reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosmos_core.runs.spec_words import why_not_read

CASES = {
    "empty": ("a.json", "", "a.json is empty"),
    "blank": ("a.jsonl", " \n\n", "a.jsonl is empty"),
    "nothing in it": ("a.json", "{}", "asks for nothing: it holds {}"),
    "trailing comma": ("a.json", '{"a": 1,\n "b": [],\n}', "line 3, column 1: a comma before the closing }"),
    "trailing comma in a list": ("a.json", '{"a": [1, 2, ]}', "a comma before the closing ]"),
    "comment": ("a.json", '{"a": 1, // one\n "b": 2}', "line 1, column 10: a comment is no part of JSON"),
    "single quotes": ("a.json", "{'a': 1}", "texts are in single quotes"),
    "Python": ("a.json", '{"a": True}', "True is Python"),
    "two objects": ("a.json", '{"a": 1}\n{"b": 2}', "line 2, column 1: there is more after its end"),
    "cut off": ("a.json", '{"a": [1', "it ends in the middle"),
    "blank line": ("a.jsonl", '{"a": 1}\n\n{"b": 2}\n', "line 2, column 1: a blank line is no part of .jsonl"),
    "a fault further down": ("a.jsonl", '{"a": 1}\n{"b": }\n', "line 2, column 7: this is no JSON"),
    "deep": ("a.json", "[" * 200_000, "nested too deep"),
    "strange keys": ("a.json", '{"a": 1, "b": 2}', "knows its keys: a, b"),
    "a number": ("a.json", "3", "holds no object"),
    "another kind": ("a.toml", "a = 1", "no model reads a .toml file"),
    "UTF-16": ("a.json", "\ud800", "no UTF-8 text"),
}


@pytest.mark.parametrize("case", CASES)
def test_says_what_the_file_is(tmp_path: Path, case: str) -> None:
    name, content, words = CASES[case]
    (tmp_path / name).write_text(content, encoding="utf-8", errors="surrogatepass")
    message, hint = why_not_read(tmp_path / name)
    assert words in message
    assert hint


def test_utf16_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1}', encoding="utf-16")
    assert why_not_read(tmp_path / "a.json")[0] == "a.json is UTF-16"
