"""A folder of artifacts, `<root>/<name>/<version>/`: where they lie, whether they are whole, how a new one gets in."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from service.contract.manifest import NAME_PATTERN, ArtifactError, FileEntry, Manifest, parse_manifest
from service.contract.signature import check_signature

MANIFEST = "manifest.json"
ONNX = "model.onnx"
ONNX_INT8 = "model.int8.onnx"
TORCHSCRIPT = "model.torchscript.pt"
TOKENIZER = "tokenizer.json"
FORMS = "forms.json"
GOLDEN = "golden.json"
GOLDEN_INT8 = "golden.int8.json"
REPORT = "report.html"

MAX_MANIFEST_BYTES = 4_000_000
MAX_VERSION_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Artifact:
    """A checked artifact: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    def file(self, name: str) -> Path:
        """Path of a file that the manifest lists.

        Raises:
            ArtifactError: the manifest has no such file.
        """
        if name not in self.manifest.files:
            has = ", ".join(sorted(self.manifest.files))
            raise ArtifactError(f"{self.manifest.name} version {self.manifest.version} has no {name}; it has {has}")
        return self.folder / name

    def read(self, name: str) -> bytes:
        """Content of a file that the manifest lists, checked by its sha256: what is loaded is what was published.

        Raises:
            ArtifactError: the manifest has no such file, or the file is not the one it lists.
        """
        path = self.file(name)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ArtifactError(f"{name} cannot be read: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != self.manifest.files[name].sha256:
            raise _changed(name)
        return content


@dataclass(frozen=True, slots=True)
class Location:
    """Where an artifact of this name and version lies, checked or not."""

    name: str
    version: int
    folder: Path


def check_name(name: str) -> str:
    """The name itself when it may name a model.

    Raises:
        ArtifactError: it may not; the message says what may.
    """
    if not _is_name(name):
        allowed = "lower-case letters, digits, dot, dash and underscore, at most 64, letters or digits at both ends"
        raise ArtifactError(f"not a model name: {name!r}; use {allowed}, no two dots in a row")
    return name


def locations(root: Path) -> Iterator[Location]:
    """Every `<name>/<version>` folder below `root`, by name and rising version; anything else (hidden folders, files) is passed over.

    A link that leads out of `root` is yielded, and refused by `load_artifact`.

    Raises:
        OSError: a folder cannot be read.
    """
    for name in model_names(root):
        yield from versions(root, name)


def model_names(root: Path) -> list[str]:
    """Names of the folders of `root` that may be models, sorted; none where there is no such folder.

    Raises:
        OSError: it cannot be read.
    """
    if not root.is_dir():
        return []
    return sorted(entry.name for entry in root.iterdir() if _is_name(entry.name) and entry.is_dir())


def versions(root: Path, name: str) -> list[Location]:
    """The versions of one model, rising; none where there is no such folder, or no model can be called so.

    Raises:
        OSError: the model's folder cannot be read.
    """
    if not _is_name(name):
        return []
    try:
        numbers = [entry.name for entry in (root / name).iterdir() if _is_version(entry.name) and entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [Location(name, int(number), root / name / number) for number in sorted(numbers, key=int)]


def load_artifact(location: Location, *, root: Path) -> Artifact:
    """Read and check an artifact: inside `root`, of this very name and version, each file whole by its sha256, and no file more.

    Raises:
        ArtifactError: any of that is not so; the message names the file.
    """
    folder = location.folder
    if not folder.resolve().is_relative_to(root.resolve()):
        raise ArtifactError(f"{location.name}/{location.version} leads out of the model folder: copy the artifact in")
    manifest = parse_manifest(_read_manifest(folder))
    if (manifest.name, manifest.version) != (location.name, location.version):
        raise ArtifactError(f"{MANIFEST} is of {manifest.name} version {manifest.version}, but lies in {location.name}/{location.version}")
    check_signature(manifest)
    for name, entry in manifest.files.items():
        _check_file(folder / name, entry)
    strangers = sorted({path.name for path in folder.iterdir()} - set(manifest.files) - {MANIFEST})
    if strangers:
        raise ArtifactError(f"{strangers[0]} is not in the manifest: publish a new version instead of adding files to one")
    for needed in (ONNX, GOLDEN):
        if needed not in manifest.files:
            raise ArtifactError(f"the manifest lists no {needed}")
    return Artifact(folder, manifest)


def file_entry(path: Path) -> FileEntry:
    """Hash and size of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return FileEntry(sha256=digest, bytes=path.stat().st_size)


def publish(root: Path, name: str, *, write: Callable[[Path, int], Manifest], check: Callable[[Artifact], None]) -> Artifact:
    """Publish the next version of `name`: it is there whole, or not at all.

    `write(folder, version)` fills a hidden folder beside the versions with every file but the manifest and returns the manifest; `check`
    replays what it must and raises to refuse. Then the folder is flushed to disk and renamed. When anything raises, nothing of it stays.
    Where another publisher takes the version meanwhile, both are called again on the same folder for the next one.

    Raises:
        ArtifactError: the name or what was written is refused.
        OSError: the disk is full or not writable.
    """
    home = root / check_name(name)
    home.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".publishing-", dir=home))
    try:
        version = _next_version(home)
        while True:
            manifest = _staged(Location(name, version, staging), write(staging, version), check)
            target = home / str(version)
            try:
                # renaming a folder onto one that holds files fails: two publishers never overwrite each other
                staging.rename(target)
            except OSError:
                if not target.exists():
                    raise
                version = _next_version(home)
                (staging / MANIFEST).unlink()
                continue
            _sync(home)
            return Artifact(target, manifest)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        with suppress(OSError):  # it holds versions, or another publisher's folder
            home.rmdir()


def _staged(location: Location, manifest: Manifest, check: Callable[[Artifact], None]) -> Manifest:
    """Make what was written into a checked artifact, safe on disk."""
    (location.folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    check(load_artifact(location, root=location.folder))
    _flush(location.folder)
    location.folder.chmod(0o755)
    return manifest


def _next_version(home: Path) -> int:
    return max((int(entry.name) for entry in home.iterdir() if _is_version(entry.name)), default=0) + 1


def _is_name(text: str) -> bool:
    return re.fullmatch(NAME_PATTERN, text) is not None and ".." not in text


def _is_version(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MAX_VERSION_DIGITS and not text.startswith("0")


def _read_manifest(folder: Path) -> bytes:
    path = folder / MANIFEST
    try:
        if path.is_symlink() or path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ArtifactError(f"{MANIFEST} is a link or over {MAX_MANIFEST_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{MANIFEST} cannot be read: {error.strerror}") from error


def _check_file(path: Path, entry: FileEntry) -> None:
    if path.is_symlink() or not path.is_file():
        raise ArtifactError(f"{path.name} is missing or is a link: publish it again")
    try:
        same = path.stat().st_size == entry.bytes and file_entry(path).sha256 == entry.sha256
    except OSError as error:
        raise ArtifactError(f"{path.name} cannot be read: {error.strerror}") from error
    if not same:
        raise _changed(path.name)


def _changed(name: str) -> ArtifactError:
    return ArtifactError(f"{name} was changed: its sha256 is not the one in {MANIFEST}; publish it again")


def _flush(folder: Path) -> None:
    for path in folder.iterdir():
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
