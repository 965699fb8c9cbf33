// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/status_view.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>

#include "libperf/base/text.hpp"
#include "libperf/report/status_text.hpp"
#include "libperf/report/terminal_text.hpp"
#include "tests/report/status_example.hpp"

using namespace perf;
using namespace perf::report;

namespace {

const Style kPlain(ColorChoice::kNever, 1), kColors(ColorChoice::kAlways, 1);

StatusView Wide(std::size_t width) {
  StatusView view;
  view.width = width;
  return view;
}

/// Shows both where they differ: doctest escapes the line ends of strings.
void CheckScreen(const std::string& seen, const std::string& wanted) {
  INFO("seen:\n" << seen << "wanted:\n" << wanted);
  CHECK((seen == wanted));
}

std::size_t Count(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++count;
  return count;
}

}  // namespace

TEST_CASE("status view: 80 columns") {
  CheckScreen(StatusScreen(test::StatusExample(), Wide(80), kPlain),
              R"(perfctl 0.4.0 · prod-eu-1 · agent up 3d 4h · sampled 2 s ago (every 10 s)

  CRITICAL   1 critical · 2 warnings · 1 alert · 11 of 14 checks ok

  AREA    STATE     NAME         READINGS                             15 MIN
  pools   CRITICAL  pg-main      used 20/20  waiting 14  p99 1.84 s   ▁▁▂▃▅▇█
          ok        redis        used  6/32  waiting  0  p99 400 µs   ▁▁▁▁▁▁▁
  caches  WARNING   tts-audio    hit 61.2 % (want 70 %)    1.9/2 GiB  █▇▆▆▄▂▁
          ok        sessions     hit 98.4 %              212/512 MiB  ▁▁▁▁▁▁▁
  audio   WARNING   encode       RTF 0.74 (want 0.7)  late 0.02 %     ▁▁▃▃▅██
  system  ok        host         cpu 41 %  psi 0.3 %  mem 9.1/32 GiB  ▁▂▃▃█ ▃
  load    ok        voice-turns  last run 14:02 PASS  p99 612 ms

  CRITICAL  PoolSaturated  pg-main  for 4 m
            20/20 used, 14 waiting (limit 90 %)
            runbook: https://runbooks.example/PoolSaturated
            next: perfctl pools show pg-main
)");
}

TEST_CASE("status view: at 60 columns sparks go, then the last readings") {
  CheckScreen(StatusScreen(test::StatusExample(), Wide(60), kPlain),
              R"(perfctl 0.4.0 · prod-eu-1 · agent up 3d 4h · sampled 2 s ago

  CRITICAL   1 critical · 2 warnings · 1 alert

  AREA    STATE     NAME         READINGS
  pools   CRITICAL  pg-main      used 20/20  waiting 14
          ok        redis        used  6/32  waiting  0
  caches  WARNING   tts-audio    hit 61.2 % (want 70 %)
          ok        sessions     hit 98.4 %
  audio   WARNING   encode       RTF 0.74 (want 0.7)
  system  ok        host         cpu 41 %  psi 0.3 %
  load    ok        voice-turns  last run 14:02 PASS

  CRITICAL  PoolSaturated  pg-main  for 4 m
            20/20 used, 14 waiting (limit 90 %)
            runbook: https://runbooks.example/PoolSaturated
            next: perfctl pools show pg-main
)");
}

TEST_CASE("status view: at 120 columns an alert takes fewer lines") {
  CheckScreen(StatusScreen(test::StatusExample(), Wide(120), kPlain),
              R"(perfctl 0.4.0 · prod-eu-1 · agent up 3d 4h · sampled 2 s ago (every 10 s)

  CRITICAL   1 critical · 2 warnings · 1 alert · 11 of 14 checks ok

  AREA    STATE     NAME         READINGS                             15 MIN
  pools   CRITICAL  pg-main      used 20/20  waiting 14  p99 1.84 s   ▁▁▂▃▅▇█
          ok        redis        used  6/32  waiting  0  p99 400 µs   ▁▁▁▁▁▁▁
  caches  WARNING   tts-audio    hit 61.2 % (want 70 %)    1.9/2 GiB  █▇▆▆▄▂▁
          ok        sessions     hit 98.4 %              212/512 MiB  ▁▁▁▁▁▁▁
  audio   WARNING   encode       RTF 0.74 (want 0.7)  late 0.02 %     ▁▁▃▃▅██
  system  ok        host         cpu 41 %  psi 0.3 %  mem 9.1/32 GiB  ▁▂▃▃█ ▃
  load    ok        voice-turns  last run 14:02 PASS  p99 612 ms

  CRITICAL  PoolSaturated  pg-main  for 4 m   20/20 used, 14 waiting (limit 90 %)
            runbook: https://runbooks.example/PoolSaturated   next: perfctl pools show pg-main
)");
}

