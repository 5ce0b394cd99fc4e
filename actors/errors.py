"""Errors of running a system, by who must act: the operator."""


class OperatorError(Exception):
    """The operator must do something; the text says what, in one line."""


class LogCorruptError(OperatorError):
    """A log does not say what was written to it; nothing after the place is trusted."""
