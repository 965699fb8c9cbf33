// SPDX-License-Identifier: Apache-2.0
#include "tools/common/completion.hpp"

#include <fmt/format.h>

#include <string_view>

namespace perf::tool {
namespace {

constexpr std::string_view kNote = "# Generated from the option tables of the program itself.\n";

bool IsPath(const CompletedFlag& flag) { return flag.type == "FILE" || flag.type == "DIR"; }

std::string Joined(const std::vector<std::string>& words, std::string_view between = " ") {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += between;
    out += word;
  }
  return out;
}

/// Within '…' of any of the three shells.
std::string Quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string AllNames(const CompletedCommand& command) {
  std::vector<std::string> words;
  for (const CompletedFlag& flag : command.flags) {
    words.insert(words.end(), flag.names.begin(), flag.names.end());
  }
  for (const CompletedCommand& below : command.commands) words.push_back(below.name);
  return Joined(words);
}

/// One branch for each flag that takes a value: "run,--out) …".
void BashValues(const CompletedCommand& command, const std::string& path, std::string& out) {
  for (const CompletedFlag& flag : command.flags) {
    if (flag.type.empty()) continue;
    std::vector<std::string> cases;
    for (const std::string& name : flag.names) cases.push_back(Quoted(path + "," + name));
    std::string reply = "COMPREPLY=()";
    if (!flag.values.empty()) {
      reply = fmt::format("COMPREPLY=($(compgen -W {} -- \"$cur\"))", Quoted(Joined(flag.values)));
    } else if (IsPath(flag)) {
      reply = fmt::format("compopt -o filenames; COMPREPLY=($(compgen -{} -- \"$cur\"))",
                          flag.type == "DIR" ? "d" : "f");
    }
    out += fmt::format("    {}) {}; return ;;\n", Joined(cases, "|"), reply);
  }
  for (const CompletedCommand& below : command.commands) {
    BashValues(below, path.empty() ? below.name : path + " " + below.name, out);
  }
}

void BashWords(const CompletedCommand& command, const std::string& path, const std::string& outer,
               std::string& out) {
  const std::string names = AllNames(command) + (outer.empty() ? "" : " " + outer);
  std::string positional;
  bool files = false;
  for (const CompletedFlag& one : command.positionals) {
    files = files || IsPath(one);
    if (!one.values.empty()) positional += " " + Joined(one.values);
  }
  out += fmt::format("    {}) words={}; files={} ;;\n", Quoted(path), Quoted(names + positional),
                     files ? 1 : 0);
  for (const CompletedCommand& below : command.commands) {
    BashWords(below, path.empty() ? below.name : path + " " + below.name, outer, out);
  }
}

/// "run http config config-show …", to walk from word to word: "config show" is a command of two.
void Paths(const CompletedCommand& command, const std::string& path,
           std::vector<std::string>& paths) {
  for (const CompletedCommand& below : command.commands) {
    const std::string deeper = path.empty() ? below.name : path + " " + below.name;
    paths.push_back(Quoted(deeper));
    Paths(below, deeper, paths);
  }
}

std::vector<std::string> GlobalNames(const CompletedCommand& program) {
  std::vector<std::string> names;
  for (const CompletedFlag& flag : program.flags) {
    if (flag.names.front() == "--version") continue;
    names.insert(names.end(), flag.names.begin(), flag.names.end());
  }
  return names;
}

/// What zsh's _arguments takes for its own in a description or a message.
std::string ZshText(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string ZshAction(const CompletedFlag& flag) {
  if (!flag.values.empty()) return "(" + Joined(flag.values) + ")";
  if (flag.type == "DIR") return "_files -/";
  return flag.type == "FILE" ? "_files" : " ";
}

std::string ZshFlags(const CompletedCommand& command) {
  std::string out;
  for (const CompletedFlag& flag : command.flags) {
    for (const std::string& name : flag.names) {
      std::string spec = fmt::format("*{}[{}]", name, ZshText(flag.what));
      if (!flag.type.empty()) spec += fmt::format(":{}:{}", ZshText(flag.type), ZshAction(flag));
      out += " \\\n    " + Quoted(spec);
    }
  }
  for (const CompletedFlag& one : command.positionals) {
    out += " \\\n    " + Quoted(fmt::format("*:{}:{}", ZshText(one.what), ZshAction(one)));
  }
  return out;
}

void ZshFunctions(const CompletedCommand& command, const std::string& function, bool top,
                  const std::string& global, std::string& out) {
  out += fmt::format("{}() {{\n", function);
  const std::string flags = ZshFlags(command) + (top ? "" : global);
  if (command.commands.empty()) {
    out += "  _arguments -s" + flags + "\n}\n\n";
    return;
  }
  out += "  local curcontext=\"$curcontext\" state line\n  local -a commands\n  commands=(\n";
  for (const CompletedCommand& below : command.commands) {
    out += fmt::format("    {}\n", Quoted(ZshText(below.name) + ":" + below.what));
  }
  out += "  )\n  _arguments -s -C" + flags + " \\\n    '1: :->command' '*:: :->rest'\n";
  out +=
      "  case $state in\n    command) _describe command commands ;;\n    rest) case $line[1] in\n";
  for (const CompletedCommand& below : command.commands) {
    out += fmt::format("      {0}) {1}_{0} ;;\n", below.name, function);
  }
  out += "    esac ;;\n  esac\n}\n\n";
  for (const CompletedCommand& below : command.commands) {
    ZshFunctions(below, function + "_" + below.name, false, global, out);
  }
}

/// The condition under which a line of fish holds: the commands of `path` were given.
std::string FishCondition(const std::vector<std::string>& path, const CompletedCommand& command) {
  if (path.empty()) return "__fish_use_subcommand";
  std::string condition;
  for (const std::string& name : path) {
    condition += (condition.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + name);
  }
  if (!command.commands.empty()) {
    std::vector<std::string> below;
    for (const CompletedCommand& one : command.commands) below.push_back(one.name);
    condition += "; and not __fish_seen_subcommand_from " + Joined(below);
  }
  return condition;
}

std::string FishFlag(const CompletedFlag& flag) {
  std::string out;
  for (const std::string& name : flag.names) {
    out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (!flag.type.empty()) {
    if (!flag.values.empty()) {
      out += " -x -a " + Quoted(Joined(flag.values));
    } else if (flag.type == "DIR") {
      out += " -x -a '(__fish_complete_directories)'";
    } else {
      out += flag.type == "FILE" ? " -r -F" : " -x";
    }
  }
  return out + " -d " + Quoted(flag.what) + "\n";
}

void FishLines(const std::string& program, const CompletedCommand& command,
               std::vector<std::string> path, std::string& out) {
  const std::string condition = FishCondition(path, command);
  const std::string before = fmt::format("complete -c {} ", program);
  for (const CompletedFlag& flag : command.flags) {
    // Those of the program itself stand behind its commands as well.
    out += before + (path.empty() ? "" : "-n " + Quoted(condition)) + FishFlag(flag);
  }
  for (const CompletedFlag& one : command.positionals) {
    if (!one.values.empty()) {
      out +=
          fmt::format("{}-n {} -f -a {}\n", before, Quoted(condition), Quoted(Joined(one.values)));
    } else if (IsPath(one)) {
      out += fmt::format("{}-n {} -F\n", before, Quoted(condition));
    }
  }
  for (const CompletedCommand& below : command.commands) {
    out += fmt::format("{}-n {} -f -a {} -d {}\n", before, Quoted(condition), below.name,
                       Quoted(below.what));
    std::vector<std::string> deeper = path;
    deeper.push_back(below.name);
    FishLines(program, below, std::move(deeper), out);
  }
}

}  // namespace

std::string BashCompletion(const CompletedCommand& program) {
  std::vector<std::string> paths;
  Paths(program, "", paths);
  std::string values, words;
  BashValues(program, "", values);
  BashWords(program, "", "", words);
  const std::string global = Joined(GlobalNames(program));
  // Flags of the program stand behind a command, too, and take the same values there.
  return fmt::format(
      R"(# bash completion for {0}                                  -*- shell-script -*-
{1}_{0}_complete() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} path= word words= files=0 i
  # bash takes "=" for a word of its own: --out=DIR is three.
  if [[ $cur == "=" ]]; then
    cur=
  elif [[ $before == "=" && $COMP_CWORD -gt 1 ]]; then
    before=${{COMP_WORDS[COMP_CWORD-2]}}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${{path:+$path }}${{COMP_WORDS[i]}}"
    case $word in
    {2}) path=$word ;;
    esac
  done
  case "$path,$before" in
{3}  esac
  case ",$before" in
{3}  esac
  case $path in
{4}  esac
  [[ -n $path ]] && words+=' {5}'
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if ((files)) && [[ $cur != -* ]]; then
    compopt -o filenames
    COMPREPLY+=($(compgen -f -- "$cur"))
  fi
}}
complete -F _{0}_complete {0}
)",
      program.name, kNote, Joined(paths, " | "), values, words, global);
}

std::string ZshCompletion(const CompletedCommand& program) {
  CompletedCommand global;
  for (const CompletedFlag& flag : program.flags) {
    if (flag.names.front() != "--version" && flag.names.back() != "--help") {
      global.flags.push_back(flag);
    }
  }
  std::string out = fmt::format("#compdef {}\n{}\n", program.name, kNote);
  ZshFunctions(program, "_" + program.name, true, ZshFlags(global), out);
  return out + fmt::format("_{} \"$@\"\n", program.name);
}

std::string FishCompletion(const CompletedCommand& program) {
  std::string out = fmt::format("# fish completion for {}\n{}complete -c {} -f\n", program.name,
                                kNote, program.name);
  FishLines(program.name, program, {}, out);
  return out;
}

}  // namespace perf::tool
