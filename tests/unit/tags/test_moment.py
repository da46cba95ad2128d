from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from pixi_container.tags.moment import moment

WHEN = datetime(2024, 3, 9, 15, 4, 5, 678901, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("YYYYMMDD-HHmmss", "20240309-150405"),
        ("dddd, MMMM Do YYYY, h:mm:ss a", "Saturday, March 9th 2024, 3:04:05 pm"),
        ("M Mo MM MMM MMMM", "3 3rd 03 Mar March"),
        ("Q Qo", "1 1st"),
        ("D Do DD DDD DDDo DDDD", "9 9th 09 69 69th 069"),
        ("d do dd ddd dddd e E", "6 6th Sa Sat Saturday 6 6"),
        ("w wo ww gg gggg ggggg", "10 10th 10 24 2024 02024"),
        ("W Wo WW GG GGGG GGGGG", "10 10th 10 24 2024 02024"),
        ("Y YY YYYY YYYYY YYYYYY", "2024 24 2024 02024 +002024"),
        ("y yo yy yyy yyyy N NN NNN NNNN NNNNN", "2024 2024th 2024 2024 2024 AD AD AD Anno Domini AD"),
        ("A a H HH h hh k kk", "PM pm 15 15 3 03 15 15"),
        ("hmm hmmss Hmm Hmmss", "304 30405 1504 150405"),
        ("m mm s ss", "4 04 5 05"),
        ("S SS SSS SSSS SSSSSSSSS", "6 67 678 6780 678000000"),
        ("Z ZZ", "-03:30 -0330"),
        ("X x", "1710009245 1710009245678"),
        ("L|LL|LLL", "03/09/2024|March 9, 2024|March 9, 2024 3:04 PM"),
        ("LLLL", "Saturday, March 9, 2024 3:04 PM"),
        ("l|ll|lll|llll", "3/9/2024|Mar 9, 2024|Mar 9, 2024 3:04 PM|Sat, Mar 9, 2024 3:04 PM"),
        ("LT LTS", "3:04 PM 3:04:05 PM"),
        ("YYYY-MM-DDTHH:mm:ss.SSS[Z]", "2024-03-09T15:04:05.678Z"),
        (r"[LT] \L \M[YYYY]\\", "LT L MYYYY"),
        ("", ""),
    ],
)
def test_tokens(pattern: str, expected: str) -> None:
    assert moment(WHEN, pattern) == expected


@pytest.mark.parametrize(
    ("day", "weeks"),
    [
        (datetime(2023, 12, 31, tzinfo=timezone.utc), "2024 1 2023 52"),
        (datetime(2022, 1, 1, tzinfo=timezone.utc), "2022 1 2021 52"),
        (datetime(2022, 12, 31, tzinfo=timezone.utc), "2022 53 2022 52"),
        (datetime(2024, 12, 30, tzinfo=timezone.utc), "2025 1 2025 1"),
    ],
)
def test_weeks_at_the_turn_of_the_year(day: datetime, weeks: str) -> None:
    assert moment(day, "gggg w GGGG W") == weeks


@pytest.mark.parametrize(
    ("day", "expected"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st"), (30, "30th")],
)
def test_ordinals(day: int, expected: str) -> None:
    assert moment(datetime(2024, 1, day, tzinfo=timezone.utc), "Do") == expected


def test_midnight() -> None:
    assert moment(datetime(2024, 1, 1, tzinfo=timezone.utc), "H h k A Z z") == "0 12 24 AM +00:00 UTC"
