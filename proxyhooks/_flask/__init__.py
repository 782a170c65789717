"""The only place where Flask is touched."""
