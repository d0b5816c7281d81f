"""The kinds of heads by their names."""

from collections.abc import Mapping

from trainable.config import HeadName
from trainable.heads.fastai import FastaiHead
from trainable.heads.head import Head
from trainable.heads.logistic import LogisticHead
from trainable.heads.plain import PlainHead

HEADS: Mapping[HeadName, Head] = {
    "fastai": FastaiHead(),
    "plain": PlainHead(),
    "logistic": LogisticHead(),
}


def find_head(name: HeadName) -> Head:
    """The kind of head of this name."""
    return HEADS[name]
