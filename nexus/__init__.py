"""nexus: a point-in-time signal-research database for equities."""

__version__ = "0.1.0"
