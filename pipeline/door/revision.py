"""A Zarr hierarchy of a git revision, read through DVC without a pull: what is asked for is fetched in byte ranges from the
cache at hand or from the remote, over whatever protocol the repository's DVC config says.

DVC's index of the revision says which files there are, and their MD5. So an object that the remote lacks is an
error and never a missing chunk, which Zarr would read as NaN.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from fsspec import AbstractFileSystem
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from zarr.storage import FsspecStore

from pipeline.errors import InputError, one_line

AT_ONCE = 16
PLACES = ("cache", "remote")
MALFORMED = re.compile(r"(https?|ssh):(?!//[^/\s])|file:(?!//)")
"""What git would take for a machine of that name."""
NO_REMOTE = "the repository names no DVC remote"
_Found = TypeVar("_Found")


class _NoRanges(Exception):
    """The server sends all of a file where a range is asked for."""


class Revision(AbstractFileSystem):
    """The files of one out of one revision, read only; keys are relative to the out."""

    protocol = "revision"
    cachable = False

    def __init__(self, repo: str, rev: str | None, out: str) -> None:
        """Raises InputError where there is no such repository, revision or out."""
        super().__init__()
        if MALFORMED.match(repo):
            raise InputError(f"{repo}: a malformed address; write it as https://example.org/name.git")
        self.what = f"{repo}{f' at {rev}' if rev else ''}"
        self.out = out
        self.entries = self._listed(repo, rev)
        self.kept: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}
        self.filesystems: dict[tuple[str, str], AbstractFileSystem] = {}
        self.whole_only = False  # on a server that knows no ranges

    def _listed(self, repo: str, rev: str | None) -> dict[str, Any]:
        from dvc.api import DVCFileSystem
        from dvc.exceptions import DvcException
        from dvc.scm import CloneError, RevError, SCMError
        from dvc_data.index import DataIndexDirError

        try:
            fs = DVCFileSystem(repo, rev=rev)
            if (inside := _remote_inside(fs.repo)) and is_remote(repo):
                fs = DVCFileSystem(repo, rev=rev, remote_config={"url": inside})
            self.fs, self.index = fs, fs.repo.index.data["repo"]
        except RevError:
            why = f"no revision '{rev}'" if rev else "its HEAD is on no branch: give rev=, a tag or a commit"
            raise InputError(f"{repo}: {why}; `git ls-remote --tags {repo}` lists the releases") from None
        except (DvcException, SCMError, OSError, KeyError) as error:
            said = _last_cause(error) if isinstance(error, CloneError) else error
            raise InputError(f"{repo}: cannot be read as a DVC repository: {one_line(said)}") from error
        prefix = tuple(self.out.split("/"))
        try:
            found = {
                "/".join(key[len(prefix) :]): entry
                for key, entry in self.index.iteritems(prefix)
                if entry.hash_info and not (entry.meta and entry.meta.isdir)
            }
        except KeyError:
            found = {}
        except (DvcException, DataIndexDirError, OSError) as error:
            raise InputError(f"{self.what}: {self.out} is not in its DVC remote: {one_line(error)}") from error
        if not found:
            raise InputError(f"{self.what}: records no {self.out}; its dvc.lock is of another project or not committed")
        return found

    def fetch(self, keys: Iterable[str]) -> None:
        """Fetch files whole, at once, hold each against its MD5, and keep them. Raises InputError for what no place has."""
        said: dict[str, object] = {key: NO_REMOTE for key in keys if key not in self.kept}
        for place in PLACES:
            wanted: dict[Any, dict[str, list[str]]] = {}
            for key in said:
                if (found := self._at(key, place)) is not None:
                    wanted.setdefault(found[0], {}).setdefault(found[1], []).append(key)
            for fs, paths in wanted.items():
                at_once = {"batch_size": AT_ONCE} if fs.async_impl else {}
                contents = fs.cat_ranges(list(paths), None, None, on_error="return", **at_once)
                for path, content in zip(paths, contents, strict=True):
                    for key in paths[path]:
                        said[key] = self._kept(key, content)
            said = {key: why for key, why in said.items() if why is not None}
        if said:
            raise self._lacking(*next(iter(said.items())))

    def _kept(self, key: str, content: bytes | Exception) -> object:
        """Keep the content of a file; what is wrong with it, where something is."""
        expected = self.entries[key].hash_info
        if isinstance(content, Exception):
            return str(content) or type(content).__name__
        if expected.name == "md5" and hashlib.md5(content).hexdigest() != expected.value:
            return "its contents are not those that were pushed"
        self.kept[key] = content
        return None

    def _at(self, key: str, place: str) -> tuple[Any, str] | None:
        """The filesystem and path of a file in DVC's cache or remote; None where that place is not there, or has it not."""
        entry = self.entries[key]
        storage = getattr(self.index.storage_map[entry.key], place)
        if storage is None:
            return None
        fs, path = storage.get(entry)
        if place == "cache" and not os.path.exists(path):
            return None
        at = (place, str(storage.odb.path))
        if at not in self.filesystems:  # each out brings its own, of which each would open its own connections
            self.filesystems[at] = fs.fs
        return self.filesystems[at], path

    def measure(self, keys: Iterable[str]) -> None:
        """Ask for the lengths of files, many at once; DVC's index has none of the files of a folder."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self.size, keys))

    def size(self, key: str) -> int:
        """Length of a file in bytes. Raises InputError for an object that the remote lacks."""
        if key in self.kept:
            return len(self.kept[key])
        if key not in self.sizes:
            self.sizes[key] = self._first(key, lambda fs, path: int(fs.size(path)))
        return self.sizes[key]

    def _part(self, key: str, start: int | None, end: int | None) -> bytes:
        """A range of bytes of a file; from a server that knows no ranges all of it is fetched, once."""
        if not self.whole_only:
            begin, stop, _ = slice(start, end).indices(self.size(key))
            try:
                return self._range(key, begin, stop)
            except _NoRanges:
                self.whole_only = True
        self.fetch([key])
        return self.kept[key][start:end]

    def tail(self, key: str, n: int) -> bytes | None:
        """The last bytes of a file; None from a server that knows no ranges."""
        if not self.whole_only:
            try:
                return self._range(key, self.size(key) - n, self.size(key))
            except _NoRanges:
                self.whole_only = True
        return None

    def _range(self, key: str, begin: int, stop: int) -> bytes:
        def read(fs: AbstractFileSystem, path: str) -> bytes:
            try:
                with fs.open(path, size=self.size(key), cache_type="none") as file:
                    file.seek(begin)
                    content = bytes(file.read(stop - begin))
            except ValueError as error:  # what fsspec says of a server that sends all where a range is asked for
                raise _NoRanges from error
            if len(content) != stop - begin:
                raise OSError(f"{len(content)} bytes came where {stop - begin} were asked for")
            return content

        return self._first(key, read)

    def _first(self, key: str, read: Callable[[AbstractFileSystem, str], _Found]) -> _Found:
        """What `read` finds in the first place that has the file: DVC's cache, then the remote."""
        said: object = NO_REMOTE
        for place in PLACES:
            if (found := self._at(key, place)) is not None:
                try:
                    return read(*found)
                except _NoRanges:
                    raise
                except Exception as error:  # each protocol's library has errors of its own
                    # of a length that cannot be had fsspec says that there is no such file, whatever the server said
                    said = error.__cause__ or error if isinstance(error, FileNotFoundError) else error
                    said = said if str(said) else type(said).__name__
        raise self._lacking(key, said)

    def _lacking(self, key: str, said: object) -> InputError:
        return InputError(f"{self.what}: {self.out}/{key}: not whole in its DVC remote: {one_line(said)}")

    # --- fsspec ------------------------------------------------------------------------------------------------------

    def _key(self, path: str) -> str:
        return path.strip("/").removeprefix(self.out).strip("/")

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        key = self._key(path)
        if key not in self.entries:
            raise FileNotFoundError(path)
        if key in self.kept:
            return self.kept[key][start:end]
        return self._part(key, start, end)

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        prefix = f"{key}/" if (key := self._key(path)) else ""
        below = {key[len(prefix) :].split("/")[0] for key in self.entries if key.startswith(prefix)}
        if not below:
            raise FileNotFoundError(path)
        infos = [self.info(f"{self.out}/{prefix}{name}") for name in sorted(below)]
        return infos if detail else [info["name"] for info in infos]

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        key, name = self._key(path), path.strip("/")
        if key in self.entries:
            return {"name": name, "size": self.sizes.get(key), "type": "file"}
        if any(other.startswith(f"{key}/") for other in self.entries) or not key:
            return {"name": name, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def store(self) -> FsspecStore:
        """The out as a Zarr store."""
        return FsspecStore(AsyncFileSystemWrapper(self, asynchronous=True), path=self.out, read_only=True)


def _last_cause(error: BaseException) -> BaseException:
    """What an error comes of in the end: of a clone that fails DVC says `SCM error`, and no more."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def _remote_inside(repo: Any) -> str | None:
    """The default remote of a cloned repository, where it is a folder of that repository: DVC takes its path for one of this
    machine (dvc 3.67)."""
    name = repo.config["core"].get("remote")
    url = str(repo.config["remote"].get(name, {}).get("url", "://"))
    folder = Path(repo.scm.root_dir) / url.lstrip("/")
    return str(folder) if "://" not in url and folder.is_dir() else None


def is_remote(place: str | os.PathLike[str]) -> bool:
    """Whether a place is a url rather than a path."""
    return "://" in str(place) or str(place).startswith("git@") or (":" in str(place) and not Path(place).exists())
