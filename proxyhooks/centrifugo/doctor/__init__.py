"""A look at a running backend from where Centrifugo runs."""
