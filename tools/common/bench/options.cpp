// SPDX-License-Identifier: Apache-2.0
// Of these programs only this file includes CLI11: it costs seven seconds to compile.
#include "tools/common/bench/options.hpp"

#include <CLI/CLI.hpp>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tools/common/command_line.hpp"

namespace perf::tool {
namespace {

/// The flags of a verb on CLI11.
class CliFlags final : public Flags {
 public:
  explicit CliFlags(CLI::App& command) : command_(command) {}
  void Positional(const char* name, std::string& word, const char* type,
                  const char* what) override {
    command_.add_option(name, word, what)->required()->type_name(type);
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

CLI::App* AddVerb(CLI::App& app, Verb& verb, BenchOptions& options, std::string& seed) {
  CLI::App* command = app.add_subcommand(verb.Name(), verb.What());
  CliFlags flags(*command);
  verb.Declare(flags);
  flags.Word("--out", options.out, "DIR",
             "directory for the results (default: below $XDG_STATE_HOME/perfkit/runs)");
  flags.Switch("--json", options.json,
               "print exactly result.json on standard output, and nothing else there");
  flags.Switch("-q,--quiet", options.quiet, "no progress and no tables, only the verdict");
  flags.Word("--seed", seed, "N", "seed of every random value (default 1)");
  return command;
}

}  // namespace

BenchOptions ParseBenchOptions(const BenchProgram& program, int argc, char** argv) {
  BenchOptions options;
  CommonFlags common;
  std::string seed_word;
  CLI::App app(program.what, program.name);
  app.set_version_flag("--version", program.name);
  app.footer(
      "Exit codes: 0 pass, 64 usage, 65 invalid input, 69 target unreachable, 70 internal error,\n"
      "73 output cannot be written, 75 run not valid, 99 a check failed, 130 interrupted.");
  app.require_subcommand(1);
  app.fallthrough();
  common.AddTo(app);
  std::vector<std::pair<std::shared_ptr<Verb>, CLI::App*>> verbs;
  for (std::unique_ptr<Verb>& each : program.verbs()) {
    std::shared_ptr<Verb> verb = std::move(each);
    CLI::App* command = AddVerb(app, *verb, options, seed_word);
    verbs.emplace_back(std::move(verb), command);
  }

  options.done = !ParseCommandLine(app, argc, argv, "verb");
  if (options.done) return options;
  options.log_level = common.Level();
  options.log_format = common.Format();
  options.color = common.Color();
  const std::optional<std::uint64_t> seed = SeedOf(seed_word);
  options.seed = seed.value_or(1);
  for (const auto& [verb, command] : verbs) {
    if (!command->parsed()) continue;
    options.verb = verb->Name();
    options.run = verb->Bind(seed);
    options.stdout_taken = verb->TakesStdout();
    if (options.stdout_taken && options.json) {
      throw UsageError("--json needs standard output for itself");
    }
    options.advice = [verb = verb](const load::Result& result) { return verb->Advice(result); };
  }
  return options;
}

}  // namespace perf::tool
