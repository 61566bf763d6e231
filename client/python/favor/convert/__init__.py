"""Turns a checkpoint of performer-pytorch into a folder that favord serves: `favor-convert --help`."""

from favor.convert.arguments import KERNEL_FUNCTIONS, check_kwargs
from favor.convert.command import convert, main
from favor.convert.errors import ConvertError

__all__ = ["KERNEL_FUNCTIONS", "ConvertError", "check_kwargs", "convert", "main"]
