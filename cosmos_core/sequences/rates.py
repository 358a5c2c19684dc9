"""Frame rates as people write them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

_LEAST, _MOST = Fraction(1, 100), 1000
_NEAR = Fraction(5, 1000)  # 23.98 is 23.976


def rate_of(said: Any) -> Fraction:
    """`24`, `23.976`, `24000/1001` or a number, as frames a second.

    Film and television write 24000/1001 as 23.976 or 23.98; so the decimals near n*1000/1001 mean that.
    Raises ValueError in words.
    """
    try:
        rate = Fraction(str(said).strip())
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{said!r} is not a frame rate") from None
    if not _LEAST <= rate <= _MOST:
        raise ValueError(f"{said} is not a frame rate: it has to be between {float(_LEAST):g} and {_MOST}")
    if rate.denominator == 1:
        return rate
    dropped = Fraction(round(rate * Fraction(1001, 1000)) * 1000, 1001)
    return dropped if dropped > 1 and abs(dropped - rate) < _NEAR else rate.limit_denominator(1001)


def rate_words(rate: Fraction) -> str:
    """`24`, `23.976`."""
    return f"{float(rate):.5g}"
