# SPDX-License-Identifier: Apache-2.0
"""What StatusDocument::ToJson prints against the JSON Schema of statuses, which knows every member."""
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

with open(f"{sys.argv[1]}/libperf/report/status.schema.json", encoding="utf-8") as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)

output = subprocess.run([sys.argv[2]], stdout=subprocess.PIPE, check=True, timeout=30).stdout
statuses = [json.loads(line) for line in output.splitlines()]
check(len(statuses) == 2, "an empty and a full status")
for status in statuses:
    for error in validator.iter_errors(status):
        check(False, f"{list(error.absolute_path)}: {error.message}")


def objects(value, path=()):
    """Every object with its path."""
    if isinstance(value, dict):
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from objects(member, path + (key,))


def at(value, path):
    for key in path:
        value = value[key]
    return value


# No member may be added or taken away without the schema.
changes = 0
for path in objects(statuses[1]):
    changed = copy.deepcopy(statuses[1])
    at(changed, path)["surprise"] = 1
    check(not validator.is_valid(changed), f"{path}: an unknown member is refused")
    for key in at(statuses[1], path):
        changed = copy.deepcopy(statuses[1])
        del at(changed, path)[key]
        check(not validator.is_valid(changed), f"{path}: {key} is needed")
        changes += 1
check(changes > 100, "all members were tried")
finish(f"{changes} members")
