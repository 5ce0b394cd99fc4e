"""Files: how many connections the limit on open files leaves room for."""

import resource

import structlog

from ingest.limits import FILES_SPARE

log = structlog.get_logger()


def connections_that_fit(wanted: int) -> int:
    """Raise this process's limit on open files for `wanted` connections, as far as it may go.

    Returns how many fit: `wanted`, or fewer, which is logged.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + FILES_SPARE
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < needed:
            fit = max(soft - FILES_SPARE, 1)
            log.warning(
                "the limit on open files leaves room for fewer connections; raise it (ulimit -Hn)",
                connections=fit,
                wanted=wanted,
                files=soft,
            )
            return fit
    return wanted
