"""Looking at the model folder again and again, and telling which models have changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path

from service.contract.repository import locations
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
        now = _state(self._root)
        before, self._seen = self._seen, now
        return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))

    def _watch(self) -> None:
        while not self._stopped.wait(self._interval_s):
            try:
                for name in self.look():
                    self._changed(name)
            except Exception:  # a folder that cannot be read for a moment must not end the watch
                logger.exception("looking at %s failed; it is looked at again in %g s", self._root, self._interval_s)


def _state(root: Path) -> dict[str, Hashable]:
    models: dict[str, list[Hashable]] = {}
    for location in locations(root):
        seen = models.setdefault(location.name, [_labels(root / location.name)])
        seen.append((location.version, fingerprint(location.folder)))
    return {name: tuple(seen) for name, seen in models.items()}


def _labels(folder: Path) -> Hashable:
    try:
        found = (folder / LABELS).stat()
    except OSError:  # there is none
        return None
    return (found.st_mtime_ns, found.st_size)