TEST_CASE("status view: ASCII") {
  StatusView view = Wide(80);
  view.utf8 = false;
  CheckScreen(StatusScreen(test::StatusExample(), view, kPlain),
              R"(perfctl 0.4.0 - prod-eu-1 - agent up 3d 4h - sampled 2 s ago (every 10 s)

  CRITICAL   1 critical - 2 warnings - 1 alert - 11 of 14 checks ok

  AREA    STATE     NAME         READINGS                             15 MIN
  pools   CRITICAL  pg-main      used 20/20  waiting 14  p99 1.84 s   ...:-=#
          ok        redis        used  6/32  waiting  0  p99 400 us   .......
  caches  WARNING   tts-audio    hit 61.2 % (want 70 %)    1.9/2 GiB  #=--:..
          ok        sessions     hit 98.4 %              212/512 MiB  .......
  audio   WARNING   encode       RTF 0.74 (want 0.7)  late 0.02 %     ..::-##
  system  ok        host         cpu 41 %  psi 0.3 %  mem 9.1/32 GiB  ..::# :
  load    ok        voice-turns  last run 14:02 PASS  p99 612 ms

  CRITICAL  PoolSaturated  pg-main  for 4 m
            20/20 used, 14 waiting (limit 90 %)
            runbook: https://runbooks.example/PoolSaturated
            next: perfctl pools show pg-main
)");
}

TEST_CASE("status view: one screen leaves out what is ok, and says so") {
  StatusView view = Wide(80);
  view.height = 16;
  const std::string screen = StatusScreen(test::StatusExample(), view, kPlain);
  CheckScreen(screen, R"(perfctl 0.4.0 · prod-eu-1 · agent up 3d 4h · sampled 2 s ago (every 10 s)

  CRITICAL   1 critical · 2 warnings · 1 alert · 11 of 14 checks ok

  AREA    STATE     NAME       READINGS                            15 MIN
  pools   CRITICAL  pg-main    used 20/20  waiting 14  p99 1.84 s  ▁▁▂▃▅▇█
  caches  WARNING   tts-audio  hit 61.2 % (want 70 %)  1.9/2 GiB   █▇▆▆▄▂▁
  audio   WARNING   encode     RTF 0.74 (want 0.7)  late 0.02 %    ▁▁▃▃▅██
  … and 4 more, all ok

  CRITICAL  PoolSaturated  pg-main  for 4 m
            20/20 used, 14 waiting (limit 90 %)
            runbook: https://runbooks.example/PoolSaturated
            next: perfctl pools show pg-main
)");
  view.height = 18;
  CHECK(Count(StatusScreen(test::StatusExample(), view, kPlain), "\n") <= 18);
}

TEST_CASE("status view: stale") {
  StatusDocument document = test::StatusExample();
  document.agents[0].sampled_age_s = 180;
  CheckScreen(StatusScreen(document, Wide(80), kPlain),
              R"(perfctl 0.4.0 · prod-eu-1 · STALE: sampled 3 m ago · agent up 3d 4h

  UNKNOWN    7 unknown · 1 alert · 11 of 14 checks ok

  AREA    STATE      NAME         READINGS                             15 MIN
  pools   STALE 3 m  pg-main      used 20/20  waiting 14  p99 1.84 s   ▁▁▂▃▅▇█
          STALE 3 m  redis        used  6/32  waiting  0  p99 400 µs   ▁▁▁▁▁▁▁
  caches  STALE 3 m  tts-audio    hit 61.2 % (want 70 %)    1.9/2 GiB  █▇▆▆▄▂▁
          STALE 3 m  sessions     hit 98.4 %              212/512 MiB  ▁▁▁▁▁▁▁
  audio   STALE 3 m  encode       RTF 0.74 (want 0.7)  late 0.02 %     ▁▁▃▃▅██
  system  STALE 3 m  host         cpu 41 %  psi 0.3 %  mem 9.1/32 GiB  ▁▂▃▃█ ▃
  load    STALE 3 m  voice-turns  last run 14:02 PASS  p99 612 ms

  CRITICAL  PoolSaturated  pg-main  for 4 m
            20/20 used, 14 waiting (limit 90 %)
            runbook: https://runbooks.example/PoolSaturated
            next: perfctl pools show pg-main
)");
  // The word stays on the narrowest screen, and colour only repeats it.
  CHECK(StatusScreen(document, Wide(40), kPlain).find("STALE") != std::string::npos);
  CHECK(Count(StatusScreen(document, Wide(80), kColors), "\x1b[2mSTALE 3 m") == 7);
}

