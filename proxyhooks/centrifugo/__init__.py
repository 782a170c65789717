"""The other server: how Centrifugo reads replies, how it is configured, and how it reaches a backend."""
