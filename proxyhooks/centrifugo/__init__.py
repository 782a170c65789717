"""The other server: what Centrifugo makes of replies, its configuration, and a look at a running backend."""
