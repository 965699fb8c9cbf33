# SPDX-License-Identifier: Apache-2.0
"""Both formats against the parsers of Prometheus' Python client: same families, same values."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "support"))
from checks import check, finish, skip

try:
    from prometheus_client.openmetrics import parser as openmetrics
    from prometheus_client import parser as plain
except ImportError as missing:
    skip(missing, "package python3-prometheus-client")


def dump(*arguments):
    return subprocess.run([sys.argv[1], *arguments], stdout=subprocess.PIPE, check=True, timeout=30,
                          encoding="utf-8").stdout


ODD = 'quote " backslash \\ line\nend \u00e9'
for arguments in ([], ["all"]):
    strict = {family.name: family for family in openmetrics.text_string_to_metric_families(dump("openmetrics", *arguments))}
    loose = {family.name: family for family in plain.text_string_to_metric_families(dump("text", *arguments))}
    check(set(strict) == set(loose), f"families differ: {set(strict) ^ set(loose)}")
    for name, family in strict.items():
        check(family.type == loose[name].type, f"{name}: {family.type} and {loose[name].type}")
        check(family.documentation, f"{name}: no help")
        values = [{(s.name, tuple(sorted(s.labels.items()))): s.value for s in f.samples if not s.name.endswith("_created")}
                  for f in (family, loose[name])]
        if name != "perfkit_collector_duration_seconds":  # each dump's own
            check(values[0] == values[1], f"{name}: {values}")

    acquires = strict["perfkit_example_acquires"]
    check(acquires.documentation == 'Loans by "result", with a \\ and\na second line.', repr(acquires.documentation))
    found = {(s.labels["pool"], s.labels["result"]): s.value for s in acquires.samples if s.name.endswith("_total")}
    check(found == {("main", "ok"): 12345678901234, ("main", "timeout"): 0, (ODD, "ok"): 7}, found)
    check(strict["perfkit_system_cpu_seconds"].unit == "seconds", "unit")
    check(abs(strict["perfkit_system_cpu_seconds"].samples[0].value - 1.23456789) < 1e-12, "scaled counter")
    check(any(s.name.endswith("_created") and s.value > 1.5e9 for s in acquires.samples), "_created")

    used = {(s.labels["pool"], s.labels["state"]): s.value for s in strict["perfkit_pool_connections"].samples}
    check(used == {(pool, state): value for pool in ("main", "other") for state, value in (("idle", 3), ("used", 2))}, used)

    looked = {tuple(s.labels[label] for label in ("cache", "tier", "result")): s.value
              for s in strict["perfkit_cache_requests"].samples if s.name.endswith("_total")}
    check(looked[("guests", "l1", "hit")] == 7 and looked[("guests", "l2", "miss")] == 2, looked)
    check(("alone", "l1", "hit") in looked and ("alone", "l2", "hit") not in looked, looked)

    waits = strict["perfkit_example_wait_seconds"]
    buckets = {float(s.labels["le"]): s.value for s in waits.samples if s.name.endswith("_bucket")}
    check(len(buckets) == (82 if arguments else 26), f"{len(buckets)} buckets")
    for bound, value in buckets.items():
        real = sum(1 for i in range(1, 1001) if i * i <= round(bound * 1e6)) if bound < 3600 else 1001
        check(value == real, f"{value} values up to {bound}, not {real}")
    total = [s.value for s in waits.samples if s.name.endswith("_sum")][0]
    check(abs(total - (3600 + sum(i * i for i in range(1, 1001)) / 1e6)) < 1e-6, f"sum {total}")
finish("families: " + ", ".join(sorted(strict)))
