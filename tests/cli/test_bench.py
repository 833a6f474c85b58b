"""`saltus bench`: the floor of a step, what the step takes, where the time goes."""
import json
import os
import unittest

from command import HERE, SMALL, CommandTest

QUICK = ["--rounds", "3", "--steps", "20"]


class Bench(CommandTest):
    def measured(self, *args, config=SMALL):
        return json.loads(self.saltus("bench", config, *QUICK, "--json", *args)[0])

    def test_no_step_is_faster_than_its_floor(self):
        for config in (SMALL, os.path.join(HERE, "regression.yaml")):
            told = self.measured(config=config)
            floor = told["floor"]
            self.assertTrue(floor["counted"])
            self.assertEqual(floor["bytes"], floor["parameter_bytes"] + floor["example_bytes"] + floor["kept_bytes"])
            self.assertAlmostEqual(floor["ms"], max(floor["compute_ms"], floor["bytes_ms"]))
            self.assertAlmostEqual(floor["compute_ms"], 1e3 * floor["flops"] / told["peaks"]["multiply_add_flops"])
            self.assertGreater(floor["best_ratio"], 1)
            self.assertLess(told["peaks"]["product_flops"], 1.3 * told["peaks"]["multiply_add_flops"])  # 1, but for noise
            self.assertGreaterEqual(floor["ratio"], floor["best_ratio"])
            self.assertLess(floor["flops"], told["flops"])  # what is done is more than what is needed

    def test_a_departure_that_nobody_counted_is_said_to_be_one(self):
        told = self.measured("model.layer_norm=true")
        self.assertFalse(told["floor"]["counted"])
        self.assertGreaterEqual(told["floor"]["flops"], told["flops"])
        self.assertIsNone(told["floor"]["kept_bytes"])
        out, _ = self.saltus("bench", SMALL, *QUICK, "model.layer_norm=true")
        self.assertIn("nobody has counted it for this system, so the plan's operations", out)

    def test_text_shows_floor_parts_and_instructions(self):
        out, _ = self.saltus("bench", SMALL, *QUICK, "--instructions", "4")
        self.assertRegex(out, r"\nwhat a step needs at least, by the system's own count\n  operations +[\d.]+ MFLOP")
        self.assertRegex(out, r"\n  floor +[\d.]+ ms, bound by (operations|bytes); measured: median [\d.]+, best [\d.]+ times as long\n")
        rows = out.split("dearest instructions")[1].split("\n\n")[0].strip().split("\n")[1:]
        self.assertEqual(len(rows), 4)
        self.assertRegex(rows[0], r"^  \w+ +[\d.]+ +2 +[\d.]+ +[\d.]+%  \[.*\] -> \[.*\]")
        self.assertRegex(out, r"\n  evaluation +[\d.]+ +[\d.]+%  [\d.]+ ms each\n  recording +[\d.]+ +[\d.]+%")
        self.assertEqual(os.listdir(self.dir), [])  # what was recorded to be timed is gone

    def test_recording_is_as_often_as_the_config_says(self):
        often, seldom = (self.measured(f"eval.every={n}", "steps=1000")["recording_ms"] for n in (1, 1000))
        self.assertAlmostEqual(often["evaluation_per_step"], often["evaluation"])
        self.assertAlmostEqual(seldom["evaluation_per_step"], seldom["evaluation"] / 1000)

    def test_instructions_are_the_dearest_first_and_are_those_of_the_ops(self):
        told = self.measured("--instructions", "1000")
        ms = [i["ms"] for i in told["instructions"]]
        self.assertEqual(ms, sorted(ms, reverse=True))
        self.assertEqual(sum(i["flops"] for i in told["instructions"]), told["flops"])
        self.assertEqual(sum(i["calls"] for i in told["instructions"]), sum(o["calls"] for o in told["ops"]))

    def test_a_trace_has_every_instruction_of_every_shard(self):
        told = self.measured("--trace", "step.json", "--instructions", "1000", "--threads", "2")
        with open(self.path("step.json")) as f:
            events = json.load(f)["traceEvents"]
        lanes = {e["args"]["name"]: e["tid"] for e in events if e["ph"] == "M"}
        self.assertEqual(list(lanes), ["shard 0", "shard 1", "reduction and update"])
        for lane in ("shard 0", "shard 1"):
            done = [e for e in events if e["ph"] == "X" and e["tid"] == lanes[lane]]
            self.assertEqual(done[0]["name"], "sampling")
            self.assertEqual(len(done) - 1, len(told["instructions"]))
            self.assertLessEqual({"operands", "scope", "flops", "bytes"}, set(done[1]["args"]))
            for before, after in zip(done, done[1:]):
                self.assertGreaterEqual(after["ts"], before["ts"] + before["dur"] - 1e-6)
        update = [e for e in events if e["ph"] == "X" and e["tid"] == lanes["reduction and update"]]
        self.assertEqual(len(update), 1)
        self.assertGreaterEqual(update[0]["ts"], max(e["ts"] for e in done))

    def test_what_is_wrong_is_refused(self):
        self.assertIn("cannot write nowhere/step.json", self.saltus("bench", SMALL, *QUICK, "--trace", "nowhere/step.json", rc=1)[1])
        self.assertIn("--instructions", self.saltus("bench", SMALL, "--instructions", "-1", rc=2)[1])
        self.assertIn("which config?", self.saltus("bench", rc=2)[1])


if __name__ == "__main__":
    unittest.main()
