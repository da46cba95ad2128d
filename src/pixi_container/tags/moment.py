"""Date formatting as in moment.js, in its default English locale.

Source of the tokens: https://momentjs.com/docs/#/displaying/format/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

# strftime's names would depend on the process's locale.
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

_LONG_FORMATS = {
    "LTS": "h:mm:ss A",
    "LT": "h:mm A",
    "LLLL": "dddd, MMMM D, YYYY h:mm A",
    "LLL": "MMMM D, YYYY h:mm A",
    "LL": "MMMM D, YYYY",
    "L": "MM/DD/YYYY",
    "llll": "ddd, MMM D, YYYY h:mm A",
    "lll": "MMM D, YYYY h:mm A",
    "ll": "MMM D, YYYY",
    "l": "M/D/YYYY",
}


def moment(when: datetime, pattern: str) -> str:
    """Return a date, which must have a time zone, formatted as by ``moment(when).format(pattern)``.

    Text in ``[brackets]``, a token after a backslash, and everything that is not a token are copied as is.
    """
    expanded = _LONG.sub(lambda match: _LONG_FORMATS.get(match[0], match[0]), pattern)
    return _TOKEN.sub(lambda token: _write(when, token), expanded)


def _write(when: datetime, token: re.Match[str]) -> str:
    if token["literal"]:
        return token["literal"][1:-1]
    if token["escaped"]:
        return token["escaped"].replace("\\", "")
    return _TOKENS[token["token"]](when)


def _ordinal(number: int) -> str:
    teens = number // 10 % 10 == 1
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _weekday(when: datetime) -> int:
    return when.isoweekday() % 7


def _day_of_year(when: datetime) -> int:
    return when.timetuple().tm_yday


def _week(when: datetime) -> tuple[int, int]:
    """Return year and week number; weeks start on Sunday, and week one contains the first of January."""
    saturday = when.toordinal() + 6 - _weekday(when)
    first = when.replace(month=1, day=1)
    if saturday > first.replace(month=12, day=31).toordinal():
        return when.year + 1, 1
    return when.year, (saturday - first.toordinal()) // 7 + 1


def _offset(when: datetime, separator: str) -> str:
    offset = when.utcoffset()
    minutes = round(offset.total_seconds() / 60) if offset else 0
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{separator}{abs(minutes) % 60:02}"


def _milliseconds(when: datetime) -> int:
    return when.microsecond // 1000


def _fraction(digits: int) -> Callable[[datetime], str]:
    return lambda when: f"{_milliseconds(when):03}".ljust(digits, "0")[:digits]


def _hour12(when: datetime) -> int:
    return when.hour % 12 or 12


_TOKENS: dict[str, Callable[[datetime], str]] = {
    "M": lambda when: f"{when.month}",
    "Mo": lambda when: _ordinal(when.month),
    "MM": lambda when: f"{when.month:02}",
    "MMM": lambda when: _MONTHS[when.month - 1][:3],
    "MMMM": lambda when: _MONTHS[when.month - 1],
    "Q": lambda when: f"{(when.month + 2) // 3}",
    "Qo": lambda when: _ordinal((when.month + 2) // 3),
    "D": lambda when: f"{when.day}",
    "Do": lambda when: _ordinal(when.day),
    "DD": lambda when: f"{when.day:02}",
    "DDD": lambda when: f"{_day_of_year(when)}",
    "DDDo": lambda when: _ordinal(_day_of_year(when)),
    "DDDD": lambda when: f"{_day_of_year(when):03}",
    "d": lambda when: f"{_weekday(when)}",
    "do": lambda when: _ordinal(_weekday(when)),
    "dd": lambda when: _DAYS[_weekday(when)][:2],
    "ddd": lambda when: _DAYS[_weekday(when)][:3],
    "dddd": lambda when: _DAYS[_weekday(when)],
    "e": lambda when: f"{_weekday(when)}",
    "E": lambda when: f"{when.isoweekday()}",
    "w": lambda when: f"{_week(when)[1]}",
    "wo": lambda when: _ordinal(_week(when)[1]),
    "ww": lambda when: f"{_week(when)[1]:02}",
    "W": lambda when: f"{when.isocalendar()[1]}",
    "Wo": lambda when: _ordinal(when.isocalendar()[1]),
    "WW": lambda when: f"{when.isocalendar()[1]:02}",
    "Y": lambda when: f"{when.year:04}",
    "YY": lambda when: f"{when.year % 100:02}",
    "YYYY": lambda when: f"{when.year:04}",
    "YYYYY": lambda when: f"{when.year:05}",
    "YYYYYY": lambda when: f"+{when.year:06}",
    "y": lambda when: f"{when.year}",
    "yo": lambda when: _ordinal(when.year),
    "yy": lambda when: f"{when.year:02}",
    "yyy": lambda when: f"{when.year:03}",
    "yyyy": lambda when: f"{when.year:04}",
    "N": lambda _: "AD",
    "NN": lambda _: "AD",
    "NNN": lambda _: "AD",
    "NNNN": lambda _: "Anno Domini",
    "NNNNN": lambda _: "AD",
    "gg": lambda when: f"{_week(when)[0] % 100:02}",
    "gggg": lambda when: f"{_week(when)[0]:04}",
    "ggggg": lambda when: f"{_week(when)[0]:05}",
    "GG": lambda when: f"{when.isocalendar()[0] % 100:02}",
    "GGGG": lambda when: f"{when.isocalendar()[0]:04}",
    "GGGGG": lambda when: f"{when.isocalendar()[0]:05}",
    "A": lambda when: "AM" if when.hour < 12 else "PM",
    "a": lambda when: "am" if when.hour < 12 else "pm",
    "H": lambda when: f"{when.hour}",
    "HH": lambda when: f"{when.hour:02}",
    "h": lambda when: f"{_hour12(when)}",
    "hh": lambda when: f"{_hour12(when):02}",
    "k": lambda when: f"{when.hour or 24}",
    "kk": lambda when: f"{when.hour or 24:02}",
    "m": lambda when: f"{when.minute}",
    "mm": lambda when: f"{when.minute:02}",
    "s": lambda when: f"{when.second}",
    "ss": lambda when: f"{when.second:02}",
    **{"S" * digits: _fraction(digits) for digits in range(1, 10)},
    "z": lambda when: when.tzname() or "",
    "zz": lambda when: when.tzname() or "",
    "Z": lambda when: _offset(when, ":"),
    "ZZ": lambda when: _offset(when, ""),
    "X": lambda when: f"{int(when.timestamp())}",
    "x": lambda when: f"{int(when.timestamp()) * 1000 + _milliseconds(when)}",
}


def _longest_first(tokens: dict[str, object]) -> str:
    return "|".join(sorted(tokens, key=len, reverse=True))


_LONG = re.compile(rf"\[[^\[]*\]|\\?(?:{_longest_first({**_LONG_FORMATS})})")
_TOKEN = re.compile(
    rf"(?P<literal>\[[^\[]*\])|(?P<escaped>\\(?:{_longest_first({**_TOKENS})}|.?))"
    rf"|(?P<token>{_longest_first({**_TOKENS})})",
    re.DOTALL,
)
