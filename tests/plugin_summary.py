"""What a test run says at its end: the time of each folder, and in CI that a skip is a failure."""

from __future__ import annotations

import os
from collections import defaultdict

import pytest


class Summary:
    """Adds up while tests run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.tests: dict[str, int] = defaultdict(int)
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        folder = report.nodeid.partition("::")[0].rpartition("/")[0] or "."
        self.seconds[folder] += report.duration
        self.tests[folder] += report.when == "call"
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and os.environ.get("CI") and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("time of each folder")
        for folder, seconds in sorted(self.seconds.items(), key=lambda item: -item[1]):
            terminalreporter.write_line(f"{seconds:7.1f} s  {self.tests[folder]:4d} tests  {folder}")
        if self.skipped and os.environ.get("CI"):
            terminalreporter.section("skipped, and in CI everything runs", red=True)
            for test in self.skipped:
                terminalreporter.write_line(test)


def pytest_configure(config: pytest.Config) -> None:
    """Add the summary."""
    config.pluginmanager.register(Summary())
