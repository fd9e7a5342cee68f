"""Write what Python reads of open_inference.proto again: `python -m tests.grpc.descriptors`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from grpc_tools import protoc

FOLDER = Path(__file__).resolve().parents[2] / "service" / "grpc_api"
NAMES = ("messages.binpb", "messages.pyi")


def described() -> dict[str, bytes]:
    """File of `FOLDER` -> what protoc makes of it."""
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder, "messages.binpb")
        failed = protoc.main(
            ["protoc", f"-I{FOLDER}", f"--descriptor_set_out={binary}", f"--pyi_out={folder}", str(FOLDER / "open_inference.proto")]
        )
        assert not failed
        return {NAMES[0]: binary.read_bytes(), NAMES[1]: Path(folder, "open_inference_pb2.pyi").read_bytes()}


if __name__ == "__main__":
    for name, data in described().items():
        (FOLDER / name).write_bytes(data)
