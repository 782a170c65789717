"""The contract with the front end: types of payloads, channels, methods and codes."""

from __future__ import annotations

from .json_schema import contract_of, own_codes

__all__ = ["contract_of", "own_codes"]
