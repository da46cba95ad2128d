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


def test_every_month_and_day_has_its_names() -> None:
    months = [moment(datetime(2024, month, 1, tzinfo=timezone.utc), "MMMM MMM") for month in range(1, 13)]
    assert months == [
        "January Jan",
        "February Feb",
        "March Mar",
        "April Apr",
        "May May",
        "June Jun",
        "July Jul",
        "August Aug",
        "September Sep",
        "October Oct",
        "November Nov",
        "December Dec",
    ]
    days = [moment(datetime(2024, 9, day, tzinfo=timezone.utc), "dddd ddd dd d E e") for day in range(1, 8)]
    assert days == [
        "Sunday Sun Su 0 7 0",
        "Monday Mon Mo 1 1 1",
        "Tuesday Tue Tu 2 2 2",
        "Wednesday Wed We 3 3 3",
        "Thursday Thu Th 4 4 4",
        "Friday Fri Fr 5 5 5",
        "Saturday Sat Sa 6 6 6",
    ]


@pytest.mark.parametrize(
    ("hour", "expected"),
    [
        (0, "0 00 12 12 24 24 AM am 1205 120509 005 00509"),
        (1, "1 01 1 01 1 01 AM am 105 10509 105 10509"),
        (11, "11 11 11 11 11 11 AM am 1105 110509 1105 110509"),
        (12, "12 12 12 12 12 12 PM pm 1205 120509 1205 120509"),
        (13, "13 13 1 01 13 13 PM pm 105 10509 1305 130509"),
        (23, "23 23 11 11 23 23 PM pm 1105 110509 2305 230509"),
    ],
)
def test_every_way_to_write_an_hour(hour: int, expected: str) -> None:
    when = datetime(2024, 1, 1, hour, 5, 9, tzinfo=timezone.utc)
    assert moment(when, "H HH h hh k kk A a hmm hmmss Hmm Hmmss") == expected
    assert moment(when, "z zz") == "UTC UTC"
