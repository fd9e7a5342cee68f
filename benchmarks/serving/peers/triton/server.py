"""Triton: `python -m benchmarks.serving.peers.triton.server PORT`. Its server and Python backend lie inside the wheel nvidia-pytriton.

The wheel has no ONNX backend, so its Python backend runs onnxruntime.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import sysconfig
import tempfile
from pathlib import Path

from benchmarks.serving.peers import graphs

PACKAGES = Path(sysconfig.get_path("purelib"))
TRITON = PACKAGES / "pytriton" / "tritonserver"
MODEL = Path(__file__).with_name("model.py")
INPUTS = {
    graphs.FORECAST: {"target": ("FP32", [-1]), "past": ("FP32", [-1, 3])},
    graphs.NEXT_WORD: {"tokens": ("INT64", [-1]), "state_h": ("FP32", [1, 256]), "state_c": ("FP32", [1, 256])},
}
OUTPUTS = {
    graphs.FORECAST: {"quantiles": ("FP32", [24, 1])},
    graphs.NEXT_WORD: {"top_ids": ("INT64", [5]), "top_log_probs": ("FP32", [5])},
}


def main(port: int) -> None:
    """Become Triton."""
    folder = Path(tempfile.mkdtemp(prefix="triton-", dir=Path(os.environ["BENCH_MODELS"]).parent))  # which is removed in the end
    for name in graphs.OUTPUTS:
        _model(folder / "models" / name, name)
    backend = folder / "backends" / "python"
    backend.mkdir(parents=True)
    for path in (TRITON / "backends" / "python").iterdir():
        (backend / path.name).symlink_to(path)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    (backend / "triton_python_backend_stub").symlink_to(TRITON / "python_backend_stubs" / version / "triton_python_backend_stub")
    libraries = [str(PACKAGES / "nvidia_pytriton.libs"), sysconfig.get_config_var("LIBDIR")]
    variables = {"LD_LIBRARY_PATH": os.pathsep.join(libraries), "BENCH_PATHS": os.pathsep.join([str(Path.cwd()), str(PACKAGES)])}
    command = [
        "tritonserver",
        f"--model-repository={folder / 'models'}",
        f"--backend-directory={folder / 'backends'}",
        f"--http-port={port}",
        "--http-address=127.0.0.1",
        "--allow-grpc=false",
        f"--metrics-port={_free_port()}",
        "--log-info=false",
        "--log-warning=false",
    ]
    os.execve(TRITON / "bin" / "tritonserver", command, os.environ | variables)  # noqa: S606 - the server itself


def _model(folder: Path, name: str) -> None:
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.py").symlink_to(MODEL)
    config = {
        "name": name,
        "backend": "python",
        "max_batch_size": graphs.MAX_BATCH,
        "dynamic_batching": {},
        "input": _tensors(INPUTS[name]),
        "output": _tensors(OUTPUTS[name]),
        "instance_group": [{"kind": "KIND_CPU", "count": 1}],
    }
    (folder / "config.pbtxt").write_text(_pbtxt(config), encoding="utf-8")


def _tensors(tensors: dict[str, tuple[str, list[int]]]) -> list[graphs.Json]:
    return [{"name": name, "data_type": f"TYPE_{datatype}", "dims": dims} for name, (datatype, dims) in tensors.items()]


def _pbtxt(config: graphs.Json) -> str:
    """A message in protobuf's text format: words in capitals are members of an enumeration."""
    lines = []
    for name, value in config.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                lines.append(f"{name} {{ {_pbtxt(one)} }}")
            else:
                lines.append(f"{name}: {one if isinstance(one, str) and one.startswith(('TYPE_', 'KIND_')) else json.dumps(one)}")
    return "\n".join(lines)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    main(int(sys.argv[1]))
