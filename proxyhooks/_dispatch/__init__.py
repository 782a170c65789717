"""Dispatching: events, patterns, registration, and the reply of the hook that serves a request. Knows no Flask."""
