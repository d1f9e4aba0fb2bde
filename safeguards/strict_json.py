"""JSON that may come from anywhere, read without surprises.

Python's own reader takes NaN, the last of two equal keys, and numbers that overflow to infinity. None of them is JSON,
and each has been used to make two programs read one text differently.
"""

from __future__ import annotations

import json
import math
from typing import Any

from safeguards.wording import shown

MAX_DEPTH = 6
MAX_ITEMS = 256
MAX_STRING = 20_000
MAX_WHOLE = 2**63 - 1


def parse(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, with the reason, for anything that is not exactly one JSON value."""

    def refuse_constant(name: str) -> Any:
        raise ValueError(f"it contains {name}, which is not a number")

    def refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            raise ValueError("it names a value twice")
        return table

    try:
        return json.loads(text, parse_constant=refuse_constant, object_pairs_hook=refuse_repeats)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON (character {error.pos + 1:,})") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:
        # Python itself refuses to read numbers of thousands of digits; its words would not help anybody here.
        ours = str(error).startswith("it ")
        raise (error if ours else ValueError("it contains a number with thousands of digits")) from None


def check(value: Any, where: str, depth: int = 0) -> Any:
    """The same value with tuples as lists, if it is plain data of modest size; else ValueError that says where not.

    Plain data: None, bool, int (64 bits), finite float, str without NUL or lone surrogates, and lists and tables of
    them.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"{where} is nested more than {MAX_DEPTH} deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return _check_number(value, where)
    if isinstance(value, str):
        return check_text(value, where)
    if isinstance(value, (list, tuple, dict)) and len(value) > MAX_ITEMS:
        raise ValueError(f"{where} has {len(value):,} values, at most {MAX_ITEMS} are allowed")
    if isinstance(value, (list, tuple)):
        return [check(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            check_text(key, f"a name in {where}", 100)
        return {key: check(item, f"{where}.{key}", depth + 1) for key, item in value.items()}
    raise ValueError(f"{where} is a {type(value).__name__}, which is not plain data")


def _check_number(value: int | float, where: str) -> int | float:
    if isinstance(value, int) and abs(value) > MAX_WHOLE:
        raise ValueError(f"{where} is {shown(value)}, whole numbers go up to {MAX_WHOLE}")
    if not math.isfinite(value):
        raise ValueError(f"{where} is {value}, it must be a finite number")
    return value


def check_text(value: Any, where: str, length: int = MAX_STRING) -> str:
    """`value`, if it is a string of at most `length` characters that every program can store; else ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"{where} is {shown(value)}, it must be text")
    if len(value) > length:
        raise ValueError(f"{where} has {len(value):,} characters, at most {length:,} are allowed")
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
        raise ValueError(f"{where} contains characters that are not text")
    return value
