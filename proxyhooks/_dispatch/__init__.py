"""Which hook answers a request, and with what. Knows no Flask."""
