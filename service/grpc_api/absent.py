"""Calls of extensions that are not here: what only reads is answered, what would change something is refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.json_format import ParseDict

from service.grpc_api import messages
from service.grpc_api.inference import found_model
from service.lifecycle.registry import ModelRegistry
from service.oip.absent import TRACE_SETTINGS, log_settings, no_log_change, no_region, no_tracing
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Absent:
    """Shared memory, tracing, changing the log."""

    registry: ModelRegistry
    settings: Settings

    def system_memory(self, request: messages.SystemSharedMemoryStatusRequest) -> messages.SystemSharedMemoryStatusResponse:
        """No region."""
        if request.name:
            raise no_region(request.name)
        return messages.SystemSharedMemoryStatusResponse()

    def register_system(self, request: messages.SystemSharedMemoryRegisterRequest) -> messages.SystemSharedMemoryRegisterResponse:
        """Refused."""
        raise no_region(request.name)

    def unregister_system(self, _request: messages.SystemSharedMemoryUnregisterRequest) -> messages.SystemSharedMemoryUnregisterResponse:
        """Done: nothing was registered."""
        return messages.SystemSharedMemoryUnregisterResponse()

    def cuda_memory(self, request: messages.CudaSharedMemoryStatusRequest) -> messages.CudaSharedMemoryStatusResponse:
        """No region."""
        if request.name:
            raise no_region(request.name)
        return messages.CudaSharedMemoryStatusResponse()

    def register_cuda(self, request: messages.CudaSharedMemoryRegisterRequest) -> messages.CudaSharedMemoryRegisterResponse:
        """Refused."""
        raise no_region(request.name)

    def unregister_cuda(self, _request: messages.CudaSharedMemoryUnregisterRequest) -> messages.CudaSharedMemoryUnregisterResponse:
        """Done: nothing was registered."""
        return messages.CudaSharedMemoryUnregisterResponse()

    def trace(self, request: messages.TraceSettingRequest) -> messages.TraceSettingResponse:
        """Off; a change is refused."""
        if request.settings:
            raise no_tracing()
        if request.model_name:
            found_model(self.registry, request.model_name, "")
        settings = {name: {"value": value if isinstance(value, list) else [value]} for name, value in TRACE_SETTINGS.items()}
        return ParseDict({"settings": settings}, messages.TraceSettingResponse())

    def log(self, request: messages.LogSettingsRequest) -> messages.LogSettingsResponse:
        """As the service was started; a change is refused."""
        if request.settings:
            raise no_log_change()
        settings = {name: {_choice(value): value} for name, value in log_settings(self.settings).items()}
        return ParseDict({"settings": settings}, messages.LogSettingsResponse())


def _choice(value: bool | int | str) -> str:
    match value:
        case bool():
            return "bool_param"
        case int():
            return "uint32_param"
        case str():
            return "string_param"
