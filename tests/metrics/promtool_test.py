# SPDX-License-Identifier: Apache-2.0
"""The text format against `promtool check metrics`, parser and linter of Prometheus."""
import shutil
import subprocess
import sys

tool = shutil.which("promtool")
if tool is None:
    print("skipped: promtool is not installed (package prometheus)")
    sys.exit(77)

failures = 0
for arguments in (["text"], ["text", "all"]):
    text = subprocess.run([sys.argv[1], *arguments], stdout=subprocess.PIPE, check=True, timeout=30).stdout
    done = subprocess.run([tool, "check", "metrics"], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, timeout=30)
    print(f"{' '.join(arguments)}: {len(text)} bytes, exit {done.returncode} {done.stdout.decode()}")
    if done.returncode != 0 or done.stdout:
        failures += 1
# The check can fail: it must see a name that ours refuses to make.
bad = subprocess.run([tool, "check", "metrics"], input=b"# HELP a_ms x\n# TYPE a_ms gauge\na_ms 1\n",
                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=30)
if bad.returncode == 0:
    print("FAILED: promtool has no objection to a_ms")
    failures += 1
sys.exit(1 if failures else 0)
