# MuJoCo's classes and functions live in compiled modules without type information. Without this
# file pyright knows none of their names; with it they are all of type Any.
from typing import Any

def __getattr__(name: str) -> Any: ...
