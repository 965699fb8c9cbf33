#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The layer check itself: a clean tree passes, and each rule fails on a tree that breaks it."""
import os
import tempfile
import unittest

import check_layers

HEAD = check_layers.LICENCE + "\n"
GOOD = {
    "libperf/base/error.hpp": HEAD + "#pragma once\n#include <fmt/core.h>\n\n#include <string>\n",
    "libperf/base/json.cpp": HEAD + "#include <nlohmann/json.hpp>\n",
    "libperf/pool/pool.hpp": HEAD + '#pragma once\n#include "libperf/base/error.hpp"\n',
    "libperf/pool/pool.cpp": HEAD + '#include "libperf/pool/pool.hpp"\n\n#include <sys/socket.h>\n',
    "libperf/backends/loop.hpp": HEAD + '#pragma once\n#include <boost/asio/io_context.hpp>\n',
    "tools/perfctl/main.cpp": HEAD + '#include <CLI/CLI.hpp>\n#include "libperf/pool/pool.hpp"\n',
}


def violations(**changed):
    """What the check says of the good tree with `changed` files (path with __ for /, _h for .hpp)."""
    tree = dict(GOOD)
    for name, text in changed.items():
        path = name.replace("__", "/")
        tree[path[:-2] + (".hpp" if path.endswith("_h") else ".cpp")] = text
    with tempfile.TemporaryDirectory() as root:
        for path, text in tree.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        return check_layers.check_tree(root)[0]


class LayerCheck(unittest.TestCase):
    def only(self, found, *words):
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])

    def test_a_clean_tree_passes(self):
        self.assertEqual(violations(), [])

    def test_an_include_against_the_direction(self):
        self.only(violations(libperf__base__up_c=HEAD + '#include "libperf/pool/pool.hpp"\n'),
                  "libperf/base/up.cpp:2", "base stands before pool")

    def test_sisters(self):
        self.only(violations(libperf__cache__tier_c=HEAD + '#include "libperf/pool/pool.hpp"\n'),
                  "cache and pool are sisters")

    def test_an_unknown_module(self):
        self.only(violations(libperf__util__misc_c=HEAD), "module util")

    def test_a_tool_in_the_library(self):
        self.only(violations(libperf__load__run_c=HEAD + '#include "tools/perfctl/x.hpp"\n'), "a tool's header")

    def test_a_relative_include(self):
        self.only(violations(libperf__pool__core_c=HEAD + '#include "pool.hpp"\n'), "by its path from the top")

    def test_foreign_headers_stay_in_their_place(self):
        for header in ("nlohmann/json.hpp", "boost/asio.hpp", "yaml-cpp/yaml.h", "libpq-fe.h", "hiredis/hiredis.h",
                       "curl/curl.h", "CLI/CLI.hpp", "re2/re2.h", "openssl/ssl.h", "sqlite3.h", "zlib.h"):
            with self.subTest(header):
                self.only(violations(libperf__pool__core_c=HEAD + f"#include <{header}>\n"), header, "only")

    def test_a_foreign_header_of_another_file_of_the_module(self):
        self.only(violations(libperf__base__text_h=HEAD + "#pragma once\n#include <spdlog/spdlog.h>\n"
                             "#include <vector>\n", libperf__base__url_h=HEAD + "#pragma once\n"
                             "#include <yaml-cpp/yaml.h>\n"), "url.hpp:3", "config only")

    def test_an_unknown_foreign_header(self):
        self.only(violations(libperf__base__text_c=HEAD + "#include <frobnicate/all.h>\n"), "in no row")

    def test_a_costly_header_twice(self):
        self.only(violations(tools__perfctl__other_c=HEAD + "#include <CLI/App.hpp>\n"), "behind one source file")

    def test_an_include_in_a_comment_does_not_count(self):
        self.assertEqual(violations(libperf__base__text_c=HEAD + '/* \n#include <curl/curl.h>\n*/ // #include "x"\n'
                                    'const char* text = "// no comment /*";\n'), [])

    def test_sizes_count_code_only(self):
        comment = "// why\n\n"
        for suffix, limit in (("_h", 150), ("_c", 350)):
            fill = "int Declared();\n" * (limit - (suffix == "_h"))
            start = HEAD + ("#pragma once\n" if suffix == "_h" else "")
            with self.subTest(suffix):
                self.assertEqual(violations(**{"libperf__base__big" + suffix: start + comment * 99 + fill}), [])
                self.only(violations(**{"libperf__base__big" + suffix: start + fill + "int more;\n"}),
                          f"{limit + 1} lines")

    def test_own_header_first(self):
        self.only(violations(libperf__pool__pool_c=HEAD + '#include <string>\n#include "libperf/pool/pool.hpp"\n'),
                  "not included first")

    def test_licence_and_guard(self):
        self.only(violations(libperf__base__text_c="int x;\n"), "SPDX")
        self.only(violations(libperf__base__text_h=HEAD + "int x;\n"), "#pragma once")


if __name__ == "__main__":
    unittest.main()
