"""What was taken, what was left out and why: shown before anything is built."""

from __future__ import annotations

from dataclasses import dataclass

from fairing.spec import Bundle, File


@dataclass(frozen=True, slots=True)
class Report:
    """What a capture took."""

    entry: str
    files: tuple[str, ...]
    modules: tuple[str, ...]
    globals: tuple[str, ...]
    requirements: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.entry}: {len(self.files)} files, {len(self.requirements)} packages"


@dataclass(frozen=True, slots=True)
class Captured:
    """A capture: the bundle, the files that travel beside the image, and the report."""

    bundle: Bundle
    inputs: tuple[File, ...]
    report: Report
