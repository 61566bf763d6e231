"""The one exception of the converter."""


class ConvertError(Exception):
    """What is wrong with the checkpoint or the arguments, for the user to read."""
