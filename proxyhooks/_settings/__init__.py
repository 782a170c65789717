"""All ``PROXYHOOKS_`` settings, and the secrets."""
