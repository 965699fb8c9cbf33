# SPDX-License-Identifier: Apache-2.0
"""What Result::ToJson prints against the JSON Schema of results, which knows every member."""
import copy
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "support"))
from checks import check, finish, skip

try:
    import jsonschema
except ImportError as missing:
    skip(missing, "python3-jsonschema")

with open(f"{sys.argv[1]}/libperf/load/result.schema.json", encoding="utf-8") as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)

output = subprocess.run([sys.argv[2]], stdout=subprocess.PIPE, check=True, timeout=30).stdout
results = [json.loads(line) for line in output.splitlines()]
check(len(results) == 2, "an empty and a full result")
for result in results:
    for error in validator.iter_errors(result):
        check(False, f"{list(error.absolute_path)}: {error.message}")


def objects(value, path=()):
    """Every object whose members the schema names one by one, with its path."""
    if isinstance(value, dict):
        if not path or path[-1] not in ("flows", "loads", "steps", "pools", "environment",
                                        "histograms", "caches") and "rows" not in path:
            yield path
        for key, member in value.items():
            yield from objects(member, path + (key,))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from objects(member, path + (index,))


def at(value, path):
    for key in path:
        value = value[key]
    return value


# No member may be added or taken away without the schema.
changes = 0
for path in objects(results[1]):
    changed = copy.deepcopy(results[1])
    at(changed, path)["surprise"] = 1
    check(not validator.is_valid(changed), f"{path}: an unknown member is refused")
    for key in at(results[1], path):
        if key in ("first_byte", "duration", "bench", "capacity"):
            continue  # only where there is any
        changed = copy.deepcopy(results[1])
        del at(changed, path)[key]
        check(not validator.is_valid(changed), f"{path}: {key} is needed")
        changes += 1
check(changes > 100, "all members were tried")
finish(f"{changes} members")
