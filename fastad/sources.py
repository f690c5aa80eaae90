"""The source lines that a picture shows beside the graph."""

import inspect
import linecache
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Excerpt", "excerpts", "line_of"]

# Of one file, and of one line.
MOST_LINES = 300
MOST_CHARACTERS = 300


@dataclass(frozen=True)
class Excerpt:
    """Lines of one file, with their numbers; a gap in these is a gap in the text."""

    file: str
    lines: list[tuple[int, str]]

    @property
    def name(self) -> str:
        """The file's name without its folders, which are nobody's business."""
        return os.path.basename(self.file)


def line_of(place: tuple[str, int]) -> str:
    """A line of source, without what surrounds it; "" if the source is not there."""
    return linecache.getline(*place).strip()[:MOST_CHARACTERS]


def excerpts(
    f: Callable[..., Any], places: Iterable[tuple[str, int] | None]
) -> list[Excerpt]:
    """The source of f, and the lines at these places with their neighbours.

    Files without source, such as what was typed at Python's prompt, are left out.
    """
    wanted: dict[str, set[int]] = {}
    own = own_lines(f)
    if own is not None:
        wanted[own[0]] = set(own[1])
    for place in places:
        if place is not None:
            file, line = place
            near = range(line - 1, line + 2)
            is_own = own is not None and file == own[0] and line in own[1]
            wanted.setdefault(file, set()).update((line,) if is_own else near)
    found = []
    for file, numbers in wanted.items():
        lines = [
            (k, linecache.getline(file, k).rstrip()[:MOST_CHARACTERS])
            for k in sorted(numbers)[:MOST_LINES]
            if 0 < k <= len(linecache.getlines(file))
        ]
        if lines:
            found.append(Excerpt(file, lines))
    return found


def own_lines(f: Callable[..., Any]) -> tuple[str, range] | None:
    """The file of a function and the numbers of its lines, if it has source."""
    try:
        function = inspect.unwrap(getattr(f, "func", f))
        lines, first = inspect.getsourcelines(function)
        file = function.__code__.co_filename
    except (AttributeError, TypeError, OSError, ValueError):
        return None
    return file, range(max(first, 1), first + len(lines))
