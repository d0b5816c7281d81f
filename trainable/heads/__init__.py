"""The kinds of heads, one file for each: how a head is built, fitted and described."""
