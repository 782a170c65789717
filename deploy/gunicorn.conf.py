"""gunicorn's settings for the hooks: ``gunicorn -c deploy/gunicorn.conf.py 'examples.rooms:create_app()'``."""

from proxyhooks.gunicorn import *  # noqa: F403  # gunicorn reads the names of this module

# Where centrifugo.json looks for the hooks; gunicorn's own default, 8000, is Centrifugo's too. Keep it private: who
# reaches it and knows the secret can be anybody.
bind = "127.0.0.1:8070"

# Processes (also by WEB_CONCURRENCY), and threads of each: so many events are answered at once.
# workers = 4
# threads = 32

# Seconds that a stopping worker has to finish what it has begun.
# graceful_timeout = 30
