#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/check_sums: what a test log adds up to; the last line of scripts/check depends on it."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/check_sums")
DOCTEST = "[doctest] test cases:  7 | {} passed | {} failed | 0 skipped\n"


def sums(*tests):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as log:
        for number, (result, stdout, stderr, *command) in enumerate(tests):
            log.write(json.dumps({"name": f"t{number}", "result": result, "duration": 1.0,
                                  "stdout": stdout, "stderr": stderr, "command": command}) + "\n")
        log.flush()
        done = subprocess.run([sys.executable, SCRIPT, log.name], capture_output=True, text=True, check=False)
    return done.returncode, [int(word) for word in done.stdout.splitlines()[-1].split()]


class Sums(unittest.TestCase):
    def test_plain_tests_count_one(self):
        self.assertEqual(sums(("OK", "", ""), ("FAIL", "", ""), ("TIMEOUT", "", ""), ("SKIP", "", "")), (0, [1, 2, 1]))

    def test_doctest_cases(self):
        self.assertEqual(sums(("OK", DOCTEST.format(7, 0), ""), ("FAIL", DOCTEST.format(6, 1), "")), (0, [13, 1, 0]))

    def test_cases_that_a_filter_leaves_to_another_test_are_not_skipped(self):
        filtered = DOCTEST.format(2, 0).replace("0 skipped", "5 skipped")
        self.assertEqual(sums(("OK", filtered, "", "backends_test", "--test-suite=topologies")), (0, [2, 0, 0]))
        self.assertEqual(sums(("OK", filtered, "", "backends_test")), (0, [2, 0, 5]))

    def test_a_crash_after_the_last_case_is_a_failure(self):
        self.assertEqual(sums(("FAIL", DOCTEST.format(7, 0), "")), (0, [7, 1, 0]))

    def test_unittest_cases(self):
        self.assertEqual(sums(("OK", "", "Ran 4 tests in 0.1s\n\nOK (skipped=1)\n"),
                              ("FAIL", "", "Ran 5 tests in 1.1s\n\nFAILED (failures=1, errors=1)\n")), (0, [6, 2, 1]))

    def test_no_test_at_all_is_an_error(self):
        self.assertEqual(sums()[0], 1)


if __name__ == "__main__":
    unittest.main()
