"""Camera Gateway: what a street corner's camera saw, delivered to the city's management centre."""

__version__ = "0.1.0"
