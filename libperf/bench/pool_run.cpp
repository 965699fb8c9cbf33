// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/pool_run.hpp"

#include <utility>

#include "libperf/bench/findings.hpp"

namespace perf::bench {
namespace {

Json Row(const load::PoolResult& pool) {
  Json row = Json::MakeObject();
  row["pool"] = pool.name;
  row["kind"] = pool.kind;
  row["max"] = pool.max;
  row["most_in_use"] = pool.most_in_use;
  row["most_waiting"] = pool.most_waiting;
  row["acquired"] = pool.acquired;
  row["waited"] = pool.waited;
  row["waited_share"] =
      pool.acquired > 0
          ? Json(static_cast<double>(pool.waited) / static_cast<double>(pool.acquired))
          : Json();
  row["dialled"] = pool.dialled;
  row["dial_failures"] = pool.dial_failures;
  row["discarded"] = pool.discarded;
  return row;
}

}  // namespace

load::Result PoolRun(const load::Scenario& scenario, const load::RunOptions& options) {
  Findings findings("poolbench", "run", scenario.seed);
  load::Result result = load::Run(scenario, options);
  for (const load::PoolResult& pool : result.pools) findings.AddRow(Row(pool));
  const bool interrupted = result.verdict == load::Verdict::kInterrupted;
  return findings.FinishOver(std::move(result), interrupted);
}

}  // namespace perf::bench
