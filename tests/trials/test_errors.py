"""What is refused is told in whole sentences, wherever it was found."""

import pickle

from trainable.errors import InputError


def test_problems_found_in_another_process_are_the_same_problems() -> None:
    error = InputError("--trials must be 1 or more; got 0", "--data: no such file")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.problems, str(copy)) == (error.problems, str(error))
