"""Text files as people's programs save them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmos_core.texts import NotUtf8, decoded

TEXTS = st.text(st.characters(exclude_characters="\0\ufeff", exclude_categories=["Cs"]))


@given(TEXTS, st.sampled_from(["utf-8", "utf-8-sig"]))
def test_utf8_is_read_with_and_without_its_mark(text: str, encoding: str) -> None:
    assert decoded(text.encode(encoding)) == text


@given(TEXTS, st.sampled_from(["utf-16", "utf-32"]))
def test_wide_text_is_named_by_its_mark(text: str, encoding: str) -> None:
    with pytest.raises(NotUtf8, match=f"is {encoding.upper()}, not UTF-8"):
        decoded(text.encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_wide_text_is_known_without_its_mark(encoding: str) -> None:
    with pytest.raises(NotUtf8, match="is UTF-16, not UTF-8"):
        decoded('HF_TOKEN = "rain at night, 35 steps"\n'.encode(encoding))


def test_other_bytes_are_told_by_their_line() -> None:
    with pytest.raises(NotUtf8, match="line 2 holds the byte 0xf6"):
        decoded("rain\nin Köln".encode("latin-1"))
    assert decoded(b"one NUL \0 is no UTF-16") == "one NUL \0 is no UTF-16"
