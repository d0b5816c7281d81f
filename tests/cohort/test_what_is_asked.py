"""What is asked of each examination."""

import pytest

from trainable.cohort.findings import Findings


@pytest.mark.parametrize(
    ("names", "exclusive"), [((), False), (("mass", "mass"), False), (("no", "yes"), True)]
)
def test_findings_that_ask_nothing_clear_are_refused(
    names: tuple[str, ...], exclusive: bool
) -> None:
    with pytest.raises(ValueError, match="got"):
        Findings(names, exclusive)


def test_one_finding_is_not_one_of_several_classes() -> None:
    assert Findings(("died",)).is_one
    assert not Findings(("normal", "bacterial", "viral"), exclusive=True).is_one
    assert len(Findings(("mass", "nodule"))) == 2
