"""What is done to a well-formed file: bytes, tokens of text, and values of JSON, whatever the file is."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

__all__ = ["NUMBERS", "TEXTS", "in_bytes", "in_json", "in_tokens", "json_value", "value"]

NUMBERS = [
    b"0", b"-1", b"1", b"1e309", b"-1e309", b"NaN", b"Infinity", b"1e-320", b"2147483648", b"-2147483649",
    b"4294967296", b"9223372036854775807", b"-9223372036854775808", b"18446744073709551616", b"1" * 400, b"0.1e1",
    b"1,5", b"0x10", b"1_000", b"", b"99999999", b"3.9", b"true",
]  # fmt: skip
TEXTS = [
    b"", b"a" * 300, b"x" * 70_000, "ä\u2028\U0001f52c".encode(), b"\xff\xfe", b"\xed\xb2\x80", b"\0",
    b"../../etc/passwd", b"=1+1", b"%s%n", b"\\ud800", b"\\u0000", b'"', b"'", b"<!--", b"]]>", b"&a;", b"{}",
    b"[]", b"null", b"NaN", b"\r", b"\n",
]  # fmt: skip
WORDS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 2**64 - 1]
_TOKEN = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|[A-Za-z_]\w*")
_MOST_STEPS = 4


def value(rng: Random) -> Any:
    """Return a value of JSON that hardly any program expects."""
    return rng.choice(
        [
            None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 1e308, -1e308, 1e-320, 0.5,
            float("nan"), float("inf"), "", "NaN", "a" * 300, "\ud800", "\0", "=1+1", "../x", [], {}, [[]], [None],
            {"": None}, [0] * 50, [1e9, -1e9], {"type": "Point", "coordinates": [1e9, 2]}, "Point", "Polygon",
        ]
    )  # fmt: skip


def in_bytes(data: bytes, rng: Random) -> bytes:
    """Change, cut out, double, insert or exchange bytes, a few times."""
    out = bytearray(data)
    for _ in range(rng.randint(1, _MOST_STEPS)):
        at = rng.randrange(len(out) + 1)
        length = min(rng.choice([1, 2, 4, 8, 32, 200, 4000]), len(out) - at)
        match rng.randrange(9):
            case 0 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(out):
                out[at] = rng.randrange(256)
            case 2:
                del out[at : at + length]
            case 3:
                out[at:at] = out[at : at + length] * rng.choice([1, 2, 50])
            case 4:
                out[at:at] = rng.choice(TEXTS)
            case 5:
                out[at : at + length] = bytes([rng.choice([0, 0xFF, rng.randrange(256)])]) * length
            case 6:
                size = rng.choice([1, 2, 4, 8])
                word = rng.choice(WORDS) % 256**size
                out[at : at + size] = word.to_bytes(size, rng.choice(["little", "big"]))
            case 7:
                other = rng.randrange(len(out) + 1)
                out[at : at + length] = out[other : other + length]
            case _ if rng.random() < 0.3:
                del out[at:]
    return bytes(out)


def in_tokens(data: bytes, rng: Random) -> bytes:
    """Exchange numbers and words of a text for others, and lines for lines."""
    for _ in range(rng.randint(1, _MOST_STEPS)):
        tokens = [match.span() for match in _TOKEN.finditer(data[:200_000])]
        if not tokens:
            break
        if rng.random() < 0.2:
            data = _in_lines(data, rng)
            continue
        first, last = rng.choice(tokens)
        new = rng.choice(NUMBERS if rng.random() < 0.6 else TEXTS)
        if rng.random() < 0.2:
            a, b = rng.choice(tokens)
            new = data[a:b]
        data = data[:first] + new + data[last:]
    return data


def _in_lines(data: bytes, rng: Random) -> bytes:
    lines = data.split(b"\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            lines[at], lines[other] = lines[other], lines[at]
        case 1:
            lines[at:at] = [lines[other]] * rng.choice([1, 2, 200])
        case 2:
            del lines[at]
        case _:
            lines[at] = lines[at].replace(rng.choice([b",", b'"', b" ", b":"]), rng.choice(TEXTS))
    return b"\n".join(lines)


def in_json(data: bytes, rng: Random) -> bytes:
    """Change values, keys and lists of a document of JSON; what is none is changed by its tokens."""
    try:
        whole = json.loads(data)
    except (ValueError, UnicodeDecodeError):
        return in_tokens(data, rng)
    for _ in range(rng.randint(1, _MOST_STEPS)):
        whole = json_value(whole, rng)
    # lone surrogates stay as escapes, as other programs write them
    return json.dumps(whole, ensure_ascii=rng.random() < 0.9).encode("utf-8", "surrogatepass")


def json_value(whole: Any, rng: Random) -> Any:
    """Return a document with one change somewhere in it."""
    place = whole
    path: list[tuple[Any, Any]] = []
    while isinstance(place, dict | list) and place and (not path or rng.random() < 0.85):
        key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
        path.append((place, key))
        place = place[key]
    if not path:
        return value(rng)
    holder, key = path[-1]
    match rng.randrange(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder[key:key] = [holder[key]] * rng.choice([1, 3, 100])
        case 2 if isinstance(holder, dict):
            holder[rng.choice(["", "type", "id", str(key).upper(), "coordinates", str(value(rng))[:9]])] = holder.pop(
                key
            )
        case 3:
            deep: Any = value(rng)
            for _ in range(rng.choice([1, 30, 900])):
                deep = [deep] if rng.random() < 0.5 else {"a": deep}
            holder[key] = deep
        case 4:
            other, its = rng.choice(path)
            holder[key] = json.loads(json.dumps(other[its], skipkeys=True)) if other is not holder else value(rng)
        case _:
            holder[key] = value(rng)
    return whole
