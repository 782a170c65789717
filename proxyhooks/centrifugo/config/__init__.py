"""Centrifugo's configuration: read it, check it, generate it, merge it."""
