"""The one way this program fails: a line that says what, where and what to do."""


class StackError(Exception):
    """Printed as it is; the program ends with 1."""
