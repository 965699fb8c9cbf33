# SPDX-License-Identifier: Apache-2.0
"""Runs the real perfctl for the tests of this directory (python3's standard library only)."""
import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PERFCTL = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else "perfctl"
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _sanitized():
    linked = subprocess.run(["ldd", PERFCTL], capture_output=True, text=True, check=False).stdout
    return "libasan" in linked or "libtsan" in linked


# A sanitizer's own time and memory are not perfctl's: limits of time are wider there, those of memory are not looked at.
SANITIZED = _sanitized()
SLOW = 4 if SANITIZED else 1


def has_postgres():
    roots = "/usr/lib/postgresql"
    return shutil.which("initdb") is not None or (
        os.path.isdir(roots) and any(os.path.exists(f"{roots}/{v}/bin/initdb") for v in os.listdir(roots)))


def has_redis():
    return shutil.which("redis-server") is not None or shutil.which("valkey-server") is not None


class Finished:
    def __init__(self, code, out, err, took):
        self.code, self.out, self.err, self.took = code, out, err, took

    @property
    def json(self):
        return json.loads(self.out)


class PerfctlCase(unittest.TestCase):
    """Gives each test a directory of its own, with results and state below it."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="perfkit-test-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.env = dict(os.environ, XDG_STATE_HOME=self.dir + "/state", NO_COLOR="1")
        self.env.pop("GITHUB_ACTIONS", None)
        for name in ("DATABASE_URL", "REDIS_URL", "SPEECH_URL"):
            self.env.pop(name, None)

    def file(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def perfctl(self, *args, stdin="", timeout=120, env=None, stdout=subprocess.PIPE, prefix=()):
        start = time.monotonic()
        done = subprocess.run([*prefix, PERFCTL, *args], input=stdin, stdout=stdout,
                              stderr=subprocess.PIPE, env={**self.env, **(env or {})}, cwd=self.dir,
                              timeout=timeout, text=True)
        return Finished(done.returncode, done.stdout, done.stderr, time.monotonic() - start)

    def start(self, *args):
        process = subprocess.Popen([PERFCTL, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.env, cwd=self.dir, text=True)
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def assert_code(self, done, code):
        self.assertEqual(done.code, code, f"stdout:\n{done.out}\nstderr:\n{done.err}")

    @staticmethod
    def await_line(stream, word, seconds=30):
        """Reads lines until one contains `word`; fails after `seconds`."""
        found = threading.Event()
        lines = []

        def read():
            for line in stream:
                lines.append(line)
                if word in line:
                    found.set()
                    return

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        if not found.wait(seconds):
            raise AssertionError(f"no line with {word!r} within {seconds} s: {lines}")


def closed_port():
    """A loopback port on which nothing listens: bound, but never listening, while in use."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder, holder.getsockname()[1]


class HttpServer:
    """A small keep-alive HTTP/1.1 server in a process of its own, so that it can be stopped by SIGSTOP.
    It counts its requests in the memory that it shares with the test."""

    CODE = """
import asyncio, os, sys
count = 0
class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.rest = b''
    def data_received(self, data):
        global count
        self.rest += data
        while b'\\r\\n\\r\\n' in self.rest:
            head, self.rest = self.rest.split(b'\\r\\n\\r\\n', 1)
            path = head.split(b' ')[1]
            if path == b'/count':
                body = str(count).encode()
            else:
                count += 1
                body = b'ok'
            status = b'500 Internal Server Error' if path == b'/bad' else b'200 OK'
            self.transport.write(b'HTTP/1.1 ' + status + b'\\r\\nContent-Length: %d\\r\\n\\r\\n' % len(body) + body)
async def main():
    server = await asyncio.get_running_loop().create_server(Server, '127.0.0.1', 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

    def __init__(self, case):
        self.process = subprocess.Popen([sys.executable, "-c", self.CODE], stdout=subprocess.PIPE, text=True)
        case.addCleanup(self.stop)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def count(self):
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.port), 5)) as link:
            link.sendall(b"GET /count HTTP/1.1\r\nHost: x\r\n\r\n")
            reply = b""
            while b"\r\n\r\n" not in reply or not reply.split(b"\r\n\r\n", 1)[1]:
                reply += link.recv(4096)
        return int(reply.split(b"\r\n\r\n", 1)[1])

    def freeze(self, seconds):
        os.kill(self.process.pid, signal.SIGSTOP)
        time.sleep(seconds)  # the length of the freeze is the test's input
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGCONT)
            self.process.kill()
        self.process.communicate()


class _Together(unittest.TestSuite):
    """Runs its tests `at_once` at a time."""

    def __init__(self, tests, at_once):
        super().__init__(tests)
        self.at_once = at_once

    def run(self, result, debug=False):
        with concurrent.futures.ThreadPoolExecutor(self.at_once) as workers:
            list(workers.map(lambda test: test.run(result), self))
        return result


def _locked(name):
    def method(self, *args, **kwargs):
        with self.lock:
            return getattr(unittest.TextTestResult, name)(self, *args, **kwargs)
    return method


class _SharedResult(unittest.TextTestResult):
    """Written to by several threads."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.lock = threading.RLock()


for _name in ("startTest", "stopTest", "addSuccess", "addError", "addFailure", "addSkip", "addExpectedFailure",
              "addUnexpectedSuccess", "addSubTest"):
    setattr(_SharedResult, _name, _locked(_name))


def _cases(suite):
    for test in suite:
        yield from _cases(test) if isinstance(test, unittest.TestSuite) else [test]


def main(at_once=1):
    """`at_once`: for tests that mostly wait, and ask nothing of the machine that another could spoil."""
    if at_once == 1 or len(sys.argv) > 1:
        unittest.main(verbosity=2)
    tests = list(_cases(unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])))
    ended = unittest.TextTestRunner(resultclass=_SharedResult).run(_Together(tests, at_once))
    sys.exit(not (tests and ended.wasSuccessful()))
