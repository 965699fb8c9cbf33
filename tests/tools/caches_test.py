# SPDX-License-Identifier: Apache-2.0
"""Caches in scenarios, run by the real perfctl with real servers."""
import unittest

import harness
from harness import SOURCE, PerfctlCase

HEAD = """
scenario: caches
targets:
  kv: {kind: redis, url: private, pool: {max: 5}}
  web: {kind: http, url: private}
caches:
  near: {policy: lru, entries: 100, ttl: 30s}
  far: {entries: 0, bytes: 0, ttl: 30s, redis: kv, compression: zstd, soft_timeout: 5s, hard_timeout: 5s}
  both: {entries: 100, ttl: 30s, redis: kv}
  safe: {entries: 100, ttl: 1ms, fail_safe: 30s}
setup:
  - redis: {target: kv, commands: ["SET source 41", "SET text hello", "HSET row name Ada"]}
"""


@unittest.skipUnless(harness.has_redis(), "no Redis is installed")
class Caches(PerfctlCase):
    def run_flow(self, steps, load="iterations: 1", codes=(0, 75), more="", args=()):
        text = f"{HEAD}{more}flows:\n  f:\n{steps}load: [{{flow: f, {load}}}]\n"
        done = self.perfctl("run", self.file("caches.yaml", text), "--json", *args)
        self.assertIn(done.code, codes, done.err + done.out[:3000])
        return done.json

    def assert_all_well(self, result):
        self.assertEqual(result["requests"]["failed"], 0, result["failures"])

    def test_every_action_in_one_level(self):
        result = self.run_flow("""
    - {name: a, cache: {cache: near, get: k}, expect: {hit: false, value: null}}
    - {name: b, cache: {cache: near, get_or_set: k, from: {name: source, redis: {target: kv, command: GET source}}},
       expect: {hit: false, tier: source, value: 41}}
    - {name: c, cache: {cache: near, get_or_set: k, from: {redis: {target: kv, command: GET nothing}}},
       expect: {hit: true, tier: l1, value: 41, stale: false}, capture: {n: ""}}
    - {name: d, cache: {cache: near, set: "k${n}", json: {n: "${n}"}, tags: [t]}}
    - {name: e, cache: {cache: near, get: k41}, expect: {hit: true, value: {n: 41}}}
    - {name: f, cache: {cache: near, invalidate_tag: t}}
    - {name: g, cache: {cache: near, get: k41}, expect: {hit: false}}
    - {name: h, cache: {cache: near, remove: k}}
    - {name: i, cache: {cache: near, get: k}, expect: {hit: false}}
    - {name: j, cache: {cache: near, set: z, value: "007", ttl: 10s}}
    - {name: k, cache: {cache: near, get: z}, expect: {value: "007"}}
""")
        self.assert_all_well(result)
        near = result["caches"]["near"]
        self.assertEqual((near["lookups"], near["l1_hits"], near["loads"]), (7, 3, 1))
        self.assertEqual((near["sets"], near["removes"], near["invalidations"]), (2, 1, 1))
        self.assertAlmostEqual(near["hit_ratio"], 3 / 7)
        self.assertIsNone(near["l2"])
        self.assertIsNone(result["caches"]["far"]["hit_ratio"])
        steps = result["flows"]["f"]["steps"]
        # The source is measured as what it is, and only where it was asked.
        self.assertEqual(steps["source"]["requests"]["total"], 1)
        self.assertEqual(steps["redis1"]["requests"]["total"], 0)
        self.assertEqual(steps["b"]["requests"]["total"], 1)
        self.assertEqual(result["requests"]["total"], 12)

    def test_the_second_tier_answers_what_memory_does_not(self):
        result = self.run_flow("""
    - {cache: {cache: far, get_or_set: other, from: {redis: {target: kv, command: GET text}}},
       expect: {tier: source, value: hello}}
    # A set is over when the second tier has it.
    - {cache: {cache: far, set: k, tags: [t], value: hello}}
    - {cache: {cache: far, get: k}, expect: {tier: l2, value: hello}}
    - {cache: {cache: far, get_or_set: k, tags: [t], from: {redis: {target: kv, command: GET nothing}}},
       expect: {hit: true, tier: l2}}
    - {cache: {cache: far, invalidate_tag: t}}
    - {cache: {cache: far, get: k}, expect: {hit: false}}
    - {cache: {cache: both, set: k, value: v}}
    - {cache: {cache: both, get: k}, expect: {hit: true, value: v}}
    - {cache: {cache: both, remove: k}}
    - {cache: {cache: both, get: k}, expect: {hit: false}}
""")
        self.assert_all_well(result)
        far = result["caches"]["far"]
        self.assertEqual((far["lookups"], far["l1_hits"], far["l2_hits"], far["loads"]), (4, 0, 2, 1))
        self.assertEqual(far["l2_hit_ratio"], 0.5)
        self.assertTrue(far["l2"]["reachable"])
        self.assertTrue(far["l2"]["coherent"])
        self.assertEqual(far["l2"]["undecodable"], 0)

    def test_a_herd_loads_once(self):
        result = self.run_flow("""
    - {name: look, cache: {cache: near, get_or_set: k, from:
        {name: source, redis: {target: kv, command: [BLPOP, never, 0.3]}}}}
""", load="users: 50, iterations: 50")
        self.assert_all_well(result)
        near = result["caches"]["near"]
        self.assertEqual(near["lookups"], 50)
        # Nothing was found, and is not kept: who came when the load was over loaded again.
        self.assertEqual(near["loads"] + near["coalesced"] + near["l1_hits"], 50)
        self.assertLess(near["loads"], 10)

    def test_hit_ratio_of_many_users_and_its_threshold(self):
        steps = """
    - set: {id: "${rand.zipf(200, 1.0)}"}
    - {name: look, cache: {cache: both, get_or_set: "g:${id}", tags: ["g:${id}"], from:
        {name: source, redis: {target: kv, command: [ECHO, "guest ${id}"]}}}, capture: {text: ""}}
    - {name: same, redis: {target: kv, command: [ECHO, "${text}"]}, expect: {time: 10s}}
"""
        for limit, codes in (("> 50%", (0, 75)), ("> 99.99%", (99, 75))):
            with self.subTest(limit=limit):
                result = self.run_flow(steps, load="users: 8, iterations: 4000", codes=codes,
                                       more=f"thresholds: ['caches.both.hit_ratio: value {limit}', 'errors: rate == 0%']\n",
                                       args=("--threads", "2"))
                self.assert_all_well(result)
                both = result["caches"]["both"]
                self.assertEqual(both["lookups"], 4000)
                self.assertEqual(both["l1_hits"] + both["l2_hits"] + both["loads"] + both["coalesced"], 4000)
                # Each of the 200 is loaded once: what memory loses stays in Redis.
                self.assertLessEqual(both["loads"], 250)
                self.assertGreater(both["l1_hits"], both["l2_hits"])
                self.assertEqual(result["thresholds"][0]["observed"], both["hit_ratio"])
                self.assertEqual(result["flows"]["f"]["steps"]["source"]["requests"]["total"], both["loads"])

    def test_a_source_that_fails(self):
        result = self.run_flow("""
    - {name: bad, cache: {cache: near, get_or_set: k, from: {name: source, redis: {target: kv, command: HGET source x}}},
       on_failure: continue}
    - {cache: {cache: near, get: k}, expect: {hit: false}}
    - {cache: {cache: safe, get_or_set: k, from: {redis: {target: kv, command: GET text}}}, expect: {value: hello}}
    - sleep: 20ms
    - {name: rescued, cache: {cache: safe, get_or_set: k, from: {name: broken, redis: {target: kv, command: HGET source x}}},
       expect: {stale: true, value: hello}}
""", more="thresholds: ['errors: rate < 60%']\n")
        failures = {sample["step"]: sample for sample in result["failures"]}
        self.assertEqual(set(failures), {"bad", "source", "broken"})
        self.assertEqual(failures["bad"]["kind"], "status")
        self.assertIn("source: ", failures["bad"]["text"])
        self.assertEqual(result["caches"]["near"]["errors"], 1)
        self.assertEqual(result["caches"]["safe"]["fail_safe"], 1)
        self.assertEqual(result["caches"]["safe"]["stale_hits"], 1)

    def test_a_second_tier_that_is_cut_off_does_not_fail_the_run(self):
        result = self.run_flow("""
    - {name: look, cache: {cache: both, get_or_set: "k${rand.int(1,300)}", from: {name: source, http: {target: web, method: POST, path: /tts, json: {text: hi}}}}}
""", load="rate: 100/s, for: 5s", more="faults: [{at: 1s, for: 2s, target: kv, blackhole: true}]\n")
        look = result["flows"]["f"]["steps"]["look"]
        self.assertEqual(look["requests"]["failed"], 0, result["failures"])
        # The hard timeout is 250 ms; the rest is for a slow machine.
        self.assertLess(look["service_time"]["max_ms"], 2000)
        self.assertTrue(result["caches"]["both"]["l2"]["reachable"])

    def test_the_terminal_has_a_line_for_each_cache(self):
        text = HEAD + ("flows:\n  f: [{cache: {cache: both, get_or_set: k, from: {redis: {target: kv, command: GET text}}}}]\n"
                       "load: [{flow: f, iterations: 10}]\n")
        done = self.perfctl("run", self.file("caches.yaml", text))
        self.assertIn(done.code, (0, 75), done.err)
        self.assertRegex(done.out, r"both: [89]0\.0 % of 10 look-ups hit")
        self.assertIn("near: - of 0 look-ups hit", done.out)

    def test_hits_leave_room_for_others_on_the_loop(self):
        text = HEAD + ("flows:\n"
                       "  busy: [{repeat: {times: 1000000, steps: [{cache: {cache: near, get: k}}]}}]\n"
                       "  other: [{redis: {target: kv, command: PING}}]\n"
                       "load:\n"
                       "  - {flow: busy, users: 1, for: 2s, drain: 100ms}\n"
                       "  - {flow: other, users: 1, for: 2s, pacing: 10ms}\n")
        done = self.perfctl("run", self.file("caches.yaml", text), "--json")
        self.assertIn(done.code, (0, 75), done.err)
        # One that never waits for anything has its turns, and no more.
        self.assertGreater(done.json["flows"]["other"]["requests"]["total"], 20)
        self.assertLess(done.json["generator"]["longest_stall_ms"], 1000)

    def test_what_was_warmed_up_does_not_count(self):
        result = self.run_flow("""
    - {name: look, cache: {cache: near, get_or_set: k, from: {redis: {target: kv, command: GET text}}}}
""", load="rate: 50/s, for: 3s, warmup: 1s")
        self.assertEqual(result["caches"]["near"]["hit_ratio"], 1)
        self.assertEqual(result["caches"]["near"]["loads"], 0)


@unittest.skipUnless(harness.has_redis() and harness.has_postgres(), "Redis or PostgreSQL is not installed")
class Guests(PerfctlCase):
    def test_the_shipped_scenario(self):
        done = self.perfctl("run", f"{SOURCE}/scenarios/cache-guests.yaml", "--profile", "fast", "--json")
        self.assertIn(done.code, (0, 75), done.err + done.out[:2000])
        guests = done.json["caches"]["guests"]
        self.assertEqual(done.json["requests"]["failed"], 0, done.json["failures"])
        self.assertGreater(guests["hit_ratio"], 0.6)
        self.assertGreater(guests["l2_hits"], 0)
        self.assertGreater(guests["invalidations"], 0)
        self.assertLessEqual(guests["entries"], 500)


if __name__ == "__main__":
    harness.main()
