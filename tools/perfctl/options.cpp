// SPDX-License-Identifier: Apache-2.0
// Of this program only this file includes CLI11: it costs seven seconds to compile.
#include "options.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "tools/common/command_line.hpp"
#include "tools/common/program.hpp"

namespace perf::tool {
namespace {

/// Raw words of the flags that need a second look.
struct Words {
  std::vector<std::string> sets;
  std::vector<std::string> headers;
  std::string seed;
  std::string rate;
  std::uint64_t connections = 0;
  std::uint64_t count = 0;
};

void AddRunFlags(CLI::App& app, RunFlags& flags, Words& words) {
  app.add_option("--out", flags.out,
                 "directory for the results (default: below $XDG_STATE_HOME/perfkit/runs)")
      ->type_name("DIR");
  app.add_flag("--json", flags.json,
               "print exactly result.json on standard output, and nothing else there");
  app.add_flag("-q,--quiet", flags.quiet, "no progress and no summary, only the verdict");
  app.add_option("--threads", flags.threads, "event loops, each on its own thread (default 1)")
      ->type_name("N")
      ->check(CLI::Range(1, 64));
  app.add_option("--seed", words.seed,
                 "seed of every random value (default: the scenario's, else 1)")
      ->type_name("N");
  app.add_option("--allow-host", flags.allow_hosts,
                 "allow load on this host, which is neither loopback nor private (repeatable)")
      ->type_name("HOST")
      ->take_all();
}

void AddOverlays(CLI::App& app, std::vector<std::string>& sets, std::string& profile) {
  app.add_option("--set", sets, "set a value of the scenario, such as vars.guests=10 (repeatable)")
      ->type_name("PATH=VALUE")
      ->take_all();
  app.add_option("--profile", profile, "lay a profile of the scenario over it")->type_name("NAME");
}

CLI::App* AddRun(CLI::App& app, RunCommand& run, Words& words) {
  CLI::App* command = app.add_subcommand("run", "run a scenario and judge it");
  command->add_option("file", run.scenario, "scenario in YAML; - reads standard input")
      ->required()
      ->type_name("FILE");
  AddRunFlags(*command, run.flags, words);
  AddOverlays(*command, words.sets, run.profile);
  return command;
}

void AddLoadFlags(CLI::App& app, OneLinerCommand& one, Words& words) {
  load::OneLiner& line = one.line;
  app.add_option("-r,--rate", words.rate, "open arrivals at this rate, such as 1000/s")
      ->type_name("RATE");
  app.add_option("-c,--connections", words.connections,
                 "so many users in a closed loop; with --rate the pool's size")
      ->type_name("N")
      ->check(CLI::Range(1, 10000));
  app.add_option("-n,--requests", words.count, "so many requests in all")
      ->type_name("N")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000'000}));
  app.add_option("-d,--duration", line.duration, "how long (default 10s); with -n at most so long")
      ->type_name("TIME");
  app.add_option("--warmup", line.warmup, "leave this first part out of the verdict")
      ->type_name("TIME");
  app.add_flag("--poisson", line.poisson,
               "space the arrivals of --rate at random instead of evenly");
  app.add_option("--threshold", line.thresholds,
                 "what must hold, such as 'latency: p(99) < 250ms' (repeatable)")
      ->type_name("EXPR")
      ->take_all();
  app.add_option("--timeout", line.timeout, "of one request")->type_name("TIME");
  app.add_flag("--print-scenario", one.print_scenario,
               "print the scenario that this stands for and end");
  AddRunFlags(app, one.flags, words);
}

CLI::App* AddHttp(CLI::App& app, OneLinerCommand& one, Words& words) {
  CLI::App* command = app.add_subcommand("http", "load an HTTP URL without a scenario file");
  load::OneLiner& line = one.line;
  command
      ->add_option("url", line.url,
                   "http:// or https:// URL, unix:///SOCKET[:/PATH], or 'private' for the built-in "
                   "speech server")
      ->required()
      ->type_name("URL");
  command->add_option("-m,--method", line.method, "method (default GET)")->type_name("METHOD");
  command->add_option("-H,--header", words.headers, "header 'Name: value' (repeatable)")
      ->type_name("HEADER")
      ->take_all();
  command->add_option("-b,--body", line.body, "request body")->type_name("TEXT");
  command->add_option("--client", line.client, "auto, native or curl")
      ->check(CLI::IsMember({"auto", "native", "curl"}));
  command->add_option("--http", line.http_version, "auto, 1.1 or 2")
      ->check(CLI::IsMember({"auto", "1.1", "2"}));
  command->add_option("--ca", line.ca_file, "certificates that are trusted")->type_name("FILE");
  command->add_flag("-k,--insecure", line.insecure, "do not verify the server's certificate");
  AddLoadFlags(*command, one, words);
  return command;
}

CLI::App* AddRedis(CLI::App& app, OneLinerCommand& one, Words& words) {
  CLI::App* command = app.add_subcommand("redis", "load a Redis server without a scenario file");
  command->add_option("url", one.line.url, "redis://, unix:// or rediss:// URL, or 'private'")
      ->required()
      ->type_name("URL");
  command->add_option("command", one.line.command, "command and its arguments (default PING)")
      ->type_name("WORD");
  command->add_option("-P,--pipeline", one.line.pipeline, "commands in one write (default 1)")
      ->type_name("N")
      ->check(CLI::Range(1, 10000));
  AddLoadFlags(*command, one, words);
  return command;
}

CLI::App* AddSql(CLI::App& app, OneLinerCommand& one, Words& words) {
  CLI::App* command = app.add_subcommand("sql", "load a PostgreSQL server without a scenario file");
  command->add_option("url", one.line.url, "postgres:// URL or conninfo, or 'private'")
      ->required()
      ->type_name("URL");
  command->add_option("query", one.line.query, "statement with $1, $2 … (default: select 1)")
      ->type_name("SQL");
  command->add_option("params", one.line.parameters, "its parameters")->type_name("VALUE");
  command->add_flag_callback(
      "--no-prepare", [&one] { one.line.prepared = false; },
      "do not prepare (PgBouncer in transaction mode)");
  AddLoadFlags(*command, one, words);
  return command;
}

void SplitHeaders(const Words& words, load::OneLiner& line) {
  for (const std::string& header : words.headers) {
    const std::size_t colon = header.find(':');
    if (colon == std::string::npos || colon == 0) {
      throw UsageError(fmt::format("--header {}: expected 'Name: value'", Excerpt(header, 40)));
    }
    line.headers.emplace_back(header.substr(0, colon),
                              Trim(std::string_view(header).substr(colon + 1)));
  }
}

CLI::App* AddDoctor(CLI::App& app, DoctorCommand& doctor) {
  CLI::App* command = app.add_subcommand("doctor", "say what would spoil a run on this machine");
  CLI::Option* json = command->add_flag("--json", doctor.json, "as JSON (perfkit.doctor/1)");
  command->add_flag("--plain", doctor.plain, "a check a line, fields between tabs")->excludes(json);
  return command;
}

CLI::App* AddExport(CLI::App& app, ExportCommand& wanted) {
  CLI::App* command = app.add_subcommand("export", "print files for other programs");
  command->require_subcommand(1);
  CLI::App* systemd = command->add_subcommand("systemd", "a unit that runs perfctl serve");
  systemd->add_option("--program", wanted.program, "absolute path of perfctl (default: this one)")
      ->type_name("FILE");
  systemd->add_option("--listen", wanted.listen, "also serve TCP here, such as 127.0.0.1:9464")
      ->type_name("ADDR");
  CLI::App* grafana = command->add_subcommand("grafana", "a dashboard of all metrics, as JSON");
  CLI::App* rules =
      command->add_subcommand("prometheus-rules", "alert rules as a rule file of Prometheus");
  rules->add_option("files", wanted.rules, "alert rules in YAML (default: those built in)")
      ->type_name("FILE");
  for (CLI::App* one : {systemd, grafana, rules}) {
    one->final_callback([&wanted, one] { wanted.what = one->get_name(); });
  }
  return command;
}

CLI::App* AddServe(CLI::App& app, ServeCommand& serve) {
  CLI::App* command = app.add_subcommand("serve", "watch and operate: the agent");
  command->add_option("--config", serve.config, "configuration file in YAML")->type_name("FILE");
  command
      ->add_option("--listen", serve.listen,
                   "also serve TCP here, such as 127.0.0.1:9464 (port 0: a free one)")
      ->type_name("ADDR");
  command
      ->add_option("--token-file", serve.token_file,
                   "names and bearer tokens, one a line, mode 0600")
      ->type_name("FILE");
  command->add_option("--tls-certificate", serve.certificate, "PEM file: TCP speaks TLS")
      ->type_name("FILE");
  command->add_option("--tls-key", serve.key, "PEM file of its private key")->type_name("FILE");
  command->add_option("--audit", serve.audit, "audit log (default: below $XDG_STATE_HOME/perfkit)")
      ->type_name("FILE");
  command
      ->add_option("--run-directory", serve.run_directory,
                   "where its socket stands (default: $XDG_RUNTIME_DIR/perfkit)")
      ->type_name("DIR");
  command->add_option("--name", serve.name, "shown for this agent (default: agent-PID)")
      ->type_name("NAME");
  return command;
}

CLI::App* AddConfig(CLI::App& app, ConfigCommand& config) {
  CLI::App* command = app.add_subcommand("config", "show or check what the agent is told");
  command->require_subcommand(1);
  CLI::App* show = command->add_subcommand("show", "effective values with their origin");
  CLI::App* check = command->add_subcommand("check", "only say whether all is valid");
  check->final_callback([&config] { config.check = true; });
  for (CLI::App* one : {show, check}) {
    one->add_option("--config", config.config, "configuration file in YAML")->type_name("FILE");
  }
  show->add_flag("--json", config.json, "as JSON");
  return command;
}

CLI::App* AddStatus(CLI::App& app, StatusCommand& status) {
  CLI::App* command =
      app.add_subcommand("status", "one screen of all agents and runs, worst first");
  command->add_option("--url", status.url, "ask this agent only: http://ADDRESS:PORT, unix:///PATH")
      ->type_name("URL");
  command
      ->add_option("--only", status.only, "one area: pools, caches, audio, system, load, targets")
      ->type_name("AREA");
  command->add_flag("--problems", status.problems, "leave out what is ok");
  CLI::Option* json = command->add_flag("--json", status.json, "as JSON (perfkit.status/1)");
  CLI::Option* plain =
      command->add_flag("--plain", status.plain, "a record a line, fields between tabs");
  plain->excludes(json);
  command->add_flag("--watch{2s}", status.watch, "draw anew, every 2s or --watch=TIME, until ^C")
      ->excludes(json)
      ->excludes(plain);
  return command;
}

struct Parsed {
  RunCommand run;
  OneLinerCommand http, redis, sql;
  InitCommand init;
  ValidateCommand validate;
  DoctorCommand doctor;
  ExportCommand wanted;
  ServeCommand serve;
  ConfigCommand config;
  StatusCommand status;
  Words words;
};

OneLinerCommand Finish(OneLinerCommand one, load::TargetKind kind, const Words& words) {
  one.line.kind = kind;
  one.flags.seed = SeedOf(words.seed);
  if (!words.rate.empty()) one.line.rate = words.rate;
  if (words.connections > 0) one.line.connections = words.connections;
  if (words.count > 0) one.line.count = words.count;
  SplitHeaders(words, one.line);
  return one;
}

}  // namespace

Options ParseOptions(int argc, char** argv) {
  auto parsed = std::make_unique<Parsed>();
  Words& words = parsed->words;
  CLI::App app("Load-test and operate the back ends of voice and AI services.", "perfctl");
  app.set_version_flag("--version", "perfctl");
  app.footer(
      "Exit codes: 0 pass, 64 usage, 65 invalid input, 69 target unreachable, 70 internal error,\n"
      "73 output cannot be written, 75 run not valid, 99 threshold failed, 130 interrupted.");
  app.require_subcommand(1);
  app.fallthrough();
  CommonFlags common;
  common.AddTo(app);
  const CLI::App* run = AddRun(app, parsed->run, words);
  const CLI::App* http = AddHttp(app, parsed->http, words);
  const CLI::App* redis = AddRedis(app, parsed->redis, words);
  const CLI::App* sql = AddSql(app, parsed->sql, words);
  CLI::App* init = app.add_subcommand("init", "write a commented first scenario");
  init->add_option("file", parsed->init.file, "where to (default: scenario.yaml)")
      ->type_name("FILE");
  init->add_flag("--force", parsed->init.force, "replace the file if it exists");
  CLI::App* validate = app.add_subcommand("validate", "check scenario files without running them");
  validate->add_option("files", parsed->validate.files, "YAML files; - is standard input")
      ->required()
      ->type_name("FILE");
  validate->add_option("--allow-host", parsed->validate.allow_hosts, "as in run")
      ->type_name("HOST")
      ->take_all();
  AddOverlays(*validate, words.sets, parsed->validate.profile);
  const CLI::App* doctor = AddDoctor(app, parsed->doctor);
  const CLI::App* wanted = AddExport(app, parsed->wanted);
  const CLI::App* serve = AddServe(app, parsed->serve);
  const CLI::App* config = AddConfig(app, parsed->config);
  const CLI::App* status = AddStatus(app, parsed->status);

  Options options;
  options.done = !ParseCommandLine(app, argc, argv, "command");
  if (options.done) return options;
  options.log_level = common.Level();
  options.log_format = common.Format();
  options.color = common.Color();
  if (run->parsed()) {
    parsed->run.sets = SplitSets(words.sets);
    parsed->run.flags.seed = SeedOf(words.seed);
    options.command = parsed->run;
  } else if (http->parsed()) {
    options.command = Finish(parsed->http, load::TargetKind::kHttp, words);
  } else if (redis->parsed()) {
    options.command = Finish(parsed->redis, load::TargetKind::kRedis, words);
  } else if (sql->parsed()) {
    options.command = Finish(parsed->sql, load::TargetKind::kPostgres, words);
  } else if (doctor->parsed()) {
    options.command = parsed->doctor;
  } else if (wanted->parsed()) {
    options.command = parsed->wanted;
  } else if (serve->parsed()) {
    options.command = parsed->serve;
  } else if (config->parsed()) {
    options.command = parsed->config;
  } else if (status->parsed()) {
    options.command = parsed->status;
  } else if (init->parsed()) {
    options.command = parsed->init;
  } else {
    parsed->validate.sets = SplitSets(words.sets);
    options.command = parsed->validate;
  }
  return options;
}

}  // namespace perf::tool
