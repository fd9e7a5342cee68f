from service.offline.model import open_model

__all__ = ["open_model"]
