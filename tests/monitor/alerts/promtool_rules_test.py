# SPDX-License-Identifier: Apache-2.0
"""promtool_rules_test.py AGREEMENT_DUMP: exported rules against promtool, and our engine against Prometheus'.

`promtool check rules` has to accept the default rules; `promtool test rules` has to see the same alerts pending and
firing as our engine, at every step of several hundred random series; a dead band is proven by hand.
"""
import os
import shutil
import subprocess
import sys
import tempfile

tool = shutil.which("promtool")
if tool is None:
    print("skipped: promtool is not installed (package prometheus)")
    sys.exit(77)
dump = os.path.abspath(sys.argv[1])
failures = 0


def promtool(*arguments, cwd=None):
    done = subprocess.run([tool, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          timeout=240, cwd=cwd)
    return done.returncode, done.stdout.decode()


def expect(name, good, detail):
    global failures
    print(f"{'ok' if good else 'FAILED'}: {name}")
    if not good:
        failures += 1
        print(detail[:4000])


with tempfile.TemporaryDirectory() as place:
    path = os.path.join(place, "default.yml")
    with open(path, "wb") as out:
        subprocess.run([dump, "default"], stdout=out, check=True, timeout=30)
    code, text = promtool("check", "rules", path)
    expect("promtool check rules takes the default rules: " + text.strip().replace("\n", " "), code == 0, text)

    for seed in (1, 2, 3, 4):
        made = subprocess.run([dump, str(seed), "4", place], stdout=subprocess.PIPE, check=True, timeout=60)
        code, text = promtool("check", "rules", "rules.yml", cwd=place)
        expect(f"seed {seed}: check rules", code == 0, text)
        code, text = promtool("test", "rules", "tests.yml", cwd=place)
        expect(f"seed {seed}: same alerts as promtool, {made.stdout.decode().strip()}", code == 0, text)

    # The comparison can fail: a threshold that was moved is seen.
    rules = os.path.join(place, "rules.yml")
    with open(rules) as source:
        text = source.read()
    with open(rules, "w") as out:
        out.write(text.replace(" > ", " > 1.1 * ", 1))
    code, text = promtool("test", "rules", "tests.yml", cwd=place)
    expect("a rule that was changed is noticed", code == 1 and "FAILED" in text, text)

    # The dead band, as it is exported: held within the band while firing, not entered there.
    with open(os.path.join(place, "band.yml"), "w") as out:
        out.write("""rule_files: [default.yml]
evaluation_interval: 10s
tests:
  - interval: 10s
    input_series:
      - {series: 'perfkit_system_filesystem_size_bytes{mount="/"}', values: '100x12'}
      - {series: 'perfkit_system_filesystem_available_bytes{mount="/"}', values: '11 11 9 11 11 9 11 13 11 11'}
    promql_expr_test:
""")
        for step, firing in enumerate([0, 0, 1, 1, 1, 1, 1, 0, 0, 0]):
            sample = ("""[{labels: 'ALERTS{alertname="PerfkitDiskFull",alertstate="firing",area="system",mount="/","""
                      """severity="warning"}', value: 1}]""") if firing else "[]"
            out.write(f"""      - {{expr: 'ALERTS{{alertname="PerfkitDiskFull",alertstate="firing"}}', """
                      f"""eval_time: {10 * step}s, exp_samples: {sample}}}\n""")
    code, text = promtool("test", "rules", "band.yml", cwd=place)
    expect("the dead band holds in Prometheus, too", code == 0, text)
sys.exit(1 if failures else 0)
