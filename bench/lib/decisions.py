"""Delays of decisions, and whether there are those that there have to be. Times are seconds since 1970."""

import math


def closed_at(records, end, disorder_s, partitions):
    """When the last of `partitions` had what closes a window that ends then: `records` are pairs of event time and the
    time of handing over, in turn to one partition after the other. None if it did not come that far."""
    closers = (handed for at, handed in records if at >= end + disorder_s)
    first = [handed for handed, _ in zip(closers, range(partitions))]
    return first[-1] if len(first) == partitions else None


def judged(sent, seen, step_at, counted_from, disorder_s, partitions):
    """What is wrong, the delays of decisions about windows that end from `counted_from` on, and of the answers to steps.

    `seen`: when, and the decision; one that is said again is passed over. `step_at`: of each agent.
    """
    problems, windows, answers, known, closes = [], [], {}, set(), {}
    for at, decision in seen:
        if decision["id"] in known:
            continue
        known.add(decision["id"])
        agent, end = decision["agent"], decision["end"]
        if agent not in step_at:
            problems.append(f"a decision about {agent}, of which nothing was sent")
            continue
        if decision["action"] == "scale_up":
            if end <= step_at[agent]:
                problems.append(f"{agent} grows at {end:.0f}, before its step at {step_at[agent]:.1f}")
            answers.setdefault(agent, at - step_at[agent])
        if end >= counted_from:
            if end not in closes:
                closes[end] = closed_at(sent.live, end, disorder_s, partitions)
            if closes[end] is None:
                problems.append(f"{agent}: the window that ends at {end:.0f} was decided, and nothing that closes it was sent")
            else:
                windows.append(at - closes[end])
    problems += [f"{agent}: no decision follows its step" for agent in step_at if agent not in answers]
    if not windows:
        problems.append("no decision about a window that can be timed")
    return problems, windows, sorted(answers.values())


def nearest_rank(values, q):
    """The smallest value that a share of `q` does not exceed; None of nothing."""
    ordered = sorted(values)
    return ordered[max(math.ceil(q * len(ordered)), 1) - 1] if ordered else None
