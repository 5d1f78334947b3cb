"""The commits of a Delta table, read from its log: cheaper by far than to ask for its history.

What is relied on is the published protocol of the log: one file a version, named
by it, that holds one `commitInfo` with the operation and what the writer said of it.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from clickmill.folders import Folder


@dataclass(frozen=True)
class Commit:
    """One version of a table.

    operation    what Delta calls it: WRITE, RESTORE, CREATE TABLE, ...
    restored     the version that a RESTORE went back to; None for all else
    note         what the writer said of it, as text
    """

    version: int
    operation: str
    restored: int | None
    note: str | None


def versions(log: Folder) -> list[int]:
    """Versions whose commits are still in the log, in order; none where there is no table."""
    found = (re.fullmatch(r"(\d{20})\.json", name) for name in log.names("0"))
    return [int(one[1]) for one in found if one]


def mark(log: Folder) -> tuple[int, str]:
    """What tells the newest version from every other, also from one of a table that took this one's place; none is -1."""
    found = versions(log)
    return (found[-1], _text(log, found[-1]) or "") if found else (-1, "")


def at(log: Folder, version: int) -> Commit | None:
    """The commit of one version; None where it is not in the log, or not any more."""
    text = _text(log, version)
    return None if text is None else _commit(version, text)


def newest_first(log: Folder) -> Iterator[Commit]:
    """The commits that are still in the log, the newest first, each read when it is asked for."""
    for version in reversed(versions(log)):
        commit = at(log, version)
        if commit is not None:
            yield commit


def _text(log: Folder, version: int) -> str | None:
    return log.read(f"{version:020d}.json")


def _commit(version: int, text: str) -> Commit:
    actions: Iterator[dict[str, Any]] = (json.loads(line) for line in text.splitlines() if line)
    info: dict[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    restored = info.get("operationParameters", {}).get("version")
    is_restore = info.get("operation") == "RESTORE" and restored is not None
    return Commit(version, info.get("operation", ""), int(restored) if is_restore else None, info.get("userMetadata"))


def shorten(log: Folder, oldest: int) -> int:
    """Remove what the log does not need to tell any version from `oldest` on, and say how many files that were.

    A version is told by the last whole checkpoint before it and the commits since. Of a checkpoint in parts some may be
    missing: who wrote it died.
    """
    found = [(int(name[:20]), name) for name in log.names("0") if re.match(r"\d{20}\.", name)]
    base = max((version for version in _checkpoints(name for _, name in found) if version <= oldest), default=0)
    old = [name for version, name in found if version < base]
    for name in old:
        log.delete(name)
    return len(old)


def _checkpoints(names: Iterable[str]) -> Iterator[int]:
    """Versions of which there is a whole checkpoint."""
    parts: Counter[tuple[str, str]] = Counter()
    for name in names:
        version, _, rest = name.partition(".checkpoint.")
        part = re.fullmatch(r"\d{10}\.(\d{10})\.parquet", rest)
        if part:
            parts[version, part[1]] += 1
            if parts[version, part[1]] == int(part[1]):
                yield int(version)
        elif rest:
            yield int(version)
