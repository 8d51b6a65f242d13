"""What a run has found so far, in files, so that a killed run goes on."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from skdae.poc._setting import Result, Unit

HEAD = "run.json"


class Cache:
    """Results of units in a folder, or in memory alone when there is none."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.head: dict[str, Any] = {}
        self.found: dict[Unit, Result] = {}

    @classmethod
    def open(
        cls, folder: str | os.PathLike | None, fingerprint: str, resume: bool
    ) -> "Cache":
        """Return the results of an earlier run, or none when it is not resumed."""
        cache = cls(None if folder is None else Path(folder))
        if cache.folder is None:
            return cache
        head = cache.folder / HEAD
        if head.exists() and not resume:
            raise ValueError(
                f"cache={str(cache.folder)!r} holds the results of an unfinished run; "
                "set resume=True to go on with it, or remove the folder to start anew."
            )
        if head.exists():
            cache.head = json.loads(head.read_text(encoding="utf-8"))
            if cache.head["fingerprint"] != fingerprint:
                raise ValueError(
                    f"cache={str(cache.folder)!r} holds a run of other data or other "
                    "settings; resume with those it was started with, or remove the "
                    "folder to start anew."
                )
            cache._read()
        else:
            cache.note(fingerprint=fingerprint)
        return cache

    def _read(self) -> None:
        for path in sorted(self.folder.glob("unit-*.json")):  # type: ignore[union-attr]
            stored = json.loads(path.read_text(encoding="utf-8"))
            self.found[Unit(*stored["unit"])] = stored["result"]

    def note(self, **facts: Any) -> None:
        """Keep facts about the run as a whole, in a file once there are results."""
        self.head |= facts
        if self.found:
            self._write(HEAD, self.head)

    def put(self, unit: Unit, result: Result) -> None:
        """Keep what a unit has found."""
        self.found[unit] = result
        number = len(self.found)
        self._write(f"unit-{number:05d}.json", {"unit": list(unit), "result": result})

    def remove(self) -> None:
        """Delete the folder, when its results are kept elsewhere."""
        if self.folder is not None:
            shutil.rmtree(self.folder)

    def _write(self, name: str, content: Any) -> None:
        """Write a file whole or not at all, whenever the run is killed."""
        if self.folder is None:
            return
        if name != HEAD and not (self.folder / HEAD).exists():
            # with the first result: a run that has none leaves no folder behind
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(HEAD, self.head)
        path = self.folder / name
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps(content), encoding="utf-8")
        os.replace(unfinished, path)
