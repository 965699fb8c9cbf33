#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_headers.py [--precompiled] ROOT BUILD COMPILER...: every header of ROOT compiles alone, and twice in one unit.

A header that lives off what others include first breaks here. One whose source BUILD compiles is
compiled alone there already: tests/layers holds that a source includes its own header first, and that
each header has its #pragma once. (With precompiled standard headers that proves nothing; then
--precompiled leaves them to a build without, such as the sanitizer lanes of scripts/check --full.) The others are compiled here; flags come from BUILD's
compile_commands.json. A header that passed is not compiled again until its text, or one that it
includes from the project, or the compiler, the flags or the installed packages change.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
INCLUDE_ANY = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]', re.MULTILINE)
PACKAGES = "/var/lib/dpkg/status"


def find_headers(root):
    for top in ("libperf", "tools"):
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders[:] = sorted(name for name in folders if name != "pch")
            for name in sorted(names):
                if name.endswith(".hpp"):
                    yield os.path.relpath(os.path.join(folder, name), root)


def commands_of(build):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        return json.load(file)


def first_include(path):
    with open(path, encoding="utf-8") as file:
        found = INCLUDE_ANY.search(file.read())
    return found.group(1) if found else None


def compiled_with_source(root, commands, precompiled):
    """The headers that the build compiles alone: as the first include of the source of their stem."""
    for entry in commands:
        source = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
        header = os.path.splitext(source)[0] + ".hpp"
        proof = precompiled or "-include" not in entry["command"]
        if proof and os.path.exists(header) and os.path.exists(source):
            if first_include(source) in (os.path.relpath(header, root), os.path.basename(header)):
                yield os.path.relpath(header, root)


def flags_of(commands):
    """The union of what the library's units are compiled with, as far as a header can see it."""
    flags = []
    for entry in commands:
        words = shlex.split(entry["command"])
        for word, following in zip(words, words[1:] + [""]):
            found = []
            if word.startswith(("-I", "-D", "-std=")) or word == "-pthread":
                found = [word]
            elif word.startswith("-isystem"):
                found = [word] if word != "-isystem" else [word, following]
            if found and found not in flags and "doctest" not in found[-1]:
                flags.append(found)
    return [word for found in flags for word in found]


def closure(root, path, known):
    """`path` and every project header that it includes, directly or not."""
    if path in known or not os.path.exists(os.path.join(root, path)):
        return known
    with open(os.path.join(root, path), encoding="utf-8") as file:
        known[path] = file.read()
    for name in INCLUDE.findall(known[path]):
        closure(root, name, known)
    return known


def key_of(root, path, surroundings):
    digest = hashlib.sha256(surroundings)
    for name, text in sorted(closure(root, path, {}).items()):
        digest.update(f"{name}\0{text}\0".encode())
    return digest.hexdigest()


def compile_alone(command, build, path):
    unit = f'#include "{path}"\n#include "{path}"\n'
    done = subprocess.run(command, input=unit, cwd=build, text=True, capture_output=True, timeout=300, check=False)
    return done.returncode == 0, done.stderr


def read_cache(path):
    try:
        with open(path, encoding="utf-8") as file:
            return set(file.read().split())
    except FileNotFoundError:
        return set()


def main():
    precompiled = sys.argv[1] == "--precompiled"
    del sys.argv[1:1 + precompiled]
    root, build, compiler = os.path.abspath(sys.argv[1]), sys.argv[2], sys.argv[3:]
    if "ccache" in os.path.basename(compiler[0]):
        compiler = compiler[1:]  # it cannot cache a syntax check
    commands = commands_of(build)
    command = compiler + flags_of(commands) + ["-I", root, "-Wall", "-Wextra", "-Werror", "-Wno-tsan",
                                            "-fsyntax-only", "-x", "c++", "-"]
    version = subprocess.run(compiler + ["--version"], capture_output=True, check=True).stdout
    installed = os.stat(PACKAGES).st_mtime if os.path.exists(PACKAGES) else 0
    surroundings = version + repr((command, installed)).encode()

    cache_path = os.path.join(build, "headers.passed")
    cache = read_cache(cache_path)
    built = set(compiled_with_source(root, commands, precompiled))
    keys = {path: key_of(root, path, surroundings) for path in find_headers(root) if path not in built}
    todo = [path for path, key in keys.items() if key not in cache]
    failed = set()
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as workers:
        for path, (good, errors) in zip(todo, workers.map(lambda p: compile_alone(command, build, p), todo)):
            if not good:
                failed.add(path)
                print(f"{path} does not compile alone:\n{errors[:2000]}")
    with open(cache_path + ".new", "w", encoding="utf-8") as file:
        file.write("\n".join(key for path, key in keys.items() if path not in failed) + "\n")
    os.replace(cache_path + ".new", cache_path)
    how = "left to a build without precompiled headers" if precompiled else "compiled with their source"
    print(f"{len(built)} headers {how}, {len(keys)} alone ({len(todo)} now), {len(failed)} failed")
    return 1 if failed or not keys or not built else 0


if __name__ == "__main__":
    sys.exit(main())
