// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/pool_run.hpp"

#include <utility>

#include "libperf/bench/findings.hpp"

namespace perf::bench {
namespace {

void AddRow(const load::PoolResult& pool, Findings& findings) {
  const double share = static_cast<double>(pool.waited) / static_cast<double>(pool.acquired);
  findings.AddRow({{"pool", pool.name},
                   {"kind", pool.kind},
                   {"max", pool.max},
                   {"most_in_use", pool.most_in_use},
                   {"most_waiting", pool.most_waiting},
                   {"acquired", pool.acquired},
                   {"waited", pool.waited},
                   {"waited_share", pool.acquired > 0 ? Json(share) : Json()},
                   {"dialled", pool.dialled},
                   {"dial_failures", pool.dial_failures},
                   {"discarded", pool.discarded}});
}

}  // namespace

load::Result PoolRun(const load::Scenario& scenario, const load::RunOptions& options) {
  Findings findings("poolbench", "run", scenario.seed);
  load::Result result = load::Run(scenario, options);
  for (const load::PoolResult& pool : result.pools) AddRow(pool, findings);
  const bool interrupted = result.verdict == load::Verdict::kInterrupted;
  return findings.FinishOver(std::move(result), interrupted);
}

}  // namespace perf::bench
