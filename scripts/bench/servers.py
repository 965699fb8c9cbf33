# SPDX-License-Identifier: Apache-2.0
"""Private servers for the benchmarks: each in a temporary directory, pinned to one processor where asked, ended
by the process id that was started."""
import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU, CLIENT_CPU = CPUS[0], CPUS[-1]


def pinned(cpu):
    return ["taskset", "-c", str(cpu)] if len(CPUS) > 1 and cpu is not None else []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_true(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"{what} did not start within {seconds} s")
        time.sleep(0.01)


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="perfkit-bench-")
        self.process = None

    def spawn(self, command, cpu):
        log = open(self.dir + "/log", "w", encoding="utf-8")
        self.process = subprocess.Popen(pinned(cpu) + command, stdout=log, stderr=log, cwd=self.dir)

    def cpu_seconds(self):
        """User and system time of the server and, for nginx and PostgreSQL, of its living children."""
        total, tick = 0, os.sysconf("SC_CLK_TCK")
        for pid in [self.process.pid, *self.children()]:
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                total += (int(fields[11]) + int(fields[12])) / tick
            except OSError:
                pass
        return total

    def children(self):
        try:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="utf-8") as file:
                return [int(pid) for pid in file.read().split()]
        except OSError:
            return []

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Nginx(Server):
    """One worker; 100 bytes of body on plain HTTP/1.1, and on TLS with HTTP/1.1 and HTTP/2."""

    def __init__(self):
        super().__init__()
        self.plain, self.tls = free_port(), free_port()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.dir + "/key.pem",
                        "-out", self.dir + "/cert.pem"], check=True, stderr=subprocess.DEVNULL)
        temp = "\n".join(f"{kind}_temp_path {self.dir}/t;" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.getuid() == 0 else ""
        with open(self.dir + "/nginx.conf", "w", encoding="utf-8") as out:
            out.write(f"""{user} daemon off; master_process off; pid {self.dir}/pid; error_log {self.dir}/error;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; {temp}
  server {{ listen 127.0.0.1:{self.plain}; listen 127.0.0.1:{self.tls} ssl http2;
    ssl_certificate {self.dir}/cert.pem; ssl_certificate_key {self.dir}/key.pem;
    location / {{ default_type text/plain; return 200 "{'x' * 100}"; }} }} }}
""")
        self.spawn(["nginx", "-p", self.dir, "-c", self.dir + "/nginx.conf"], SERVER_CPU)
        await_true(lambda: listening(self.plain) and listening(self.tls), "nginx")


class Redis(Server):
    def __init__(self):
        super().__init__()
        self.port = free_port()
        self.spawn(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                    "--dir", self.dir], SERVER_CPU)
        await_true(lambda: listening(self.port), "redis-server")
        with socket.create_connection(("127.0.0.1", self.port)) as link:
            link.sendall(b"SET key:__rand_int__ xxx\r\nSET key xxx\r\n")
            link.recv(64)


class Postgres(Server):
    """On a unix socket, fsync off, with pgbench's tables at scale 1; not pinned."""

    def __init__(self, scale=1):
        super().__init__()
        self.bin = os.path.dirname(sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"),
                                          key=lambda path: int(path.split("/")[4]))[-1])
        data = self.dir + "/data"
        self.demote = []
        if os.getuid() == 0:
            shutil.chown(self.dir, "postgres")
            pwd.getpwnam("postgres")
            self.demote = ["runuser", "-u", "postgres", "--"]
        os.chmod(self.dir, 0o755)
        subprocess.run([*self.demote, self.bin + "/initdb", "-D", data, "-A", "trust", "-N", "-E", "UTF8", "--locale=C",
                        "-U", "postgres"], check=True, stdout=subprocess.DEVNULL)
        self.spawn([*self.demote, self.bin + "/postgres", "-D", data, "-c", "listen_addresses=", "-c",
                    f"unix_socket_directories={self.dir}", "-c", "fsync=off", "-c", "max_connections=200",
                    "-c", "shared_buffers=128MB"], None)
        ready = [self.bin + "/pg_isready", "-h", self.dir, "-U", "postgres", "-q"]
        await_true(lambda: subprocess.run(ready, check=False).returncode == 0, "postgres")
        subprocess.run(["pgbench", "-i", "-q", "-s", str(scale), "-h", self.dir, "-U", "postgres", "postgres"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @property
    def conninfo(self):
        return f"host={self.dir} user=postgres dbname=postgres"

    def postmaster(self):
        with open(self.dir + "/data/postmaster.pid", encoding="utf-8") as file:
            return int(file.readline())

    def backends(self):
        """Process ids of the client backends."""
        listed = subprocess.run(["psql", "-h", self.dir, "-U", "postgres", "-Atc",
                                 "select pid from pg_stat_activity where backend_type = 'client backend' "
                                 "and pid <> pg_backend_pid()"], check=True, capture_output=True, text=True)
        return [int(pid) for pid in listed.stdout.split()]

    def stop(self):
        try:
            os.kill(self.postmaster(), 2)
            self.process.wait(10)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            pass
        super().stop()
