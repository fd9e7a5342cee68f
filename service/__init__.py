"""Carousel's serving side; importing `service.contract` imports no web framework."""

__version__ = "0.1.0"
