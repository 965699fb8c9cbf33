// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/starter.hpp"

namespace perf::load {

namespace {

constexpr std::string_view kStarter =
    R"yaml(# A load test for perfkit. Run it with: perfctl run FILE
# Every key is explained in perfkit-scenario(5); perfctl validate FILE checks this file.

scenario: first

# Values that stand below as ${vars.NAME}; --set vars.text=Goodbye changes one for a run.
vars:
  text: Welcome

# What is put under load. `private` starts a real server for the run: here the built-in speech
# server. Set API_URL=http://127.0.0.1:8080, or write your URL here, to test your own service;
# a host other than this machine also needs: allow: [its-name]
targets:
  api:
    kind: http                     # or postgres, redis
    url: "${env.API_URL:-private}"
    pool: {max: 50}                # at most so many connections
    timeout: 2s                    # a request that takes longer has failed

# What one user or arrival does, step by step.
flows:
  visit:
    - name: greet
      http: {target: api, method: POST, path: /tts, json: {text: "${vars.text}", lang: en}}
      expect: {status: 200}        # anything else is counted as an error

# How much: 50 visits a second for 10 seconds, whether or not earlier ones have ended.
# `users: 20` instead of `rate` would be 20 users who each wait for their answers.
load:
  - {name: steady, flow: visit, rate: 50/s, for: 10s, warmup: 2s}

# What must hold, or perfctl ends with exit code 99.
thresholds:
  - "greet.latency: p(95) < 250ms"
  - "errors: rate < 1%"

# perfctl run --profile fast FILE takes a fifth of the time.
profiles:
  fast: {duration_scale: 0.2}
)yaml";

}  // namespace

std::string_view StarterScenario() noexcept { return kStarter; }

}  // namespace perf::load
