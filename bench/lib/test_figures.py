#!/usr/bin/env python3
"""What becomes a figure and what does not: no broker, no engine. `scripts/test` runs this."""

import pathlib
import sys
import types
import unittest
from importlib.machinery import SourceFileLoader

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from decisions import closed_at, judged, nearest_rank  # noqa: E402
from harness import Workload, publishable, verdict_on  # noqa: E402
from live import Metrics, quantile  # noqa: E402


def recipe(name):
    return SourceFileLoader(name, str(HERE.parent / name)).load_module()


RUN, SLIDING, INSTANCES = recipe("run"), recipe("sliding"), recipe("instances")


def of(engine, cpu_s, records=1_000, check="OK rows", rss=10.0):
    rate = records / cpu_s
    run = {"engine": engine, "guarantee": "-", "records": records, "rows": 5, "check": check}
    return run | {"wall_s": cpu_s, "cpu_s": cpu_s, "records_per_cpu_s": rate, "peak_rss_mib": rss}


class Figures(unittest.TestCase):
    def test_a_run_whose_rows_are_wrong_has_no_figures(self):
        said = publishable(of("flink", 2, check="FAIL wrong=1"))
        self.assertEqual([said[key] for key in ("wall_s", "cpu_s", "records_per_cpu_s", "peak_rss_mib")], [None] * 4)
        row = RUN.summary([of("flink", 2), of("flink", 3, check="FAIL wrong=1")], [None, None])
        self.assertIsNone(row["cpu_s"])
        self.assertEqual((row["passed"], row["check"]), (False, "FAIL wrong=1"))

    def test_medians_and_ratios_are_of_rounds(self):
        rounds = [[of("floor", cpu), of("tidegauge-eos", 2 * cpu)] for cpu in (1, 100, 3)]
        row = RUN.summary([runs[1] for runs in rounds], RUN.floors(rounds))
        self.assertEqual((row["cpu_s"], row["ratio_to_floor"], row["rounds"]), (6, 0.5, 3))
        (ratio,) = RUN.compared(rounds, "avro")
        self.assertEqual((ratio["ratio"], ratio["limit"], ratio["verdict"]), (0.5, "≥ 0.55", "FAILS"))

    def test_a_limit_says_nothing_of_wrong_rows(self):
        wrong = [[of("tidegauge-eos", 1), of("flink-eos", 9, check="FAIL exit status 1", rss=90.0)]]
        self.assertEqual({row["verdict"] for row in RUN.compared(wrong, "avro")}, {"-"})
        right = [[of("tidegauge-eos", 1), of("flink-eos", 9, rss=90.0)]]
        self.assertEqual([row["verdict"] for row in RUN.compared(right, "avro")], ["holds", "holds"])

    def test_the_marginal_rate_is_that_of_the_other_nine_tenths(self):
        whole = of("tidegauge", 4, records=1_000)
        self.assertEqual(RUN.marginal(whole, of("tidegauge", 1, records=100)), 300)
        self.assertIsNone(RUN.marginal(whole, of("tidegauge", 4, records=100)))
        self.assertIsNone(RUN.marginal(whole, of("tidegauge", 1, records=100, check="FAIL missing=1")))
        self.assertTrue(whole["check"].startswith("FAIL with 100 records"))

    def test_the_tenth_is_of_the_same_fleet(self):
        whole = Workload(5_000_000).settings()
        tenth = Workload(500_000, instances=int(whole["INSTANCES"])).settings()
        self.assertEqual([tenth[key] for key in ("INSTANCES", "AGENTS", "SEED")], ["10000", "500", "1"])
        self.assertNotEqual(tenth["TOPIC"], Workload(500_000).settings()["TOPIC"])

    def test_width_is_compared_with_tumbling_of_the_same_round(self):
        runs = [[of("t", 1), of("t", 1.2)], [of("t", 2), of("t", 2.8)], [of("t", 4, check="FAIL"), of("t", 4)]]
        width = SLIDING.WIDTHS[1]
        row = SLIDING.summary(width, [pair[1] for pair in runs[:2]], runs[:2])
        self.assertAlmostEqual(row["ratio"], 1.3)
        self.assertIsNone(SLIDING.summary(width, [pair[1] for pair in runs], runs)["ratio"])

    def test_memory_per_instance_is_what_more_instances_take(self):
        rows = [{"instances": n, "peak_rss_mib": rss, "check": "OK"} for n, rss in ((10, 100.0), (1_034, 116.0))]
        pair = (of("t", 1, records=100), of("t", 2, records=1_100))
        INSTANCES.compare(rows, [[pair, (of("t", 1, records=100), of("t", 3, records=1_100))]])
        self.assertEqual((rows[0]["kib_per_instance"], rows[1]["kib_per_instance"]), (None, 16))
        self.assertEqual((rows[1]["ratio"], rows[1]["cost_verdict"], rows[1]["memory_verdict"]), (2, "FAILS", "holds"))

    def test_metrics_are_read_by_name_and_labels(self):
        metrics = Metrics(
            'lag{stage="a",partition="0"} 3\nlag{stage="b",partition="0"} 4\nlag_other 9\nplain 2\n'
            'd_bucket{le="0.1"} 90\nd_bucket{le="0.2"} 99\nd_bucket{le="+Inf"} 100\n'
        )
        self.assertEqual([metrics.sum("lag"), metrics.sum("lag", stage="b"), metrics.sum("plain")], [7, 4, 2])
        self.assertAlmostEqual(quantile(metrics.buckets("d"), 0.99), 0.2)
        self.assertAlmostEqual(quantile(metrics.buckets("d"), 0.45), 0.05)
        self.assertEqual(quantile(metrics.buckets("d"), 1.0), 0.2)
        self.assertIsNone(quantile([], 0.5))

    def test_a_window_is_closed_by_the_last_partition_that_has_a_closer(self):
        sent = [(100, 1), (115, 2), (114.9, 3), (116, 4), (120, 5), (117, 6)]
        self.assertEqual([closed_at(sent, 110, 5, n) for n in (1, 3, 4)], [2, 5, 6])
        self.assertIsNone(closed_at(sent, 110, 5, 5))

    def test_decisions_that_are_missing_or_must_not_be_leave_no_figures(self):
        def decision(name, agent, end, action="scale_up"):
            return {"id": name, "agent": agent, "end": end, "action": action}

        sent = types.SimpleNamespace(live=[(115, 115.1), (125, 125.2), (135, 135.3)])
        step_at = {"a": 101, "b": 112}
        right = [
            (115.4, decision("1", "a", 110)),
            (115.9, decision("1", "a", 110)),  # said again
            (125.7, decision("2", "b", 120)),
            (126.2, decision("3", "a", 120, "hold")),
        ]

        def of(seen):
            return judged(sent, seen, step_at, 120, 5, 1)

        problems, windows, steps = of(right)
        self.assertEqual(problems, [])
        for seen, want in ((windows, [0.5, 1.0]), (steps, [13.7, 14.4])):
            self.assertEqual([round(each, 9) for each in seen], want)
        wrong = (right[:2], right[2:], [*right, (116, decision("4", "b", 110))], [*right, (116, decision("4", "c", 120))],
                 [*right, (146, decision("4", "a", 140))])
        self.assertEqual([len(of(seen)[0]) for seen in wrong], [2, 1, 1, 1, 1])

    def test_quantiles_of_values_are_values(self):
        values = [3, 1, 2, 4]
        self.assertEqual([nearest_rank(values, q) for q in (0.25, 0.5, 0.51, 0.99, 1)], [1, 2, 3, 4, 4])
        self.assertIsNone(nearest_rank([], 0.5))

    def test_what_is_not_known_does_not_hold(self):
        self.assertEqual([verdict_on(value, "≤", 2) for value in (2, 2.1, None)], ["holds", "FAILS", "-"])


if __name__ == "__main__":
    unittest.main()
