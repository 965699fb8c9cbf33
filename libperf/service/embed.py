#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py INPUT OUTPUT FUNCTION HEADER: a source file whose FUNCTION, declared in HEADER, gives the text of INPUT."""
import sys

PIECE = 8000  # bytes of one literal: compilers need not take more than 65,536 in one


def main():
    source, target, function, header = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        text = file.read()
    pieces = [text[at:at + PIECE] for at in range(0, len(text), PIECE)]
    literals = "\n".join(f'    R"~~~({piece})~~~"' for piece in pieces)
    with open(target, "w", encoding="utf-8") as file:
        file.write(f'// SPDX-License-Identifier: Apache-2.0\n#include "{header}"\n\nnamespace perf::service {{\n\n'
                   f"std::string_view {function}() noexcept {{\n  return\n{literals};\n}}\n\n}}  // namespace perf::service\n")


main()
