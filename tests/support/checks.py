# SPDX-License-Identifier: Apache-2.0
"""What a test that is one script needs: each check that fails is named, and the next is made."""
import sys

failures = 0


def skip(missing, packages):
    """Ends the test as Meson has it for one that cannot be made here."""
    print(f"skipped: {missing} ({packages})")
    sys.exit(77)


def check(condition, text):
    global failures
    if not condition:
        failures += 1
        print("FAILED:", text)


def finish(what):
    print(f"{what}, {failures} failures")
    sys.exit(1 if failures else 0)
