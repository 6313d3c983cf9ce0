"""Types of the compiled module: cffi over uerl_shm.h, which documents every call."""

from typing import Any, Final

ffi: Final[Any]
lib: Final[Any]
