"""Document: one YAML or JSON file as plain data, and what is wrong with its writing."""

import json
import math
from pathlib import Path
from typing import Any, Final

import yaml

from engine.errors import Mistake

DOCUMENT_BYTES_MAX: Final = 1 << 20


class _Loader(yaml.SafeLoader):
    """YAML as authors expect it: a key stands once, and what looks like a time is a text."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases: nested, a few lines of them become gigabytes."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases are not read", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """Build a mapping whose keys differ."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, list | dict):
                raise _problem("a key must be a text", key_node)
            if key in seen:
                raise _problem(f"the key {key!r} is there twice", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_text(self, node: Any) -> Any:
        """Read what YAML takes for a date as it is written."""
        return self.construct_scalar(node)

    def construct_number(self, node: Any) -> Any:
        """Read a number; 10:30 is one to YAML, in sixties, and a text to people."""
        if ":" in node.value:
            return self.construct_scalar(node)
        if node.tag.endswith(":int"):
            return self.construct_yaml_int(node)
        number = self.construct_yaml_float(node)
        if not math.isfinite(number):
            raise _problem(f"{node.value} is no number to compare with", node)
        return number


for _tag in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_text)


def read_document(path: Path, folder: Path, mistakes: list[Mistake]) -> Any:
    """Return what a file says as plain data; None with a mistake noted where it cannot be read."""
    file = path.relative_to(folder).as_posix()
    try:
        data = path.read_bytes()
        if len(data) > DOCUMENT_BYTES_MAX:
            mistakes.append(Mistake(file, "$", "the file is larger than 1 MiB", "split it"))
            return None
        text = data.decode("utf-8-sig")
        document = _read_json(text) if path.suffix == ".json" else read_yaml(text)
    except OSError as error:
        mistakes.append(Mistake(file, "$", f"{error.strerror}", "make the file readable"))
    except UnicodeDecodeError as error:
        mistakes.append(Mistake(file, "$", f"byte {error.start} is no UTF-8", "save it as UTF-8"))
    except json.JSONDecodeError as error:
        fix = "mend the JSON there"
        mistakes.append(Mistake(file, f"line {error.lineno}", error.msg, fix))
    except yaml.YAMLError as error:
        mistakes.append(_yaml_mistake(file, error))
    except (ValueError, RecursionError) as error:
        mistakes.append(Mistake(file, "$", f"{error}", "mend the file"))
    else:
        if document is None:
            mistakes.append(Mistake(file, "$", "the file is empty", "write it or remove it"))
        return document
    return None


def read_yaml(text: str) -> Any:
    """Return what YAML says, as authors expect it. Raises yaml.YAMLError."""
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader


def _read_json(text: str) -> Any:
    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for key, value in pairs:
            if key in fields:
                raise ValueError(f"the key {key!r} is there twice")
            fields[key] = value
        return fields

    def constant(name: str) -> Any:
        raise ValueError(f"{name} is no number to compare with")

    return json.loads(text, object_pairs_hook=mapping, parse_constant=constant)


def _problem(text: str, node: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=text, problem_mark=node.start_mark)


def _yaml_mistake(file: str, error: yaml.YAMLError) -> Mistake:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}" if mark is not None else "$"
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    fix = "mend the YAML there: indentation, quotes and colons are the usual suspects"
    if "twice" in problem:
        fix = "keep one of the two"
    elif "aliases" in problem:
        fix = "write the value out"
    elif "\\t" in problem:
        fix = "indent with spaces, not with tabs"
    return Mistake(file, where, problem, fix)
