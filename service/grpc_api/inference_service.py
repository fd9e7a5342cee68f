"""`inference.GRPCInferenceService`: which of its calls is answered by what."""

from __future__ import annotations

from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from service.grpc_api import messages as m
from service.grpc_api.absent import Absent
from service.grpc_api.calls import SERVICE, Answer, Call, at_once
from service.grpc_api.catalogue import Catalogue
from service.grpc_api.ending import Ending
from service.grpc_api.inference import Inference, Stream
from service.grpc_api.repository import Repository
from service.lifecycle.registry import ModelRegistry
from service.observe.telemetry import Telemetry
from service.sequences.sequences import Sequences
from service.settings import Settings

R = TypeVar("R", bound=Message)
A = TypeVar("A", bound=Message)


def inference_service(
    registry: ModelRegistry, settings: Settings, telemetry: Telemetry, sequences: Sequences, ending: Ending
) -> grpc.GenericRpcHandler:
    """The service over these models."""
    catalogue = Catalogue(registry, settings)
    repository = Repository(registry)
    absent = Absent(registry, settings)
    infer = Inference(registry, settings, sequences).infer

    def call(name: str, request: type[R], answer: Answer[R, A]) -> tuple[str, grpc.RpcMethodHandler[Any, Any]]:
        return name, grpc.unary_unary_rpc_method_handler(Call(name, request, answer, telemetry).handle)

    stream = Stream(Call("ModelStreamInfer", m.ModelInferRequest, infer, telemetry), ending)
    calls: tuple[tuple[str, grpc.RpcMethodHandler[Any, Any]], ...] = (
        call("ServerLive", m.ServerLiveRequest, at_once(catalogue.server_live)),
        call("ServerReady", m.ServerReadyRequest, at_once(catalogue.server_ready)),
        call("ServerMetadata", m.ServerMetadataRequest, at_once(catalogue.server_metadata)),
        call("ModelReady", m.ModelReadyRequest, at_once(catalogue.model_ready)),
        call("ModelMetadata", m.ModelMetadataRequest, at_once(catalogue.model_metadata)),
        call("ModelConfig", m.ModelConfigRequest, at_once(catalogue.model_config)),
        call("ModelStatistics", m.ModelStatisticsRequest, at_once(catalogue.model_statistics)),
        call("ModelInfer", m.ModelInferRequest, infer),
        ("ModelStreamInfer", grpc.stream_stream_rpc_method_handler(stream.handle)),
        call("RepositoryIndex", m.RepositoryIndexRequest, at_once(repository.index)),
        call("RepositoryModelLoad", m.RepositoryModelLoadRequest, repository.load),
        call("RepositoryModelUnload", m.RepositoryModelUnloadRequest, repository.unload),
        call("SystemSharedMemoryStatus", m.SystemSharedMemoryStatusRequest, at_once(absent.system_memory)),
        call("SystemSharedMemoryRegister", m.SystemSharedMemoryRegisterRequest, at_once(absent.register_system)),
        call("SystemSharedMemoryUnregister", m.SystemSharedMemoryUnregisterRequest, at_once(absent.unregister_system)),
        call("CudaSharedMemoryStatus", m.CudaSharedMemoryStatusRequest, at_once(absent.cuda_memory)),
        call("CudaSharedMemoryRegister", m.CudaSharedMemoryRegisterRequest, at_once(absent.register_cuda)),
        call("CudaSharedMemoryUnregister", m.CudaSharedMemoryUnregisterRequest, at_once(absent.unregister_cuda)),
        call("TraceSetting", m.TraceSettingRequest, at_once(absent.trace)),
        call("LogSettings", m.LogSettingsRequest, at_once(absent.log)),
    )
    return grpc.method_handlers_generic_handler(SERVICE, dict(calls))
