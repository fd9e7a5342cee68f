from service.offline.lines import answers, is_error
from service.offline.model import open_model

__all__ = ["answers", "is_error", "open_model"]
