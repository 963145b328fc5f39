"""The run store and the lease. This module imports nothing, so that flags can name the default."""

DEFAULT_URL = "sqlite:///.mmc/state.db"
"""Where the state of runs is kept when nothing else is said: an SQLAlchemy URL."""
