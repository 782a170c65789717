"""Backends to start from: ``minimal`` and ``plain_views`` are one file each, ``rooms`` is a whole application."""
