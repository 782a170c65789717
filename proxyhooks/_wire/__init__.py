"""The wire format: bytes to messages and back. It knows neither hooks nor Flask."""
