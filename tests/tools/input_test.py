# SPDX-License-Identifier: Apache-2.0
"""What a tired or hostile user types: the exit code, the place, the remedy; no hang, no secret."""
import unittest

import harness
from harness import HttpServer, PerfctlCase, closed_port

GOOD = ("targets:\n  web: {kind: http, url: 'http://127.0.0.1:9'}\nflows:\n  f:\n    - http: {target: web, path: /}\n"
        "load:\n  - {flow: f, rate: 10/s, for: 1s}\nvars: {guests: 5}\n")


class CommandLine(PerfctlCase):
    def test_what_was_meant(self):
        path = self.file("good.yaml", GOOD)
        for args, words in ((["rnu", path], ("unknown command 'rnu'", "'run'")),
                            (["run", path, "--profle", "x"], ("unknown option '--profle'", "'--profile'")),
                            (["http", "private", "--rat=5/s"], ("--rat", "'--rate'")),
                            (["run", path, "more"], ("unexpected argument 'more'",)),
                            ([], ("a command is missing",)), (["run"], ("file",))):
            with self.subTest(args=args):
                done = self.perfctl(*args)
                self.assert_code(done, 64)
                for word in words:
                    self.assertIn(word, done.err)

    def test_help_shows_the_whole_command(self):
        for command in ("run", "http", "redis", "sql", "init", "validate"):
            done = self.perfctl(command, "--help")
            self.assert_code(done, 0)
            self.assertIn(f"perfctl {command} [OPTIONS]", done.out)
            self.assertNotIn("{false}", done.out)

    def test_a_misspelt_variable(self):
        path = self.file("good.yaml", GOOD)
        done = self.perfctl("validate", path, "--set", "vars.guets=7")
        self.assert_code(done, 65)
        self.assertIn("vars.guets", done.err)
        self.assertIn("guests", done.err)
        self.assert_code(self.perfctl("validate", path, "--set", "vars.guests=7"), 0)


class BadFiles(PerfctlCase):
    def test_each_is_refused_at_once(self):
        files = {
            "empty": "", "null": "~\n", "list": "- a\n", "binary": "\x7fELF\x01\x02",
            "open-quote": GOOD + "description: \"oops\nthresholds:\n  - latency: p(99) < 250ms\n",
            "open-single-quote": GOOD + "description: 'oops\n",
            "deep": "a: " + "[" * 5000 + "]" * 5000 + "\n",
            "laughs": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
                f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(10)),
            "huge": "# " + "x" * (17 << 20),
            "duplicate": GOOD + "load: []\n",
            "nan": GOOD.replace("10/s", ".nan"), "negative": GOOD.replace("10/s", "-1/s"),
            "unit": GOOD.replace("10/s", "10"), "port": GOOD.replace(":9'", ":99999'"),
            "port-0": GOOD.replace(":9'", ":0'"), "blank": GOOD.replace(":9'", ":9/a b'"),
            "escape": "scen\x1b[31mario: x\n" + GOOD,
        }
        for name, text in files.items():
            with self.subTest(name=name):
                done = self.perfctl("validate", self.file(name + ".yaml", text))
                self.assert_code(done, 65)
                self.assertIn(name + ".yaml", done.err)
                self.assertNotIn("\x1b", done.err)
                self.assertLess(done.took, 5)

    def test_harmless_oddities(self):
        for name, text in (("crlf", GOOD.replace("\n", "\r\n")), ("bom", "\ufeff" + GOOD), ("no-end", GOOD.rstrip("\n"))):
            with self.subTest(name=name):
                self.assert_code(self.perfctl("validate", self.file(name + ".yaml", text)), 0)

    def test_no_file(self):
        for path in ("missing.yaml", "."):
            self.assert_code(self.perfctl("validate", path), 65)


class Verdicts(PerfctlCase):
    def test_failures_alone_are_no_pass(self):
        server = HttpServer(self)
        done = self.perfctl("http", server.url + "/bad", "-n", "100", "-q")
        self.assertIn(done.code, (99, 75), done.err)
        self.assertIn("1 of 1 thresholds failed", done.out)
        printed = self.perfctl("http", server.url, "--print-scenario", "--threshold", "errors: rate < 100.1%")
        self.assertNotIn("errors: rate < 1%", printed.out)

    def test_the_summary_fits_80_columns(self):
        server = HttpServer(self)
        done = self.perfctl("http", server.url, "-r", "200/s", "-d", "1s")
        self.assertIn(done.code, (0, 75), done.err)
        for line in done.out.splitlines():
            if not line.startswith(("written", "  not valid")):
                self.assertLessEqual(len(line), 80, line)

    def test_no_secret_of_a_url_is_shown(self):
        holder, port = closed_port()
        with holder:
            for args in (["redis", f"redis://:hunter2-word@127.0.0.1:{port}"],
                         ["http", f"http://me:hunter2-word@127.0.0.1:{port}/"],
                         ["http", "http://me:hunter2-word@192.0.2.1/"],
                         ["sql", "host=192.0.2.1 password=hunter2-word dbname=x"],
                         ["sql", f"postgres://me:hunter2-word@127.0.0.1:{port}/x"]):
                with self.subTest(args=args):
                    done = self.perfctl(*args, "-n", "5")
                    self.assertIn(done.code, (65, 69), done.err)
                    self.assertNotIn("hunter2-word", done.out + done.err)
                    self.assertLess(done.took, 5)


if __name__ == "__main__":
    harness.main()
