from __future__ import annotations

import io

import pytest

from foundry_host.progress import Display, Meter, bar, describe, duration, size
from foundry_host.state import Progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_rate_and_time_left_follow_the_percentage() -> None:
    clock = Clock()
    meter = Meter(1000, clock)
    assert meter.update(0) == Progress(0, 1000, None, None, 0.0)
    clock.now = 5
    assert meter.update(20) == Progress(200, 1000, 40, 20, 20.0)


def test_what_an_earlier_run_downloaded_is_not_counted_as_speed() -> None:
    clock = Clock()
    meter = Meter(1000, clock)
    meter.update(90)
    clock.now = 10
    assert meter.update(91).bytes_per_second == 1


def test_the_rate_is_that_of_the_last_seconds() -> None:
    clock = Clock()
    meter = Meter(1000, clock)
    for now, percent in ((0, 0), (1, 50), (20, 51), (21, 51.1), (34, 52.4)):
        clock.now = now
        progress = meter.update(percent)
    assert progress.bytes_per_second == 1


def test_a_stalled_download_has_no_time_left() -> None:
    clock = Clock()
    meter = Meter(1000, clock)
    for now in (0, 10, 20, 30, 40):
        clock.now = now
        progress = meter.update(50)
    assert (progress.bytes_per_second, progress.seconds_left) == (None, None)


def test_without_a_size_the_percentage_still_shows() -> None:
    clock = Clock()
    meter = Meter(None, clock)
    meter.update(0)
    clock.now = 1
    assert describe(meter.update(50)) == "50 %, 1 s left"


def test_a_description_has_bytes_rate_and_time_left() -> None:
    progress = Progress(317_000_000, 862_000_000, 12_300_000, 44, 36.8)
    assert describe(progress) == "37 %, 317.0 MB of 862.0 MB, 12.3 MB/s, 44 s left"


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    clock, stream = Clock(), io.StringIO()
    display, meter = Display("qwen2.5-0.5b", stream, clock), Meter(1000, clock)
    for second in range(26):
        clock.now = second
        display.show(meter.update(second * 4))
    display.finish()
    assert stream.getvalue() == ""
    assert [message.partition(",")[0] for message in caplog.messages] == [
        "qwen2.5-0.5b: 0 %",
        "qwen2.5-0.5b: 40 %",
        "qwen2.5-0.5b: 80 %",
        "qwen2.5-0.5b: 100 %",
    ]


def test_a_terminal_gets_one_line_that_is_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    clock, stream = Clock(), Terminal()
    display, meter = Display("qwen2.5-0.5b", stream, clock), Meter(1000, clock)
    for second in range(5):
        clock.now = second
        display.show(meter.update(second * 25))
    display.finish()
    output = stream.getvalue()
    assert output.count("\n") == 1
    assert all(len(line) == 59 for line in output.strip("\n").split("\r")[1:])
    assert bar(100) in output


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (2_500_000, "2.5 MB"), (5_200_000_000, "5.20 GB")],
)
def test_sizes_are_decimal(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(42, "42 s"), (185, "3 min 05 s"), (7620, "2 h 07 min")]
)
def test_durations_have_two_units_at_most(seconds: int, text: str) -> None:
    assert duration(seconds) == text
