# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of the scenario language: what it accepts and what it refuses."""
import copy
import glob
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "support"))
from checks import check, finish, skip

try:
    import jsonschema
    import yaml
except ImportError as missing:
    skip(missing, "python3-jsonschema, python3-yaml")

ROOT = sys.argv[1]


class Loader(yaml.SafeLoader):
    """YAML 1.2 as perfkit reads it: only true and false are booleans."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag in (
        "tag:yaml.org,2002:null", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", __import__("re").compile("^(true|false)$"),
                             list("tf"))


def load(text):
    return yaml.load(text, Loader)


with open(f"{ROOT}/libperf/load/scenario.schema.json", encoding="utf-8") as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)

good = glob.glob(f"{ROOT}/scenarios/*.yaml") + glob.glob(f"{ROOT}/tests/load/data/good/*.yaml")
check(len(good) >= 6, "there are good files")
for path in sorted(good):
    with open(path, encoding="utf-8") as file:
        document = load(file)
    for error in validator.iter_errors(document):
        check(False, f"{path}: {list(error.absolute_path)}: {error.message}")

# What a schema cannot see: includes, sums of times, and keys that the YAML reader has already merged.
UNSEEN = {"circle", "duplicate", "fault-times"}
for path in sorted(glob.glob(f"{ROOT}/tests/load/data/bad/*.yaml")):
    name = os.path.splitext(os.path.basename(path))[0]
    try:
        with open(path, encoding="utf-8") as file:
            document = load(file)
    except yaml.YAMLError:
        check(name == "syntax", f"{path} can be read")
        continue
    check(validator.is_valid(document) == (name in UNSEEN), f"{path} is refused")

BASE = load("""
targets:
  api: {kind: http, url: private}
  db: {kind: postgres, url: private}
  kv: {kind: redis, url: private}
caches: {c: {policy: lru, redis: kv}}
audio: {budget: 1MiB, format: "s16:8000:1"}
setup: [{sql: {target: db, query: select 1}}]
flows:
  get:
    - http: {target: api, path: /}
      expect: {status: 200}
      capture: {a: /a}
    - sql: {target: db, query: select 1}
    - redis: {target: kv, command: PING}
    - sleep: 1ms
    - cache: {cache: c, get_or_set: k, from: {sql: {target: db, query: select 1}}}
      expect: {hit: true}
    - play: {text: hello}
      expect: {time: 1s}
