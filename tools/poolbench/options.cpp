// SPDX-License-Identifier: Apache-2.0
// The only file of the program that includes CLI11: it costs seven seconds to compile.
#include "options.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/report/output_dir.hpp"
#include "verb.hpp"
#include "words.hpp"

namespace perf::tool {
namespace {

const std::string kHint = "\nTry 'poolbench --help' or 'man poolbench'.";

/// The flags of a verb on CLI11.
class CliFlags final : public Flags {
 public:
  explicit CliFlags(CLI::App& command) : command_(command) {}
  void Positional(const char* name, std::string& word, const char* what) override {
    command_.add_option(name, word, what)->required()->type_name("FILE");
  }
  void Word(const char* flag, std::string& word, const char* type, const char* what) override {
    command_.add_option(flag, word, what)->type_name(type);
  }
  void Words(const char* flag, std::vector<std::string>& words, const char* what) override {
    command_.add_option(flag, words, what)->delimiter(',')->type_name("WORD,…");
  }
  void Repeated(const char* flag, std::vector<std::string>& words, const char* type,
                const char* what) override {
    command_.add_option(flag, words, what)->type_name(type)->take_all();
  }
  void Count(const char* flag, std::size_t& count, const char* what) override {
    command_.add_option(flag, count, what)->type_name("N")->check(CLI::Range(1, 10'000));
  }
  void Counts(const char* flag, std::vector<std::size_t>& counts, const char* what) override {
    command_.add_option(flag, counts, what)
        ->delimiter(',')
        ->type_name("N,…")
        ->check(CLI::Range(1, 10'000));
  }
  void Switch(const char* flag, bool& on, const char* what) override {
    command_.add_flag(flag, on, what);
  }

 private:
  CLI::App& command_;
};

/// The flags of all verbs; words that need a second look as they were written.
struct Common {
  std::string seed, color = "auto", log_level = "warn", log_format = "text";
};

CLI::App* AddVerb(CLI::App& app, Verb& verb, Options& options, Common& common) {
  CLI::App* command = app.add_subcommand(verb.Name(), verb.What());
  CliFlags flags(*command);
  verb.Declare(flags);
  flags.Word("--out", options.out, "DIR",
             "directory for the results (default: below $XDG_STATE_HOME/perfkit/runs)");
  flags.Switch("--json", options.json,
               "print exactly result.json on standard output, and nothing else there");
  flags.Switch("-q,--quiet", options.quiet, "no progress and no tables, only the verdict");
  flags.Word("--seed", common.seed, "N", "seed of every random value (default 1)");
  return command;
}

/// Names the first word that nobody takes, and what was probably meant.
std::string Unexpected(const CLI::App& app) {
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
    what = fmt::format("unknown verb '{}'", Excerpt(word, 60));
    for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  }
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::string_view meant = Suggest(word.substr(0, word.find('=')), candidates);
  return meant.empty() ? what : fmt::format("{}; did you mean '{}'?", what, meant);
}

/// CLI11's own handling writes to std::cout and picks its own exit codes.
void ParseOrExplain(CLI::App& app, int argc, char** argv, Options& options) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForVersion&) {
    report::WriteStdout(fmt::format("poolbench {}\n", load::Version()));
    options.done = true;
  } catch (const CLI::CallForHelp&) {
    report::WriteStdout(app.help());
    options.done = true;
  } catch (const CLI::ExtrasError&) {
    throw UsageError(Unexpected(app) + kHint);
  } catch (const CLI::RequiredError& error) {
    const bool no_verb = app.get_subcommands().empty();
    if (no_verb && !app.remaining(true).empty()) throw UsageError(Unexpected(app) + kHint);
    throw UsageError((no_verb ? "a verb is missing" : error.what()) + kHint);
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what() + kHint);
  }
}

void TakeCommon(const Common& common, Options& options) {
  options.log_level = ParseLogLevel(common.log_level);
  options.log_format = common.log_format == "json" ? LogFormat::kJson : LogFormat::kText;
  options.color = common.color == "always"  ? report::ColorChoice::kAlways
                  : common.color == "never" ? report::ColorChoice::kNever
                                            : report::ColorChoice::kAuto;
}

std::vector<std::shared_ptr<Verb>> AllVerbs() {
  std::vector<std::shared_ptr<Verb>> verbs;
  for (auto& verb : StubVerbs()) verbs.push_back(std::move(verb));
  for (auto& verb : ServerVerbs()) verbs.push_back(std::move(verb));
  return verbs;
}

}  // namespace

Options ParseOptions(int argc, char** argv) {
  Options options;
  Common common;
  CLI::App app("Measure, size and break connection pools.", "poolbench");
  app.set_version_flag("--version", "poolbench");
  app.footer(
      "Exit codes: 0 pass, 64 usage, 65 invalid input, 69 target unreachable, 70 internal error,\n"
      "73 output cannot be written, 75 run not valid, 99 a check failed, 130 interrupted.");
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--color", common.color, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  app.add_option("--log-level", common.log_level, "trace, debug, info, warn, error or off")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}));
  app.add_option("--log-format", common.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  std::vector<std::pair<std::shared_ptr<Verb>, CLI::App*>> verbs;
  for (auto& verb : AllVerbs()) {
    CLI::App* command = AddVerb(app, *verb, options, common);
    verbs.emplace_back(std::move(verb), command);
  }

  ParseOrExplain(app, argc, argv, options);
  if (options.done) return options;
  TakeCommon(common, options);
  const std::optional<std::uint64_t> seed = SeedOf(common.seed);
  options.seed = seed.value_or(1);
  for (const auto& [verb, command] : verbs) {
    if (!command->parsed()) continue;
    options.verb = verb->Name();
    options.run = verb->Bind(seed);
    options.advice = [verb = verb](const load::Result& result) { return verb->Advice(result); };
  }
  return options;
}

}  // namespace perf::tool
