"""The wire format: bytes to messages and back. Knows no hook and no Flask."""
