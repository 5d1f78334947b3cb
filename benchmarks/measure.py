"""How benchmarks measure: rounds that take turns in one session, the first of them dropped, medians and what the tasks did."""

import statistics
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psutil
from pyspark.sql import SparkSession

from clickmill import session as sessions

Step = Callable[[], object]


@dataclass(frozen=True)
class Cost:
    """What one round took: seconds, bytes written by shuffles, bytes spilled, and the highest memory.

    memory_bytes   resident, of this process and its children; most of the heap is what Java has not collected yet
    held_bytes     what Spark held at once: for its tasks, for what is broadcast, dead or alive, and for rows that are kept while there
                   is room for them
    of_tasks_bytes what tasks held at once for sorts, hashes and windows: what a run cannot do without
    """

    seconds: float
    shuffled_bytes: int
    spilled_bytes: int
    memory_bytes: int
    held_bytes: int
    of_tasks_bytes: int


def session(app_name: str, changes: Mapping[str, str] | None = None) -> SparkSession:
    """Two threads, else as conf/spark/local.conf says."""
    return sessions.build(app_name, {"spark.master": "local[2]", "spark.executor.metrics.pollingInterval": "100", **(changes or {})})


def in_turn(spark: SparkSession, steps: Mapping[str, Step], rounds: int) -> dict[str, list[Cost]]:
    """Run all steps twice to warm up, for Java compiles long, then `rounds` times one after the other."""
    costs: dict[str, list[Cost]] = {name: [] for name in steps}
    for number in range(-1, rounds + 1):
        for name, step in steps.items():
            cost = of(spark, step)
            print(f"{number} {name}: {cost.seconds:.1f} s, {cost.shuffled_bytes / 1e6:,.0f} MB shuffled", flush=True)
            if number > 0:
                costs[name].append(cost)
    return costs


def of(spark: SparkSession, step: Step) -> Cost:
    """What one call of a step takes."""
    first, highest, ended = _next_stage(spark), [0], threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not ended.wait(0.5):
            highest[0] = max(highest[0], sum(_resident(one) for one in [me, *me.children(recursive=True)]))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = time.monotonic()
    step()
    seconds = time.monotonic() - started
    ended.set()
    watcher.join()
    done = _stages(spark, first)
    shuffled, spilled = sum(stage.shuffleWriteBytes() for stage in done), sum(stage.diskBytesSpilled() for stage in done)
    return Cost(seconds, shuffled, spilled, highest[0], *(_peak(done, name) for name in ("OnHeapUnifiedMemory", "OnHeapExecutionMemory")))


def _peak(stages: list[Any], metric: str) -> int:
    """The highest that Spark saw while one of the stages ran."""
    peaks = (stage.peakExecutorMetrics() for stage in stages)
    return max((peak.get().getMetricValue(metric) for peak in peaks if peak.isDefined()), default=0)


def told(costs: list[Cost], of_what: Callable[[Cost], float] = lambda cost: cost.seconds) -> str:
    """Median, and the lowest and highest."""
    values = [of_what(cost) for cost in costs]
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def ratio(ours: list[Cost], theirs: list[Cost]) -> float:
    """Ratio of the medians of the seconds."""
    return statistics.median(cost.seconds for cost in ours) / statistics.median(cost.seconds for cost in theirs)


def spread(costs: list[Cost]) -> float:
    """Highest over lowest seconds, less one."""
    seconds = [cost.seconds for cost in costs]
    return max(seconds) / min(seconds) - 1


def slowest_over_median(spark: SparkSession, step: Step) -> float:
    """Of the stages of a step that take a tenth of its task time and more, in four tasks and more: the largest ratio of the slowest
    task to the median one. In the others a task takes some hundredths of a second, and its start is most of that."""
    store, of_stages = spark.sparkContext._jsc.sc().statusStore(), []
    for stage in _stages_of(spark, step):
        tasks = store.taskList(stage.stageId(), stage.attemptId(), 100_000)
        of_stages.append([tasks.apply(n).duration().get() for n in range(tasks.size())])
    whole = sum(map(sum, of_stages))
    return max(max(times) / max(1, statistics.median(times)) for times in of_stages if len(times) >= 4 and sum(times) >= whole / 10)


def operations(spark: SparkSession, step: Step) -> list[list[str]]:
    """The operators of each stage of a step, those too that no plan tells of, such as what a writer does of its own."""
    store, found = spark.sparkContext._jsc.sc().statusStore(), []
    for stage in _stages_of(spark, step):
        names, todo = [], [store.operationGraphForStage(stage.stageId()).rootCluster()]
        while todo:
            inner = todo.pop().childClusters()
            todo += [inner.apply(place) for place in range(inner.size())]
            names += [inner.apply(place).name() for place in range(inner.size())]
        found.append(names)
    return found


def _stages_of(spark: SparkSession, step: Step) -> list[Any]:
    first = _next_stage(spark)
    step()
    return _stages(spark, first)


def _stages(spark: SparkSession, first: int = 0) -> list[Any]:
    store, gateway = spark.sparkContext._jsc.sc().statusStore(), spark.sparkContext._gateway
    assert gateway is not None
    found = store.stageList(None, False, False, gateway.new_array(gateway.jvm.double, 0), gateway.jvm.java.util.ArrayList())
    return [stage for stage in (found.apply(index) for index in range(found.size())) if stage.stageId() >= first]


def _next_stage(spark: SparkSession) -> int:
    return max((stage.stageId() for stage in _stages(spark)), default=-1) + 1


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
