# SPDX-License-Identifier: Apache-2.0
"""Every flag of every program and command stands in its man page and in its completions, which shells accept.
flags_test.py SOURCE PROGRAM…"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "support"))
from checks import check, finish, skip

SOURCE, PROGRAMS = os.path.abspath(sys.argv[1]), [os.path.abspath(each) for each in sys.argv[2:]]


def printed(*words, **more):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, **more)


def help_of(program, path):
    """What --help names: flags (each a list of its spellings) and commands below."""
    done = printed(program, *path, "--help")
    check(done.returncode == 0, f"{program} {path}: --help ends with {done.returncode}")
    flags, commands, section = [], [], ""
    for line in done.stdout.splitlines():
        if line and not line[0].isspace():
            section = line.strip()
        elif section.startswith("Options") and (match := re.match(r"  (-[-\w,]+)", line)):
            flags.append(match.group(1).split(","))
        elif section.startswith("Subcommands") and (match := re.match(r"  ([\w-]+)", line)):
            commands.append(match.group(1))
    return flags, commands


def tree(program, path=()):
    flags, commands = help_of(program, path)
    yield path, flags, commands
    for command in commands:
        yield from tree(program, path + (command,))


def text_of(file):
    """What a man page shows."""
    text = printed("mandoc", "-T", "utf8", file).stdout
    return re.sub(".\b", "", text).replace("−", "-")


def page_of(name, path):
    """The man page that a command has, that of another which tells of it, or that of its program."""
    for words in (path, path[:1]):
        file = f"{SOURCE}/man/{'-'.join((name,) + tuple(words))}.1"
        if os.path.exists(file):
            return os.path.basename(file), text_of(file)
    for file in sorted(glob.glob(f"{SOURCE}/man/{name}-*.1")) if path else []:
        text = text_of(file)
        if named(" ".join((name,) + path[:1]), text):
            return os.path.basename(file), text
    return f"{name}.1", text_of(f"{SOURCE}/man/{name}.1")


def named(flag, text):
    return re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text) is not None


def check_pages(name, path, flags):
    file, text = page_of(name, path)
    _, common = page_of(name, ())
    for flag in (spelling for spellings in flags for spelling in spellings):
        # What all programs take is told by perfctl(1) alone; -h by it as well.
        if flag == "-h":
            continue
        place = common if flag in ("--help", "--version", "--color", "--log-level", "--log-format") else text
        check(named(flag, place), f"{file}: {' '.join((name,) + path)} {flag} is not in it")


BASH = r"""
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
compopt() { :; }
"_$1_complete"; printf '%s\n' "${COMPREPLY[@]}"
"""


def complete(script, *words):
    """What bash offers for the last of these words."""
    done = printed("bash", "-c", BASH, "bash", script, *words)
    check(done.stderr == "", f"bash {words}: {done.stderr}")
    return done.stdout.split()


def check_bash(name, script, path, flags, commands):
    offered = complete(script, name, *path, "")
    for flag in (spelling for spellings in flags for spelling in spellings):
        check(flag in offered, f"bash: {name} {' '.join(path)}: {flag} is not offered")
    for command in commands:
        check(command in offered, f"bash: {name} {' '.join(path)}: {command} is not offered")


def check_texts(name, path, flags, zsh, fish):
    where = " ".join((name,) + path)
    function = zsh.split(f"\n{'_'.join(('_' + name,) + path)}() {{", 1)[1].split("\n}\n", 1)[0] if zsh else ""
    condition = "" if not path else "__fish_seen_subcommand_from " + path[-1]
    lines = [line for line in fish.splitlines() if condition in line]
    for spellings in flags:
        for flag in spellings:
            check(f"'*{flag}[" in function, f"zsh: {where}: {flag} is not in its function")
            word = f" -l {flag[2:]} " if flag.startswith("--") else f" -s {flag[1:]} "
            check(any(word in line for line in lines), f"fish: {where}: {flag} is in no line")


def accepted(shell, option, file):
    if shutil.which(shell) is None:
        return
    done = printed(shell, option, file)
    check(done.returncode == 0 and done.stderr == "", f"{shell} {option} {file}: {done.stderr}")


def check_program(program, folder):
    name = os.path.basename(program)
    scripts = {}
    for shell in ("bash", "zsh", "fish"):
        done = printed(program, "completion", shell)
        check(done.returncode == 0 and done.stdout, f"{name} completion {shell}: {done.stderr}")
        scripts[shell] = f"{folder}/{name}.{shell}"
        with open(scripts[shell], "w", encoding="utf-8") as out:
            out.write(done.stdout)
        accepted(shell, "--no-execute" if shell == "fish" else "-n", scripts[shell])
    with open(scripts["zsh"], encoding="utf-8") as file:
        zsh = file.read()
    with open(scripts["fish"], encoding="utf-8") as file:
        fish = file.read()
    seen = 0
    for path, flags, commands in tree(program):
        if path == ("completion",):
            check(complete(scripts["bash"], name, "completion", "") != [], f"{name} completion: no shells offered")
            continue
        check_pages(name, path, flags)
        check_bash(name, scripts["bash"], path, flags, commands)
        check_texts(name, path, flags, zsh, fish)
        seen += len(flags)
    return seen, scripts["bash"]


if shutil.which("mandoc") is None:
    skip("mandoc", "mandoc")
with tempfile.TemporaryDirectory(prefix="perfkit-test-") as scratch:
    total = 0
    for each in PROGRAMS:
        flags_seen, bash = check_program(each, scratch)
        total += flags_seen
        check(flags_seen > 20, f"{each}: only {flags_seen} flags were found")
        if os.path.basename(each) != "perfctl":
            continue
        open(f"{scratch}/one.yaml", "w", encoding="utf-8").close()
        os.mkdir(f"{scratch}/results")
        os.chdir(scratch)
        check(complete(bash, "perfctl", "ru") == ["run"], "a command is completed")
        check(complete(bash, "perfctl", "run", "--pro") == ["--profile"], "a flag is completed")
        check(complete(bash, "perfctl", "--color", "a") == ["auto", "always"], "a value is completed")
        check(complete(bash, "perfctl", "run", "--color", "n") == ["never"], "and behind the command")
        check(complete(bash, "perfctl", "--color", "=", "n") == ["never"], "and behind =")
        check(complete(bash, "perfctl", "run", "one") == ["one.yaml"], "a file is completed")
        check(complete(bash, "perfctl", "run", "--out", "") == ["results"], "a directory is completed")
        check(complete(bash, "perfctl", "export", "sys") == ["systemd"], "a command below is completed")
        check(complete(bash, "perfctl", "run", "--threads", "") == [], "of a number nothing is offered")
        check(complete(bash, "perfctl", "completion", "f") == ["fish"], "a positional's value is completed")
    finish(f"{total} flags")
