# SPDX-License-Identifier: Apache-2.0
"""man_test.py DUMP PAGE SOURCE...: each family that a Monitor exports, or that the sources of its probes
name, stands in perfkit-metrics(7)."""
import re
import subprocess
import sys

dump, page, *sources = sys.argv[1:]
text = subprocess.run([dump, "text"], stdout=subprocess.PIPE, check=True, timeout=30).stdout.decode()
names = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
for source in sources:
    with open(source, encoding="utf-8") as file:
        names |= set(re.findall(r'"((?:perfkit|process)_[a-z0-9_]+[a-z0-9])"', file.read()))
with open(page, encoding="utf-8") as file:
    written = set(re.findall(r"(?:perfkit|process)_[a-z0-9_]+[a-z0-9]", file.read()))
missing = sorted(names - written)
print(f"{len(names)} names, {len(missing)} are not in {page}: {' '.join(missing)}")
sys.exit(1 if missing or len(names) < 60 else 0)
