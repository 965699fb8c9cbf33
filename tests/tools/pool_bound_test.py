# SPDX-License-Identifier: Apache-2.0
"""The server's own count of a pool's sessions, sampled through an overload: never more than max.

PERF_BOUND_SECONDS (3) is the length of the overload."""
import os
import subprocess
import sys
import unittest

import harness
from harness import PerfctlCase

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "scripts", "bench"))
import servers  # noqa: E402

MOST = 8
SECONDS = int(os.environ.get("PERF_BOUND_SECONDS", "3"))
COUNT = ("select count(*) from pg_stat_activity where backend_type = 'client backend' and application_name = 'perfkit' "
         "\\watch 0.01\n")


class PoolBound(PerfctlCase):
    @unittest.skipUnless(harness.has_postgres(), "no PostgreSQL is installed")
    def test_sessions_never_exceed_max(self):
        self.overload("", "pg_sleep(0.002)")

    @unittest.skipUnless(harness.has_postgres(), "no PostgreSQL is installed")
    def test_nor_do_they_where_statements_time_out(self):
        # Each that does costs its connection, while the server still works on it.
        result = self.overload("timeout: 10ms, ", "pg_sleep(random() * 0.02)")
        self.assertGreater(result["pools"]["db"]["discarded"], MOST)

    @unittest.skipUnless(harness.has_postgres(), "no PostgreSQL is installed")
    def test_nor_where_no_statement_would_end_by_itself(self):
        # A request to cancel that comes before its statement is not heard.
        result = self.overload("timeout: 10ms, ", "pg_sleep(60)")
        self.assertGreater(result["pools"]["db"]["discarded"], MOST)

    def overload(self, extra, call):
        postgres = servers.Postgres()
        self.addCleanup(postgres.stop)
        path = self.file("overload.yaml", (
            "scenario: overload\ntargets:\n"
            f"  db: {{kind: postgres, url: '{postgres.conninfo}', {extra}pool: {{min: 2, max: {MOST}, acquire_timeout: 200ms}}}}\n"
            f"flows:\n  f:\n    - {{name: ask, sql: {{target: db, query: 'select {call}'}}}}\n"
            f"load:\n  - {{flow: f, rate: 10000/s, for: {SECONDS}s}}\n"
            "thresholds: ['errors: rate <= 100%']\n"))
        watcher = subprocess.Popen(["psql", "-h", postgres.dir, "-U", "postgres", "-AtqX", "postgres"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        watcher.stdin.write(COUNT)
        watcher.stdin.flush()
        try:
            done = self.perfctl("run", path, "--json", "--threads", "2")
        finally:
            watcher.terminate()
            out, _ = watcher.communicate(timeout=10)
        self.assertIn(done.code, (0, 75, 99), done.err)
        self.assertGreater(done.json["requests"]["total"], 0)
        counts = [int(line) for line in out.split() if line.isdigit()]
        print(f"{len(counts)} samples, most {max(counts)} of {MOST}", file=sys.stderr)
        self.assertGreater(len(counts), SECONDS * 10)
        self.assertEqual(max(counts), MOST)
        return done.json


if __name__ == "__main__":
    harness.main()
