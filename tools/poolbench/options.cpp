// SPDX-License-Identifier: Apache-2.0
// The only file of the program that includes CLI11: it costs seven seconds to compile.
#include "options.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <memory>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/bench/pool_micro.hpp"
#include "libperf/report/output_dir.hpp"

namespace perf::tool {
namespace {

const std::string kHint = "\nTry 'poolbench --help' or 'man poolbench'.";

/// The flags of all verbs; words that need a second look as they were written.
struct Parsed {
  Options options;
  std::string seed, color = "auto", log_level = "warn", log_format = "text";

  bench::MicroOptions micro;
  std::vector<std::string> micro_holds{"0", "1us", "100us"};
  std::string micro_seconds = "1", micro_operations;
  bool micro_no_speed = false;
};

Duration DurationOf(const std::string& flag, const std::string& word) {
  if (const auto duration = ParseDuration(word)) return *duration;
  throw UsageError(fmt::format("{} {}: expected a time such as 150ms", flag, Excerpt(word, 40)));
}

Duration SecondsOf(const std::string& flag, const std::string& word) {
  const auto seconds = ParseNumber(word);
  if (!seconds || *seconds <= 0 || *seconds > 86'400) {
    throw UsageError(fmt::format("{} {}: expected seconds, such as 10", flag, Excerpt(word, 40)));
  }
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds));
}

/// Counts may be written as 1e8.
std::uint64_t CountOf(const std::string& flag, const std::string& word) {
  const auto count = ParseNumber(word);
  if (!count || *count < 1 || *count > 1e15) {
    throw UsageError(fmt::format("{} {}: expected a count, such as 1e8", flag, Excerpt(word, 40)));
  }
  return static_cast<std::uint64_t>(*count);
}

std::uint64_t SeedOf(const std::string& word) {
  if (word.empty()) return 1;
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), seed);
  if (error != std::errc() || end != word.data() + word.size()) {
    throw UsageError(fmt::format("--seed {}: expected a whole number from 0 to 2^64-1", word));
  }
  return seed;
}

using Run = std::function<load::Result(const bench::Context&)>;

/// A verb: its name, and what makes a run of its flags once all are parsed.
struct Verb {
  CLI::App* command;
  std::function<Run()> bind;
};

CLI::App* AddVerb(CLI::App& app, Parsed& parsed, const char* name, const char* what) {
  CLI::App* command = app.add_subcommand(name, what);
  command
      ->add_option("--out", parsed.options.out,
                   "directory for the results (default: below $XDG_STATE_HOME/perfkit/runs)")
      ->type_name("DIR");
  command->add_flag("--json", parsed.options.json,
                    "print exactly result.json on standard output, and nothing else there");
  command->add_flag("-q,--quiet", parsed.options.quiet,
                    "no progress and no tables, only the verdict");
  command->add_option("--seed", parsed.seed, "seed of every random value (default 1)")
      ->type_name("N");
  return command;
}

Verb AddMicro(CLI::App& app, Parsed& parsed) {
  CLI::App* command =
      AddVerb(app, parsed, "micro", "acquire and release stub connections, beside baselines");
  bench::MicroOptions& micro = parsed.micro;
  command->add_option("--threads", micro.threads, "numbers of threads (default 1,2,8,32)")
      ->delimiter(',')
      ->type_name("N,…")
      ->check(CLI::Range(1, 1024));
  command->add_option("--pool", micro.pools, "sizes of the pool (default 32,16)")
      ->delimiter(',')
      ->type_name("N,…")
      ->check(CLI::Range(1, 100'000));
  command
      ->add_option("--hold", parsed.micro_holds,
                   "how long each is held, in processor time (default 0,1us,100us)")
      ->delimiter(',')
      ->type_name("TIME,…");
  command->add_option("--impl", micro.impls, "of bounded,strict,mutex,fifo (default all)")
      ->delimiter(',')
      ->type_name("NAME,…")
      ->check(CLI::IsMember({"bounded", "strict", "mutex", "fifo"}));
  command
      ->add_option("--seconds", parsed.micro_seconds,
                   "of each implementation at each point (default 1)")
      ->type_name("N");
  command
      ->add_option("--operations", parsed.micro_operations,
                   "so many of each implementation at each point, instead of --seconds")
      ->type_name("N");
  command->add_flag("--no-speed-checks", parsed.micro_no_speed,
                    "ratios and fairness are shown, not judged");
  return {command, [&parsed] {
            bench::MicroOptions options = parsed.micro;
            options.holds.clear();
            for (const std::string& word : parsed.micro_holds) {
              options.holds.push_back(DurationOf("--hold", word));
            }
            options.length = SecondsOf("--seconds", parsed.micro_seconds);
            if (!parsed.micro_operations.empty()) {
              options.operations = CountOf("--operations", parsed.micro_operations);
            }
            options.judge_speed = !parsed.micro_no_speed;
            return Run([options](const bench::Context& context) {
              return bench::PoolMicro(options, context);
            });
          }};
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

void TakeCommon(const Parsed& parsed, Options& options) {
  options.log_level = ParseLogLevel(parsed.log_level);
  options.log_format = parsed.log_format == "json" ? LogFormat::kJson : LogFormat::kText;
  options.color = parsed.color == "always"  ? report::ColorChoice::kAlways
                  : parsed.color == "never" ? report::ColorChoice::kNever
                                            : report::ColorChoice::kAuto;
  options.seed = SeedOf(parsed.seed);
}

}  // namespace

Options ParseOptions(int argc, char** argv) {
  auto parsed = std::make_unique<Parsed>();
  CLI::App app("Measure, size and break connection pools.", "poolbench");
  app.set_version_flag("--version", "poolbench");
  app.footer(
      "Exit codes: 0 pass, 64 usage, 65 invalid input, 69 target unreachable, 70 internal error,\n"
      "73 output cannot be written, 75 run not valid, 99 a check failed, 130 interrupted.");
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--color", parsed->color, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  app.add_option("--log-level", parsed->log_level, "trace, debug, info, warn, error or off")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}));
  app.add_option("--log-format", parsed->log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  const std::vector<Verb> verbs{AddMicro(app, *parsed)};

  ParseOrExplain(app, argc, argv, parsed->options);
  Options options = parsed->options;
  if (options.done) return options;
  TakeCommon(*parsed, options);
  for (const Verb& verb : verbs) {
    if (!verb.command->parsed()) continue;
    options.verb = verb.command->get_name();
    options.run = verb.bind();
  }
  return options;
}

}  // namespace perf::tool
