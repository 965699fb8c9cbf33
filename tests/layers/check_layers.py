#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_layers.py ROOT: holds the house rules against the sources under ROOT.

One direction of includes between modules, foreign headers only where they belong, own header first,
sizes of files. Prints one line per violation; exits 1 if there is one. Only Python's own library.
"""
import os
import re
import sys

# A module includes only what stands above it; those of one row never include one another.
ORDER = [["base"], ["stats"], ["metrics"], ["config"], ["pool", "cache", "audio"], ["backends"],
         ["monitor"], ["load"], ["bench"], ["report"], ["service"], ["tools"]]
RANK = {module: rank for rank, row in enumerate(ORDER) for module in row}

# Prefix of a foreign header: the modules that may include it, or single files. fmt may stand anywhere.
FOREIGN = [
    ("fmt/", ["*"]),
    ("spdlog/", ["base"]),
    ("nlohmann/", ["libperf/base/json.cpp"]),
    ("zlib.h", ["stats", "cache", "service"]),
    ("yaml-cpp/", ["config"]),
    ("zstd", ["cache"]), ("lz4", ["cache"]), ("lzma.h", ["cache"]), ("xxh", ["cache"]),
    ("sndfile.h", ["audio"]), ("opus/", ["audio"]), ("speex/", ["audio"]),
    ("boost/", ["backends", "service"]),
    ("openssl/", ["backends", "service"]),
    ("libpq-fe.h", ["backends"]), ("libpq/", ["backends"]), ("pqxx/", ["backends"]),
    ("hiredis/", ["backends"]), ("curl/", ["backends"]),
    ("sqlite3.h", ["monitor"]),
    ("re2/", ["load"]),
    ("CLI/", ["tools"]),
]
# Headers that cost 5 s and more to compile stay behind one source file of each program or module.
COSTLY = ["CLI/", "boost/beast", "nlohmann/"]
# C and POSIX headers that belong to the system's C library.
SYSTEM = re.compile(
    r"(sys|linux|net|netinet|arpa|asm)/[\w/]+\.h|(aio|assert|cpuid|ctype|dirent|dlfcn|errno|fcntl|fnmatch|ftw|"
    r"getopt|glob|grp|ifaddrs|inttypes|langinfo|limits|link|locale|malloc|math|mqueue|netdb|paths|poll|pthread|"
    r"pwd|sched|semaphore|signal|spawn|stdint|stdio|stdlib|string|strings|syslog|termios|time|ucontext|unistd|"
    r"utmp|wait|x86intrin|immintrin|emmintrin)\.h")

HEADER_LINES, SOURCE_LINES = 150, 350
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
LICENCE = "// SPDX-License-Identifier: Apache-2.0"


def strip_comments(text):
    """The text without comments; strings keep their content, line breaks stay."""
    pattern = re.compile(r'R"([^\s()\\]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/',
                         re.DOTALL)

    def keep(match):
        token = match.group(0)
        return "\n" * token.count("\n") if token.startswith(("//", "/*")) else token

    return pattern.sub(keep, text)


def code_lines(text):
    return sum(1 for line in strip_comments(text).splitlines() if line.strip())


def module_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "libperf" and len(parts) > 2 else "tools" if parts[0] == "tools" else None


def allowed(path, module, header):
    """None when `header` may stand in `path`, otherwise the reason."""
    for prefix, places in FOREIGN:
        if header.startswith(prefix):
            if "*" in places or module in places or path in places:
                return None
            return f"<{header}> belongs in {' and '.join(places)} only"
    if "." not in header and "/" not in header:  # <vector>
        return None
    if SYSTEM.fullmatch(header):
        return None
    return f"<{header}> is in no row of the foreign-header table of tests/layers/check_layers.py"


def check_include(path, module, quote, name):
    if quote == "<":
        return allowed(path, module, name)
    if module == "tools" and "/" not in name:
        return None  # a program's own header beside its source
    if name.startswith("tools/"):
        return None if module == "tools" else "the library includes a tool's header"
    target = name.split("/")
    if target[0] != "libperf" or len(target) < 3:
        return f'"{name}" is not included by its path from the top ("libperf/…")'
    if target[1] not in RANK:
        return f"module {target[1]} is not in the order of modules"
    if target[1] == module:
        return None
    if RANK[target[1]] > RANK[module]:
        return f"{module} stands before {target[1]} and must not include it"
    if RANK[target[1]] == RANK[module]:
        return f"{module} and {target[1]} are sisters and never include one another"
    return None


def check_file(root, path, costly):
    module = module_of(path)
    with open(os.path.join(root, path), encoding="utf-8") as file:
        text = file.read()
    lines = text.splitlines()
    if not lines or lines[0] != LICENCE:
        yield 1, f'the first line is not "{LICENCE}"'
    is_header = path.endswith(".hpp")
    # What is only precompiled is its compiler's main file, where g++ rejects the pragma.
    if is_header and "#pragma once" not in lines and "/pch/" not in path:
        yield 1, "no #pragma once"
    if module not in RANK:
        yield 1, f"module {module} is not in the order of modules"
        return
    size, limit = code_lines(text), HEADER_LINES if is_header else SOURCE_LINES
    if size > limit:
        yield 1, f"{size} lines of code; the limit is {limit}"
    first = None
    for number, line in enumerate(strip_comments(text).splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, name = match.groups()
        first = first or name
        problem = check_include(path, module, quote, name)
        if problem:
            yield number, problem
        for prefix in COSTLY:
            if quote == "<" and name.startswith(prefix):
                costly.setdefault((os.path.dirname(path), prefix), set()).add(path)
    own = path[:-4] + ".hpp"
    if not is_header and first not in (own, os.path.basename(own)) and os.path.exists(os.path.join(root, own)):
        yield 1, f'its own header "{own}" is not included first'


def check_tree(root):
    found, costly, seen = [], {}, 0
    for top in ("libperf", "tools"):
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders.sort()
            for name in sorted(names):
                if name.endswith((".hpp", ".cpp")):
                    path = os.path.relpath(os.path.join(folder, name), root)
                    found += [f"{path}:{line}: {what}" for line, what in check_file(root, path, costly)]
                    seen += 1
    for (folder, prefix), paths in sorted(costly.items()):
        if len(paths) > 1:
            found.append(f"{folder}: <{prefix}…> is slow to compile: keep it behind one source file, "
                         f"not {', '.join(sorted(paths))}")
    return found, seen


def main():
    found, seen = check_tree(sys.argv[1])
    print("\n".join(found + [f"{seen} files, {len(found)} violations"]))
    return 1 if found or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
