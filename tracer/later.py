"""Regular expressions that are compiled when they are first used: importing the SDK is not to cost what looking for secrets does."""

import re
from typing import Any, cast


class _Later:
    def __init__(self, expression: str, flags: int) -> None:
        self._expression = expression
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        # Asked for once a name: what is found is kept on the instance, where it is looked for first.
        value = getattr(re.compile(self._expression, self._flags), name)
        self.__dict__[name] = value
        return value


def compile_later(expression: str, flags: int = 0) -> re.Pattern[str]:
    """Return what does all that a compiled expression does, as fast from the second time on."""
    return cast("re.Pattern[str]", _Later(expression, flags))
