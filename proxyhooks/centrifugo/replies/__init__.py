"""Replies as Centrifugo reads them: Go's JSON, the message kinds, warnings, the verdict."""
