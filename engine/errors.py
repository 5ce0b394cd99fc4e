"""Errors of the engine, by who must act: the author of a journey."""

from msgspec import Struct


class Mistake(Struct, frozen=True, order=True):
    """One thing an author must mend: where it is, what it is and how to mend it."""

    file: str
    path: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem} - at `{self.path}`; {self.fix}"


class AuthorError(Exception):
    """Journeys or settings cannot go live; `mistakes` has every one found, not only the first."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes
