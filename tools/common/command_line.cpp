// SPDX-License-Identifier: Apache-2.0
#include "tools/common/command_line.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/load/result.hpp"
#include "libperf/report/output_dir.hpp"
#include "tools/common/completion.hpp"

namespace perf::tool {
namespace {

/// Names the first word that nobody takes, and what was probably meant.
std::string Unexpected(const CLI::App& app, const std::string& noun) {
  const std::vector<std::string> left = app.remaining(true);
  const auto option = std::find_if(left.begin(), left.end(),
                                   [](const std::string& word) { return word.starts_with("-"); });
  const std::string& word = option == left.end() ? left.front() : *option;
  const auto chosen = app.get_subcommands();
  std::vector<std::string> names;
  std::string what = fmt::format("unexpected argument '{}'", Excerpt(word, 60));
  if (option != left.end()) {
    what = fmt::format("unknown option '{}'", Excerpt(word, 60));
    for (const CLI::App* taker : {&app, chosen.empty() ? &app : chosen.front()}) {
      for (const CLI::Option* known : taker->get_options()) {
        for (const std::string& name : known->get_lnames()) names.push_back("--" + name);
      }
    }
  } else if (chosen.empty()) {
    what = fmt::format("unknown {} '{}'", noun, Excerpt(word, 60));
    for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  }
  const std::string name = word.substr(0, word.find('='));
  if (name == "help" || name == "version" || name == "-v" || name == "-V") {
    return what + (name == "help" ? "; did you mean '--help'?" : "; did you mean '--version'?");
  }
  if (std::find(names.begin(), names.end(), name) != names.end() && !chosen.empty()) {
    return fmt::format("option '{0}' stands behind the {1}: {2} {3} {0} …", name, noun,
                       app.get_name(), chosen.front()->get_name());
  }
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::string_view meant = Suggest(name, candidates);
  return meant.empty() ? what : fmt::format("{}; did you mean '{}'?", what, meant);
}

/// The words in braces of "TEXT:{auto,always,never}", which is how CLI11 tells of IsMember.
std::vector<std::string> ValuesOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t open = type.find('{'), close = type.rfind('}');
  std::vector<std::string> values;
  if (open == std::string::npos || close == std::string::npos) return values;
  for (const std::string_view word :
       Split(std::string_view(type).substr(open + 1, close - open - 1), ',')) {
    values.emplace_back(word);
  }
  return values;
}

CompletedCommand TableOf(const CLI::App& app) {
  CompletedCommand command{app.get_name(), app.get_description(), {}, {}, {}};
  for (const CLI::Option* option : app.get_options()) {
    CompletedFlag flag{{}, option->get_description(), {}, ValuesOf(*option)};
    for (const std::string& name : option->get_snames()) flag.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) flag.names.push_back("--" + name);
    if (option->get_expected_max() > 0 && option->get_items_expected_max() > 0) {
      const std::string type = option->get_type_name();
      flag.type = type.empty() ? "VALUE" : type.substr(0, type.find(':'));
    }
    (flag.names.empty() ? command.positionals : command.flags).push_back(std::move(flag));
  }
  for (const CLI::App* below : app.get_subcommands({})) command.commands.push_back(TableOf(*below));
  return command;
}

void PrintCompletion(const CLI::App& app, const std::string& shell) {
  const CompletedCommand table = TableOf(app);
  report::WriteStdout(shell == "bash"  ? BashCompletion(table)
                      : shell == "zsh" ? ZshCompletion(table)
                                       : FishCompletion(table));
}

}  // namespace

void CommonFlags::AddTo(CLI::App& app) {
  app.add_option("--color", color_, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  app.add_option("--log-level", log_level_, "trace, debug, info, warn, error or off")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}));
  app.add_option("--log-format", log_format_, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
}

LogFormat CommonFlags::Format() const {
  return log_format_ == "json" ? LogFormat::kJson : LogFormat::kText;
}

report::ColorChoice CommonFlags::Color() const {
  if (color_ == "always") return report::ColorChoice::kAlways;
  return color_ == "never" ? report::ColorChoice::kNever : report::ColorChoice::kAuto;
}

bool ParseCommandLine(CLI::App& app, int argc, char** argv, const std::string& noun) {
  const std::string name = app.get_name();
  const std::string hint = fmt::format("\nTry '{0} --help' or 'man {0}'.", name);
  std::string shell;
  CLI::App* const completion =
      app.add_subcommand("completion", "print what completes this program's words in a shell");
  completion->add_option("shell", shell, "bash, zsh or fish")
      ->required()
      ->type_name("SHELL")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  try {
    app.parse(argc, argv);
    if (!completion->parsed()) return true;
    PrintCompletion(app, shell);
  } catch (const CLI::CallForVersion&) {
    report::WriteStdout(fmt::format("{} {}\n", name, load::Version()));
  } catch (const CLI::CallForHelp&) {
    report::WriteStdout(app.help());
  } catch (const CLI::ExtrasError&) {
    throw UsageError(Unexpected(app, noun) + hint);
  } catch (const CLI::RequiredError& error) {
    const bool no_command = app.get_subcommands().empty();
    if (no_command && !app.remaining(true).empty()) throw UsageError(Unexpected(app, noun) + hint);
    throw UsageError((no_command ? fmt::format("a {} is missing", noun) : error.what()) + hint);
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what() + hint);
  }
  return false;
}

std::optional<std::uint64_t> SeedOf(const std::string& word) {
  if (word.empty()) return std::nullopt;
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), seed);
  if (error != std::errc() || end != word.data() + word.size()) {
    throw UsageError(fmt::format("--seed {}: expected a whole number from 0 to 2^64-1", word));
  }
  return seed;
}

}  // namespace perf::tool
