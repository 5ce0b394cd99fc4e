"""Errors of running a system, by who must act: the operator."""


class OperatorError(Exception):
    """The operator must do something; the text says what, in one line."""


class UnknownError(OperatorError):
    """What the operator names is not there; the text says what there is."""


class PassingError(OperatorError):
    """What is in the way passes by itself, as a rule; who can wait tries again."""


class PrunedError(PassingError):
    """What was being read went by its age; whoever begins anew finds where it begins now."""


class LogCorruptError(OperatorError):
    """A log does not say what was written to it; nothing after the place is trusted."""