load: [{flow: get, rate: 1/s, for: 1s}]
faults: [{at: 0, for: 1s, target: db, latency: 5ms}]
thresholds: ["latency: p(99) < 1s"]
""")
check(validator.is_valid(BASE), "the base of the bad ones is good")

# A path into the base and the value that makes it bad; None takes the key away.
STEP = ["flows", "get", 0]
BAD = [
    (["titel"], "x"),
    (["targets"], None),
    (["load"], []),
    (["audio", "buget"], "1MiB"),
    (["audio", "budget"], "5s"),
    (["audio", "format"], "s17:8000:1"),
    (["audio", "period"], 20),
    (["flows", "get", 5, "play", "text"], None),
    (["flows", "get", 5, "play", "file"], "a.wav"),
    (["flows", "get", 5, "play", "via"], "air"),
    (["flows", "get", 5, "play", "format"], 8000),
    (["flows", "get", 5, "expect", "status"], 200),
    (["flows", "get", 5, "capture"], {"a": "/x"}),
    (["caches", "c", "polcy"], "lru"),
    (["caches", "c", "policy"], "lruu"),
    (["caches", "c", "ttl"], 5),
    (["caches", "c", "entries"], -1),
    (["caches", "c", "compression"], {"level": 3}),
    (["caches", "c", "compression"], "gzip"),
    (["caches", "c"], {"lock": True}),
    (["caches", "rate"], {}),
    (["flows", "get", 4, "cache", "cache"], None),
    (["flows", "get", 4, "cache", "from"], None),
    (["flows", "get", 4, "cache", "set"], "k"),
    (["flows", "get", 4, "cache", "value"], "v"),
    (["flows", "get", 4, "cache", "from"], {"sleep": "1s"}),
    (["flows", "get", 4, "cache", "from", "capture"], {"a": "/rows"}),
    (["flows", "get", 4, "cache"], {"cache": "c", "set": "k"}),
    (["flows", "get", 4, "cache"], {"cache": "c", "remove": "k", "tags": ["a"]}),
    (["flows", "get", 4, "cache"], {"cache": "c"}),
    (["flows", "get", 4, "expect", "tier"], "l3"),
    (["flows", "get", 4, "expect", "rows"], 1),
    (["targets", "api", "kind"], "https"),
    (["targets", "api", "url"], None),
    (["targets", "api", "tiemout"], "1s"),
    (["targets", "api", "timeout"], 2),
    (["targets", "api", "timeout"], "2 s"),
    (["targets", "api", "prepared"], True),
    (["targets", "db", "headers"], {"A": "b"}),
    (["targets", "api", "pool"], {"max": 0}),
    (["targets", "api", "pool"], {"max": 10001}),
    (["targets", "api", "tls"], {"key": "k.pem"}),
    (["targets", "api", "pool"], {"reset": "discard"}),
    (["targets", "a b"], {"kind": "http", "url": "private"}),
    (["vars"], {"a": {"b": 1}}),
    (["vars"], {"a-b": 1}),
    (["data"], {"people": {"order": "random"}}),
    (["data"], {"people": {"file": "a.csv", "order": "any"}}),
    (["setup", 0, "sql", "script"], "select 2"),
    (["setup", 0], {"sleep": "1s"}),
    (["flows", "get"], []),
    (["flows", "rate"], [{"sleep": "1s"}]),
    (STEP + ["sql"], {"target": "db", "query": "select 1"}),
    (STEP + ["htp"], {}),
    (STEP + ["http", "method"], "get"),
    (STEP + ["http", "path"], "x"),
    (STEP + ["http", "target"], None),
    (STEP + ["http"], {"target": "api", "path": "/", "body": "a", "json": {}}),
    (STEP + ["expect", "rows"], 1),
    (STEP + ["expect", "status"], 99),
    (STEP + ["expect", "time"], -1),
    (STEP + ["capture", "a"], "a"),
    (STEP + ["capture", "a-b"], "/a"),
    (STEP + ["capture", "a"], {"json": "/a", "regex": "(a)"}),
    (STEP + ["on_failure"], "ignore"),
    (["flows", "get", 1, "sql", "file"], "a.sql"),
    (["flows", "get", 1, "expect"], {"status": 200}),
    (["flows", "get", 2, "redis", "pipeline"], 0),
    (["flows", "get", 2, "redis", "command"], []),
    (["flows", "get", 3, "expect"], {"time": "1s"}),
    (["flows", "get", 3], {"repeat": {"times": 0, "steps": []}}),
    (["flows", "get", 3], {"choose": []}),
    (["flows", "get", 3], {"sleep": {"min": "1s"}}),
    (["load", 0, "rate"], "1"),
    (["load", 0, "rate"], "-1/s"),
    (["load", 0, "rate"], float("nan")),
    (["load", 0, "for"], None),
    (["load", 0, "users"], 3),
    (["load", 0, "think"], "1s"),
    (["load", 0], {"flow": "get", "ramp": ["1/s"], "for": "1s"}),
    (["load", 0], {"flow": "get", "users": 100001, "for": "1s"}),
    (["load", 0], {"flow": "get", "users": 1, "for": "1s", "spacing": "even"}),
    (["load", 0], {"flow": "get"}),
    (["load", 0, "name"], "latency"),
    (["load", 0, "start"], "1"),
    (["faults", 0, "at"], None),
    (["faults", 0, "for"], None),
    (["faults", 0, "latency"], None),
    (["faults", 0, "latency"], 5),
    (["faults", 0, "lag"], "5ms"),
    (["faults", 0, "bandwidth"], "1MiB"),
    (["faults", 0, "direction"], "left"),
    (["faults", 0], {"at": "1s", "target": "db", "jitter": "1ms", "for": "1s", "reset": True}),
    (["faults", 0], {"at": "1s", "target": "db", "after": "1KiB", "reset": True}),
    (["faults", 0], {"at": "1s", "target": "db", "action": "explode"}),
    (["faults", 0], {"at": "1s", "for": "1s", "target": "db", "slow": "1ms", "bandwidth": "1MB/s"}),
    (["thresholds", 0], "latency"),
    (["thresholds", 0], {"latency": "p(99) < 1s"}),
    (["thresholds", 0], {"expr": "latency: p(99) < 1s", "windows": "1s"}),
    (["profiles"], {"fast": {"duration_scale": 0}}),
    (["profiles"], {"fast": {"speed": 2}}),
    (["seed"], -1),
    (["allow"], "example.com"),
]
for path, value in BAD:
    document = copy.deepcopy(BASE)
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    check(not validator.is_valid(document), f"{'.'.join(map(str, path))}: {value} is refused")

finish(f"{len(good)} good files, {len(BAD)} bad values")
