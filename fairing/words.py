"""Words for people: sizes, durations and counts as they are written, and text that shows as itself."""

from __future__ import annotations


class Said(str):
    """Text that shows as itself where a cell displays it.

    Example:
        >>> Said("3 images")
        3 images
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def size(octets: float) -> str:
    """Return a number of bytes.

    Example:
        >>> size(1), size(812), size(999_600), size(3_400_000)
        ('1 byte', '812 bytes', '1 MB', '3.4 MB')
    """
    if octets < 1000:
        return counted(int(octets), "byte")
    units = ["kB", "MB", "GB", "TB"]
    octets /= 1000
    while octets >= 999.5 and len(units) > 1:  # above it three digits would say 1e+03
        octets /= 1000
        del units[0]
    return f"{octets:.3g} {units[0]}" if octets < 999.5 else f"{octets:,.0f} {units[0]}"


def duration(seconds: float) -> str:
    """Return a duration.

    Example:
        >>> duration(0.234), duration(75), duration(3700)
        ('0.2 s', '1 min 15 s', '1 h 1 min')
    """
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def sentence(text: str) -> str:
    """Return a text so that another sentence may follow it.

    Example:
        >>> sentence("division by zero"), sentence("Stop!"), sentence(" ")
        ('division by zero.', 'Stop!', '')
    """
    text = text.strip()
    return text if not text or text[-1] in ".!?" else f"{text}."


def counted(number: int, noun: str) -> str:
    """Return how many there are of something.

    Example:
        >>> counted(1, "file"), counted(2000, "file")
        ('1 file', '2,000 files')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"
