"""Looking at the model folder again and again, and telling which models have changed."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path

from service.contract.repository import Location, model_names, versions
from service.lifecycle.succession import fingerprint
from service.lifecycle.traffic import LABELS

logger = logging.getLogger(__name__)


class FolderWatch:
    """Calls `changed` with the name of each model below `root` whose versions or labels have changed, on a thread of its own."""

    def __init__(self, root: Path, changed: Callable[[str], None], *, interval_s: float) -> None:
        self._root = root
        self._changed = changed
        self._interval_s = interval_s
        self._seen: Mapping[str, Hashable] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="folder-watch", daemon=True)

    def start(self) -> None:
        """Look every `interval_s` seconds from now on."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Look no more; waits for a change that is being told."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def look(self) -> list[str]:
        """Models that have changed since the last look: new, gone, or other files in a version or other labels."""
        before = self._seen
        self._seen = {name: self._state(name) for name in model_names(self._root)}
        return sorted(name for name in {*before, *self._seen} if before.get(name) != self._seen.get(name))

    def _state(self, name: str) -> Hashable:
        try:
            return _model_state(self._root, name, versions(self._root, name))
        except OSError as error:
            logger.warning("the folder of %s cannot be read, so that it stays as it is: %s", name, error.strerror)
            return self._seen.get(name)

    def _watch(self) -> None:
        while not self._stopped.wait(self._interval_s):
            try:
                if not self._root.is_dir():
                    raise FileNotFoundError(f"no folder {self._root}")  # what is served stays: a disk may be away for a moment
                changed = self.look()
            except OSError:
                logger.exception("looking at %s failed; it is looked at again in %g s", self._root, self._interval_s)
                continue
            for name in changed:
                self._tell(name)

    def _tell(self, name: str) -> None:
        try:
            self._changed(name)
        except Exception:  # one model's fault must neither end the watch nor keep others from being told
            logger.exception("%s was not brought in line with its folder", name)


def state_of(root: Path, name: str, found: Iterable[Location]) -> str:
    """A digest that is the same as long as neither a version of a model, those being `found`, nor its labels change."""
    return hashlib.sha256(repr(_model_state(root, name, found)).encode()).hexdigest()


def _model_state(root: Path, name: str, found: Iterable[Location]) -> Hashable:
    return (_labels(root / name), *((location.version, fingerprint(location.folder)) for location in found))


def _labels(folder: Path) -> Hashable:
    try:
        found = (folder / LABELS).stat()
    except OSError:  # there is none
        return None
    return (found.st_mtime_ns, found.st_size)
