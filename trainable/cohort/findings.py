"""What is asked of each examination."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Findings:
    """One finding, several that can stand together, or several classes of which one holds.

    Labels are int64 (num_exams, num_findings): 1 positive, 0 negative, -1 unknown. Scores are
    float32 (..., num_exams, num_findings), probabilities. Unknown labels are left out finding by
    finding. Of several classes none is unknown, and the scores of an examination sum to 1.

    Attributes:
        names: A name per finding, or per class. One finding has the name of the positive class.
        exclusive: Whether exactly one holds for each examination: several classes.
    """

    names: tuple[str, ...]
    exclusive: bool = False

    def __post_init__(self) -> None:
        """Check that there is something to ask.

        Raises:
            ValueError: If there is no finding, a name twice, or fewer than three classes.
        """
        if not self.names or len(set(self.names)) < len(self.names):
            raise ValueError(f"findings must have different names (got {self.names})")
        if self.exclusive and len(self.names) < 3:
            raise ValueError(f"several classes are three or more (got {self.names})")

    def __len__(self) -> int:
        """Number of findings or classes."""
        return len(self.names)

    @property
    def is_one(self) -> bool:
        """Whether there is one finding, positive or negative."""
        return len(self.names) == 1

    @property
    def can_stand_together(self) -> bool:
        """Whether there are several, of which any number may hold: each has a team of its own."""
        return not self.is_one and not self.exclusive

    @property
    def kind(self) -> str:
        """What each of several is called."""
        return "class" if self.exclusive else "finding"

    @property
    def kinds(self) -> str:
        """What several are called."""
        return "classes" if self.exclusive else "findings"
