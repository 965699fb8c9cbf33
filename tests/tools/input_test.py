# SPDX-License-Identifier: Apache-2.0
"""What a tired or hostile user types: the exit code, the place, the remedy; no hang, no secret."""
import os
import signal
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
                            (["--json", "http", "private"], ("'--json' stands behind the command: perfctl http --json",)),
                            (["help"], ("did you mean '--help'?",)), (["-v"], ("did you mean '--version'?",)),
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
            done = self.perfctl("validate", path)
            self.assert_code(done, 65)
            self.assertEqual(done.err.count(path + ":"), 1, done.err)  # the name once, not twice

    def test_what_is_no_regular_file_is_not_waited_for(self):
        fifo = os.path.join(self.dir, "fifo.yaml")
        os.mkfifo(fifo)
        for args in (("validate", fifo), ("run", fifo), ("validate", "/dev/zero")):
            done = self.perfctl(*args, timeout=20)
            self.assert_code(done, 65)
            self.assertIn("not a regular file", done.err)
        done = self.perfctl("init", "--force", fifo, timeout=20)
        self.assert_code(done, 73)
        for name, text in (("sql", f"setup:\n  - sql: {{target: db, file: {fifo}}}\n"),
                           ("data", f"data:\n  d: {{file: {fifo[:-5]}.csv}}\n")):
            if name == "data":
                os.rename(fifo, fifo[:-5] + ".csv")
            path = self.file(name + ".yaml", GOOD.replace("targets:\n", "targets:\n  db: {kind: postgres, url: private}\n")
                             + text)
            done = self.perfctl("validate", path, timeout=20)
            self.assert_code(done, 65)
            self.assertIn("not a regular file", done.err)

    def test_the_place_stands_first_on_its_line(self):
        path = self.file("bad.yaml", GOOD + "lod: []\n")
        done = self.perfctl("run", path)
        self.assert_code(done, 65)
        self.assertTrue(done.err.startswith(f"{path}:9:1: error: unknown key 'lod'"), done.err)
        self.assertEqual(done.err, self.perfctl("validate", path).err)
        # What is about no place in a file is the program's to say.
        self.assertTrue(self.perfctl("run", path, "--st").err.startswith("perfctl: "))

    def test_standard_input(self):
        for name in ("-", "/dev/stdin"):
            self.assert_code(self.perfctl("validate", name, stdin=GOOD), 0)
            done = self.perfctl("validate", name, stdin=GOOD.replace("10/s", "10"))
            self.assert_code(done, 65)
            self.assertIn(f"{name}:7:", done.err)

    def test_text_before_a_bomb(self):
        bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(10))
        for name, text in (("plain", "x: " + "a" * (15 << 20) + "\n"), ("lines", "x: a\n" + "  a b\n" * (5 << 19))):
            done = self.perfctl("validate", self.file(name + ".yaml", text + bomb))
            self.assert_code(done, 65)
            self.assertIn("MiB", done.err)


class TlsFiles(PerfctlCase):
    def test_a_file_that_is_no_certificate(self):
        text = self.file("ca.txt", "this is no certificate\n")
        for path, words in ((text, "holds no certificate"), ("missing.pem", "No such file"), (".", "directory")):
            with self.subTest(path=path):
                done = self.perfctl("http", "https://127.0.0.1:1/", "-n", "1", "--ca", path)
                self.assert_code(done, 65)
                self.assertIn(words, done.err)
                self.assertIn(path, done.err)
                self.assertNotIn("looking at the targets", done.err)

    def test_the_certificates_of_postgres(self):
        path = self.file("ca.txt", "no")
        for url in (f"host=127.0.0.1 sslmode=verify-full sslrootcert={path}",
                    f"postgresql://127.0.0.1/x?sslmode=verify-ca&sslrootcert={path}", f"host=127.0.0.1 sslcert={path}"):
            with self.subTest(url=url):
                done = self.perfctl("sql", url, "-n", "1")
                self.assert_code(done, 65)
                self.assertIn("holds no certificate", done.err)

    def test_a_key_without_its_certificate(self):
        path = self.file("key.yaml", GOOD.replace("'http://127.0.0.1:9'}", "'https://127.0.0.1:9', tls: {cert: ca.txt, key: ca.txt}}"))
        self.file("ca.txt", "no")
        done = self.perfctl("validate", path)
        self.assert_code(done, 65)
        self.assertIn("ca.txt", done.err)


class Terminals(PerfctlCase):
    def test_closed_standard_files(self):
        path = self.file("bad.yaml", "scenario: x\n")
        good = self.file("good.yaml", GOOD)
        for redirect, args, code in (("2>&-", ["validate", path], 65), ("2>/dev/full", ["validate", path], 65),
                                     ("2>/dev/full", ["run", "missing.yaml"], 65), (">&-", ["validate", good], 73),
                                     ("<&-", ["validate", good], 0)):
            with self.subTest(redirect=redirect):
                done = self.perfctl(*args, prefix=["sh", "-c", f'exec "$@" {redirect}', "sh"])
                self.assert_code(done, code)

    def test_json_into_a_pipe_that_closes(self):
        server = HttpServer(self)
        done = self.perfctl("http", server.url, "-n", "10", "--json", prefix=["sh", "-c", '"$@" | true', "sh"])
        self.assertNotIn("terminate", done.err)
        self.assertIn("Broken pipe", done.err)

    def test_the_second_signal_ends_at_once(self):
        server = HttpServer(self)
        process = self.start("http", server.url, "-c", "1", "-d", "60s", "-q")
        while server.count() < 1:
            pass
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.wait(20)
        self.assertIn(process.returncode, (-signal.SIGINT, 130))


class Flags(PerfctlCase):
    def test_units_and_urls_are_named_as_they_were_written(self):
        for args, words in ((["http", "private", "-r", "1000"], "--rate 1000: expected a rate"),
                            (["http", "private", "-d", "10", "-n", "4"], "--duration 10: expected a time"),
                            (["http", "private", "--timeout", "5"], "--timeout 5: expected a time"),
                            (["redis", "private", "--poisson"], "--poisson"),
                            (["http", "localhost:8080/x"], "did you mean 'http://localhost:8080/x'"),
                            (["http", "ftp://x/"], "unix:///path/of/the/socket")):
            with self.subTest(args=args):
                done = self.perfctl(*args)
                self.assert_code(done, 64)
                self.assertIn(words, done.err)
                self.assertNotIn("one-liner", done.err)

    def test_a_unix_socket(self):
        path = os.path.join(self.dir, "x.sock")
        done = self.perfctl("http", f"unix://{path}", "-n", "1")
        self.assert_code(done, 69)
        self.assertIn("unreachable", done.err)


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
            if not line.startswith(("written", "INVALID", "  not valid")):
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
