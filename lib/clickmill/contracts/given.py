"""What people give, checked before Java is started: a wrong word costs a moment, and changes nothing."""

import os
import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from clickmill.contracts.errors import UsageError

# To Hadoop these are patterns or escapes, in SQL a backtick ends the name of a table.
_NOT_IN_A_FOLDER = frozenset("[]{}\\*?`")
_STORES = ("s3a", "s3", "abfss", "abfs", "wasbs", "gs")  # of these a URL names a bucket or container first
_OTHERS = ("hdfs", "viewfs", "dbfs", "file")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,99}")


def name(option: str, text: str) -> str:
    """The name of a run, which is that of its release too.

    Raises  UsageError when it is not made of letters, digits and ._:+-
    """
    if not _NAME.fullmatch(text):
        raise UsageError(f"{option}: expected up to 100 letters, digits and ._:+-, a letter or digit first")
    return text


def folder(path: str) -> str:
    """A folder that tables or files can lie in, there or not: a path of this machine, or a URL of a store that is known.

    Raises  ValueError that says what is wrong with it
    """
    if not path.strip():
        raise ValueError("expected a folder or a URL, not an empty name")
    wrong = next((one for one in path if one in _NOT_IN_A_FOLDER or unicodedata.category(one) in ("Cc", "Cs")), None)
    if wrong is not None:
        raise ValueError(f"the character {wrong if wrong.isprintable() else ascii(wrong)} cannot stand in the name of such a folder")
    if "://" in path:
        _must_be_known(path)
    elif found := re.match(r"([a-z][a-z0-9+.-]+):/", path):
        raise ValueError(f"{path} is no URL; expected {found[1]}:// and the folder, {found[1]}:///folder where there is no host")
    _must_not_lie_in_a_file(path)
    return path


def pattern(path: str) -> None:
    """A file, a folder or a glob of Hadoop, of this machine or of a store that is known.

    Raises  ValueError that says what is wrong with it
    """
    if "://" in path:
        _must_be_known(path)
    elif not os.path.exists(path):
        bare = re.sub(r"\\.", "", path)
        wrong = next((pair for pair in ("{}", "[]") if bare.count(pair[0]) != bare.count(pair[1])), None)
        if wrong:
            raise ValueError(f"has a {wrong[0]} without its {wrong[1]}, or the other way round")


def _must_be_known(url: str) -> None:
    scheme, _, below = url.partition("://")
    if scheme not in _STORES + _OTHERS:
        raise ValueError(f"{scheme}:// is no store that is known; expected a folder, or a URL of {', '.join(_STORES + _OTHERS)}")
    host, _, rest = below.partition("/")
    named = {"file": rest, "dbfs": rest, "hdfs": host + rest, "viewfs": host + rest}.get(scheme, host)
    if not named.strip("/"):
        raise ValueError(f"{url} names no {'bucket' if scheme in _STORES else 'folder'}")


def _must_not_lie_in_a_file(path: str) -> None:
    if "://" in path and not path.startswith("file://"):
        return
    here = Path(unquote(urlsplit(path).path) if "://" in path else path)
    there = next((one for one in (here, *here.parents) if os.path.exists(one)), None)
    if there is not None and not there.is_dir():
        raise ValueError(f"{there} is a file; expected a folder")
