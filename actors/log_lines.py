"""Log lines: how a process of ours says what happened, one line an occurrence, on stderr."""

import sys

import structlog


def log_to_stderr() -> None:
    """Let structlog write lines of keys and values, for people and machines."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
