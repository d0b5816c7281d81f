"""What is refused is reported in whole sentences, wherever the problem was found."""

import pickle
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from trainable.errors import InputError, explain, flag


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    num_trials: int = Field(ge=1)
    rate: float = Field(0.1, gt=0, lt=1)
    layers: tuple[int, ...] = ()
    shares: tuple[int, ...] | None = None

    @field_validator("shares")
    @classmethod
    def adds_up(cls, shares: tuple[int, ...]) -> tuple[int, ...]:
        if sum(shares) != 100:
            raise ValueError("write percentages that add up to 100")
        return shares


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"num_trials": 0}, "--num-trials must be at least 1 (got 0)"),
        ({"num_trials": "many"}, "--num-trials must be a whole number (got many)"),
        ({"num_trials": 1.5}, "--num-trials must be a whole number (got 1.5)"),
        ({}, "--num-trials is missing"),
        ({"num_trials": 1, "rate": 1}, "--rate must be less than 1 (got 1)"),
        ({"num_trials": 1, "rate": "nan"}, "--rate must be a finite number (got nan)"),
        ({"num_trials": 1, "layers": "8"}, "--layers must be a valid tuple (got 8)"),
        ({"num_trials": 1, "layers": (8, "")}, "--layers must be a whole number (got nothing)"),
        (
            {"num_trials": 1, "shares": (80, 30)},
            "--shares: write percentages that add up to 100 (got 80 30)",
        ),
        ({"num_trials": 1, "rat": 1}, "--rat is unknown; did you mean '--rate'?"),
    ],
)
def test_a_broken_rule_is_one_sentence(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Options.model_validate(given)
    assert explain(caught.value, flag, [flag(name) for name in Options.model_fields]) == [sentence]


def test_every_broken_rule_has_a_sentence_of_its_own() -> None:
    with pytest.raises(ValidationError) as caught:
        Options(num_trials=0, rate=2)
    assert explain(caught.value) == [
        "num_trials must be at least 1 (got 0)",
        "rate must be less than 1 (got 2)",
    ]


def test_problems_found_in_another_process_are_the_same_problems() -> None:
    error = InputError("--trials must be 1 or more (got 0)", "--data: no such file")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.problems, str(copy)) == (error.problems, str(error))