TEST_CASE("status view: plain") {
  CheckScreen(StatusPlain(test::StatusExample(), StatusView()), R"(overall	CRITICAL
agent	prod-eu-1	ok	agent	0.4.0	273605	2	
row	pools	CRITICAL	pg-main	prod-eu-1	used=20/20	waiting=14	p99=1.84
row	pools	ok	redis	prod-eu-1	used=6/32	waiting=0	p99=0.0004
row	caches	WARNING	tts-audio	prod-eu-1	hit=0.612	2040109465.6/2147483648
row	caches	ok	sessions	prod-eu-1	hit=0.984	222298112/536870912
row	audio	WARNING	encode	prod-eu-1	RTF=0.74	late=0.0002
row	system	ok	host	prod-eu-1	cpu=0.41	psi=0.003	mem=9771050598.4/34359738368
row	load	ok	voice-turns	prod-eu-1	last run=14:02 PASS	p99=0.612
alert	CRITICAL	PoolSaturated	pg-main	prod-eu-1	firing	240	20/20 used, 14 waiting (limit 90 %)	https://runbooks.example/PoolSaturated	perfctl pools show pg-main
)");
}

TEST_CASE("status view: words carry the state, colour repeats it") {
  const std::string screen = StatusScreen(test::StatusExample(), Wide(80), kColors);
  CHECK(screen.find("pools   \x1b[31;1mCRITICAL\x1b[0m  pg-main") != std::string::npos);
  CHECK(screen.find("\x1b[33;1mWARNING\x1b[0m") != std::string::npos);
  std::string bare = screen;
  for (std::size_t at = 0; (at = bare.find('\x1b')) != std::string::npos;) {
    bare.erase(at, bare.find('m', at) - at + 1);
  }
  CheckScreen(bare, StatusScreen(test::StatusExample(), Wide(80), kPlain));
}

TEST_CASE("status view: no line of the table is wider than the screen") {
  for (std::size_t width = 40; width <= 140; ++width) {
    const std::string screen = StatusScreen(test::StatusExample(), Wide(width), kPlain);
    const std::string table = screen.substr(0, screen.find("PoolSaturated"));
    for (const std::string_view line : Split(table, '\n')) {
      INFO(width << ": " << line);
      CHECK(DisplayWidth(line) <= width);
    }
  }
}

TEST_CASE("status view: problems alone, one area alone, and where there are none") {
  StatusView view = Wide(80);
  view.problems = true;
  CHECK(StatusScreen(test::StatusExample(), view, kPlain).find("redis") == std::string::npos);
  CHECK(StatusPlain(test::StatusExample(), view).find("\tok\thost") == std::string::npos);
  view.only = "load";
  CHECK(StatusScreen(test::StatusExample(), view, kPlain).find("\n  no problems in load\n") !=
        std::string::npos);
  view.problems = false;
  const std::string load = StatusScreen(test::StatusExample(), view, kPlain);
  CHECK(load.find("voice-turns") != std::string::npos);
  CHECK(load.find("pg-main") == std::string::npos);
  view.only = "targets";
  CHECK(StatusScreen(test::StatusExample(), view, kPlain).find("\n  no targets\n") !=
        std::string::npos);
}

TEST_CASE("status view: without an agent, and without anything") {
  StatusDocument document;
  document.tool_version = "0.4.0";
  document.source = "self";
  CheckScreen(StatusScreen(document, Wide(80), kPlain),
              R"(perfctl 0.4.0 · no agent is running · looked itself

  UNKNOWN

  nothing to show; start an agent by: perfctl serve
)");
  // A note says more than the sentence would, and who was not looked at is not told of.
  document.source = "agents";
  document.notes = {"no agent was found"};
  CheckScreen(StatusScreen(document, Wide(80), kPlain),
              R"(perfctl 0.4.0 · no agent is running

  UNKNOWN

  nothing to show

  no agent was found
)");
  document.notes.clear();
  document.source = "self";
  document.machine_only = true;
  document.rows = {{"system",
                    "",
                    StatusState::kOk,
                    "host",
                    {{"cpu", 0.41, StatusUnit::kRatio, {}, {}, ""}},
                    "",
                    {}}};
  CheckScreen(StatusScreen(document, Wide(80), kPlain),
              R"(perfctl 0.4.0 · no agent is running · looked itself · machine only

  ok         1 of 1 ok

  AREA    STATE     NAME  READINGS
  system  ok        host  cpu 41 %

  No target is named: set DATABASE_URL, REDIS_URL or SPEECH_URL, or name
  targets in perfkit.yaml; perfctl serve keeps watching them.
)");
}

