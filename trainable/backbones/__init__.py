"""The networks that a body is cut from, their cut points and their weights."""
