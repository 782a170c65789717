"""Checks a running backend from where Centrifugo runs."""
