"""gunicorn's settings for hooks: ``gunicorn -c deploy/gunicorn.conf.py 'app:create_app()'``."""

from proxyhooks.gunicorn import *  # noqa: F403  # gunicorn reads the names of this module

# The address that the configuration of Centrifugo has as endpoint. gunicorn's default port, 8000, is Centrifugo's
# default too. Keep the address private: a caller who reaches it and knows the secret can claim to be any user.
bind = "127.0.0.1:8070"

# Number of worker processes (or the environment variable WEB_CONCURRENCY), and of threads in each process. Their
# product is the number of events that the application handles at the same time.
# workers = 4
# threads = 32

# Seconds for a stopping worker to finish its open requests.
# graceful_timeout = 30
