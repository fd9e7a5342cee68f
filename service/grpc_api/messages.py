"""The messages of open_inference.proto, in a pool of their own; messages.pyi says what there is.

Code that protoc writes would put them into the pool that a whole process shares, where no two packages that speak this protocol can stand
together, and would run with few releases of protobuf.
"""

from __future__ import annotations

from importlib.resources import files

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClassesForFiles

_described = FileDescriptorSet.FromString(files(__package__).joinpath("messages.binpb").read_bytes())
_pool = DescriptorPool()
for _file in _described.file:
    _pool.Add(_file)  # type: ignore[no-untyped-call]  # its stub has no types
DESCRIPTOR = _pool.FindFileByName(_described.file[0].name)
_made = GetMessageClassesForFiles([DESCRIPTOR.name], _pool)
globals().update({name.removeprefix("inference."): made for name, made in _made.items()})
