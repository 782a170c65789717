"""Centrifugo's configuration: reading, checking, generating and merging it."""
