"""Between UERL's config objects and its JSON: every key and every value is checked on the way."""

from __future__ import annotations

import collections.abc
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, NoReturn, Union, get_args, get_origin, get_type_hints

from uerl_shm.errors import SpecError

#: Fields that never reach the engine, at any depth.
LEFT_OUT = ("python_class", "render_type", "action_space", "observation_space")

_EXPECTED: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
}


def to_object(value: Any) -> Any:
    """Return what UERL's JSON holds of a config: keys in the order of the fields, tuples kept."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_object(item) for key, item in value.items() if key not in LEFT_OUT}
    if isinstance(value, (list, tuple)):
        items = [to_object(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value


def parsed(text: str | bytes) -> Any:
    """Read strict JSON: neither NaN nor Infinity, and no key twice."""

    def refuse(token: str) -> NoReturn:
        raise SpecError(f"config has {token}, which is not JSON, expected a number or null")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise SpecError(f"config has {key!r} twice in one object, expected it once")
        return dict(pairs)

    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
    except SpecError:
        raise
    except (ValueError, RecursionError) as error:
        raise SpecError(f"config is not JSON, expected an object: {error}") from None


def checked(hint: Any, value: Any, path: str = "") -> Any:
    """Return ``value`` as the type ``hint`` says; numbers keep their form (70 is not 70.0).

    Args:
        hint: A config class, a type of its fields, or anything else, which is not checked.
        value: Of that type, or what JSON has in its place: an object for a config.
        path: Where the value stands, for errors, such as ``agent_configs[0].agent_id``.

    Raises:
        SpecError: A key is unknown or missing, or a value is of another type; the text names its
            path and what is known.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        rest = [argument for argument in arguments if argument is not NoneType]
        if value is None and len(rest) < len(arguments):
            return None
        return checked(rest[0], value, path) if len(rest) == 1 else value
    if origin in (list, tuple, collections.abc.Sequence):
        return _checked_sequence(origin, arguments, value, path)
    if isinstance(hint, type) and is_dataclass(hint):
        return _checked_config(hint, value, path)
    if hint in _EXPECTED and not _is_scalar(hint, value):
        raise SpecError(f"{path} {value!r}, expected {_EXPECTED[hint]}")
    return value


def _is_scalar(hint: Any, value: Any) -> bool:
    if hint in (str, bool):
        return isinstance(value, hint)
    if isinstance(value, bool):
        return False
    if hint is int:
        return isinstance(value, int)
    return isinstance(value, (int, float)) and math.isfinite(value)


def _checked_sequence(origin: Any, arguments: tuple[Any, ...], value: Any, path: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise SpecError(f"{path} {value!r}, expected a list")
    hints = list(arguments)
    if origin is not tuple or arguments[-1] is Ellipsis:
        hints = [arguments[0]] * len(value)
    if len(hints) != len(value):
        raise SpecError(f"{path} has {len(value)} entries, expected {len(hints)}")
    pairs = enumerate(zip(hints, value, strict=True))
    items = [checked(hint, item, f"{path}[{index}]") for index, (hint, item) in pairs]
    return tuple(items) if origin is tuple else items


def _checked_config(base: Any, value: Any, path: str) -> Any:
    if isinstance(value, base):
        hints = _hints(type(value))
        for field in fields(value):
            if field.name not in LEFT_OUT:
                checked(hints[field.name], getattr(value, field.name), _joined(path, field.name))
        return value
    if not isinstance(value, Mapping):
        raise SpecError(f"{path or 'config'} {value!r}, expected an object of {base.__name__}")
    config_class = _class_named(base, value, path)
    known = [field.name for field in fields(config_class) if field.name not in LEFT_OUT]
    unknown = [key for key in value if key not in known]
    if unknown:
        raise SpecError(f"{_joined(path, unknown[0])} unknown, expected only {', '.join(known)}")
    hints = _hints(config_class)
    arguments: dict[str, Any] = {}
    for field in fields(config_class):
        if field.name in value:
            item = checked(hints[field.name], value[field.name], _joined(path, field.name))
        elif not _is_required(field):
            continue
        elif field.name in LEFT_OUT:
            item = None
        else:
            expected = _EXPECTED.get(hints[field.name], "it")
            raise SpecError(f"{_joined(path, field.name)} is missing, expected {expected}")
        if field.init:
            arguments[field.name] = item
    return config_class(**arguments)


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _hints(config_class: Any) -> dict[str, Any]:
    try:
        return get_type_hints(config_class)
    except NameError as error:
        raise SpecError(
            f"class {config_class.__name__} has a field whose type cannot be looked up ({error}), "
            "expected types that its module imports"
        ) from None


def _class_named(base: Any, value: Mapping[str, Any], path: str) -> Any:
    """Return the class that ``ue_class_name`` means, among the subclasses of ``base``."""
    if not hasattr(base, "ue_class_name"):
        return base
    known = {found.ue_class_name: found for found in _subclasses(base)}
    name = value.get("ue_class_name")
    if not isinstance(name, str) or name not in known:
        expected = ", ".join(sorted(known))
        raise SpecError(
            f"{_joined(path, 'ue_class_name')} {name!r}, expected one of {expected}: "
            f"derive a class of your own from {base.__name__}, and import it"
        )
    return known[name]


def _subclasses(base: Any) -> Iterator[Any]:
    """Subclasses with a name of their own in the engine; those that were defined later come later.

    One that inherits its name is another class in Python only, which JSON does not tell.
    """
    for found in base.__subclasses__():
        if "ue_class_name" in vars(found):
            yield found
        yield from _subclasses(found)
