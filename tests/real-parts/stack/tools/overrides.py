"""Prints how SAM reads each list `parameter_overrides` in samconfig.toml and in the TOML blocks of documents.

    overrides.py samconfig.toml docs/deploying.md

The output is a JSON list of {"read": what SAM reads, "meant": what is written there}.
"""

import json
import re
import sys
import tomllib

from samcli.cli.types import CfnParameterOverridesType


def lists(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    sources = [text] if path.endswith(".toml") else re.findall(r"^ *```toml\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    for source in sources:
        yield from found(tomllib.loads(source))


def found(table):
    for key, value in table.items():
        if key == "parameter_overrides":
            yield value
        elif isinstance(value, dict):
            yield from found(value)


def meant(items):
    pairs = (item.split("=", 1) for item in items)
    return {name: value[1:-1] if value[:1] in ("'", '"') else value for name, value in pairs}


def read(items):
    return CfnParameterOverridesType().convert(items, None, None)


print(json.dumps([{"read": read(items), "meant": meant(items)} for path in sys.argv[1:] for items in lists(path)]))
