"""Every ``PROXYHOOKS_`` setting: its type, its default and its check."""