TEST_CASE("status view: several agents are listed, and rows name theirs where it is in doubt") {
  StatusDocument document = test::StatusExample();
  StatusAgent run;
  run.name = "run-17";
  run.kind = "run";
  run.error = "connection refused";
  document.agents.push_back(run);
  const std::string screen = StatusScreen(document, Wide(80), kPlain);
  CHECK(
      screen.starts_with("perfctl 0.4.0 · 2 agents\n  run-17 · run does not answer: connection "
                         "refused\n  prod-eu-1 · agent up 3d 4h"));
  CHECK(screen.find("@prod-eu-1") == std::string::npos);
  document.rows.push_back({"pools", "run-17", StatusState::kOk, "pg-main", {}, "", {}});
  const std::string both = StatusScreen(document, Wide(80), kPlain);
  CHECK(both.find("pg-main @prod-eu-1") != std::string::npos);
  CHECK(both.find("pg-main @run-17") != std::string::npos);
}

TEST_CASE("status view: names and texts of others cannot command the terminal or break a record") {
  StatusDocument document = test::StatusExample();
  for (StatusRow& row : document.rows) row.name = "x\x1b]0;owned\x07\ty\nz";
  document.alerts[0].text = document.agents[0].name = document.rows[0].name;
  document.rows[0].readings[0].text = document.rows[0].name;
  document.rows[0].readings[0].name = document.rows[0].name;
  document.agents[0].kind = document.rows[0].name;
  document.notes = {document.rows[0].name};
  for (const std::string& shown :
       {StatusScreen(document, Wide(80), kPlain), StatusPlain(document, StatusView())}) {
    CHECK(shown.find('\x1b') == std::string::npos);
    CHECK(shown.find('\x07') == std::string::npos);
    CHECK(shown.find("\nz") == std::string::npos);
  }
  CHECK(Count(StatusPlain(document, StatusView()), "\n") == 11);
}

TEST_CASE("status view: many alerts keep to a third of the screen") {
  StatusDocument document = test::StatusExample();
  for (int i = 0; i < 40; ++i) document.alerts.push_back(document.alerts[0]);
  StatusView view = Wide(100);
  view.height = 40;
  const std::string screen = StatusScreen(document, view, kPlain);
  CHECK(Count(screen, "\n") <= 40);
  CHECK(screen.find("more: perfctl alerts\n") != std::string::npos);
}

TEST_CASE("status text: values as people read them") {
  const auto shown = [](double value, StatusUnit unit, std::optional<double> limit = {}) {
    return ShownValue({"x", value, unit, limit, {}, ""});
  };
  CHECK(shown(14, StatusUnit::kNone) == "14");
  CHECK(shown(1'234'567, StatusUnit::kNone) == "1.23M");
  CHECK(shown(0.74, StatusUnit::kNone) == "0.74");
  CHECK(shown(1.84, StatusUnit::kSeconds) == "1.84 s");
  CHECK(shown(0.612, StatusUnit::kRatio) == "61.2 %");
  CHECK(shown(1.9 * 1073741824, StatusUnit::kBytes, 2147483648.0) == "1.9/2 GiB");
  CHECK(shown(512.0 * 1024, StatusUnit::kBytes, 1073741824.0) == "512 KiB/1 GiB");
  CHECK(shown(198, StatusUnit::kPerSecond) == "198/s");
  CHECK(ShownValue({"x", {}, StatusUnit::kSeconds, {}, {}, ""}) == "-");
  CHECK(ShownAge(2) == "2 s");
  CHECK(ShownAge(59.7) == "1 m");
  CHECK(ShownAge(3'600) == "1 h");
  CHECK(ShownAge(1e300) == "1000000 d");
  CHECK(ShownUptime(-1) == "0 s");
  CHECK(ShownUptime(725) == "12m 5s");
}
