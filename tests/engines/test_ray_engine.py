"""What the Ray engine promises, on a real cluster of two nodes on this machine. Slow: a cluster takes long to start."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import chores
import pytest
from filelock import FileLock

# ruff: noqa: E402 (Ray is an extra: all of this is skipped before anything imports it)
ray = pytest.importorskip("ray")

from library import make_track
from mirkit import engines
from mirkit.cli import main
from mirkit.engines import ray_engine
from mirkit.errors import MirkitError
from mirkit.pipeline import RunRequest, make_plan, run
from mirkit.store import read_provenance

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here"),
]
HERE = Path(__file__).resolve()
#: No more processes than the tests need: each costs a busy machine seconds to start.
SMALL = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_log_monitor": False, "no_monitor": True}


class Nodes:
    """A head and one more node, one processor each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster()
        _patiently(lambda: self._cluster.add_node(**SMALL, include_dashboard=False))
        self.address: str = self._cluster.address
        self._second: Any = None

    def restore(self) -> None:
        """Have two nodes."""
        if self._second is None:
            self._second = _patiently(lambda: self._cluster.add_node(**SMALL))
            self._cluster.wait_for_nodes()

    def kill_second(self) -> None:
        """As if its plug were pulled."""
        self._cluster.remove_node(self._second, allow_graceful=False)
        self._second = None

    def stop(self) -> None:
        ray.shutdown()
        self._cluster.shutdown()


def _patiently(start: Callable[[], Any]) -> Any:
    """Ray gives a node half a minute to start, which is not enough on a machine that is busy."""
    for _ in range(3):
        try:
            return start()
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
    return start()


@pytest.fixture(scope="module")
def started() -> Iterator[Nodes]:
    # One cluster at a time, also where several processes share these tests.
    lock = FileLock(Path(tempfile.gettempdir()) / f"mirkit-test-cluster-{os.getuid()}.lock")
    with lock, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (HERE.parents[2] / "src", HERE.parents[1], HERE.parent))))
        patch.setenv("RAY_DEDUP_LOGS", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        nodes = Nodes()
        yield nodes
        nodes.stop()


@pytest.fixture
def nodes(started: Nodes) -> Nodes:
    started.restore()
    return started


def through(nodes: Nodes, work: Any, items: Any, **more: Any) -> dict[Any, engines.ItemResult[Any, Any]]:
    return {done.item: done for done in engines.run(work, items, jobs=2, address=nodes.address, **more)}


def test_each_item_comes_back_once_and_an_error_is_its_own(nodes: Nodes) -> None:
    assert engines.cores(nodes.address) == 2
    done = list(engines.run(chores.refuse_three, range(7), jobs=2, address=nodes.address))
    assert sorted(d.item for d in done) == list(range(7))
    assert {d.item: d.result for d in done if not d.error} == {i: i for i in range(7) if i != 3}
    assert [d.error for d in done if d.item == 3] == ["ValueError: three is refused"]
    assert list(engines.run(chores.double, [], jobs=2, address=nodes.address)) == []


def test_both_nodes_work_each_with_one_thread(nodes: Nodes) -> None:
    found = through(nodes, chores.where, range(8))
    assert len({done.result["node"] for done in found.values()}) == 2
    assert {done.result["threads"] for done in found.values()} == {"1"}
    assert len({done.result["pid"] for done in found.values()}) == 2, "an actor lives on: it loads its models once"


def test_a_killed_worker_costs_its_item_alone(nodes: Nodes, tmp_path: Path) -> None:
    done = through(nodes, chores.die_on_three, range(5))
    assert done[3].error.startswith("tried 3 times: its worker or node was lost")
    assert [done[i].result for i in (0, 1, 2, 4)] == [0, 1, 2, 4]
    (once,) = through(nodes, chores.die_once, [str(tmp_path / "marker")]).values()
    assert once.result == "marker"
    assert "its worker or node was lost" in once.retry_reason


def test_a_time_limit_ends_an_item(nodes: Nodes) -> None:
    done = through(nodes, chores.hang_on_three, range(5), time_limit=2)
    assert done[3].error == "tried 3 times: took longer than 2 s and was stopped"
    assert [done[i].result for i in (0, 1, 2, 4)] == [0, 1, 2, 4]


def test_what_the_nodes_cannot_import_is_one_line(nodes: Nodes) -> None:
    with pytest.raises(MirkitError, match="every node needs the same mirkit") as error:
        through(nodes, chores.Unloadable(), range(3))
    assert "\n" not in str(error.value)


def test_leaving_ends_the_actors(nodes: Nodes) -> None:
    results = engines.run(chores.double, range(100), jobs=2, address=nodes.address)
    next(results)
    results.close()
    deadline = time.monotonic() + 30
    while ray.available_resources().get("CPU") != 2.0:
        assert time.monotonic() < deadline, "their processors are free again"
        time.sleep(0.2)


def make_library(folder: Path, tracks: int) -> Path:
    """The same tracks twice: for the cluster, and for this machine."""
    for seed in range(tracks):
        make_track(folder / "ray" / f"Track {seed}", seconds=6 + seed, seed=seed, stems=True)
    shutil.copytree(folder / "ray", folder / "local")
    return folder


def results(folder: Path) -> dict[str, bytes]:
    kinds = (".INFO", ".BEATS_GRID", ".ONSETS")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.suffix in kinds}


def test_objects_through_the_command_line(nodes: Nodes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("fsspec")
    library = make_library(tmp_path, 2)
    url = f"file://{library}/ray"
    assert main(["rhythm", url, "--engine", "ray", "--address", nodes.address]) == 0
    told = capsys.readouterr().out
    assert "2 workers" in told
    assert "2 done, 0 skipped, 0 failed" in told
    assert main(["rhythm", str(library / "local"), "--batch", "--jobs", "1", "--quiet"]) == 0
    assert results(library / "ray") == results(library / "local")
    assert read_provenance(library / "ray" / "Track 0" / "Track 0.PROVENANCE").stages.keys() >= {"beats", "onsets"}


def test_a_lost_node_costs_no_item(nodes: Nodes) -> None:
    done = {}
    for one in engines.run(chores.linger, range(10), jobs=2, address=nodes.address):
        done[one.item] = one
        if len(done) == 3:
            nodes.kill_second()
    assert {item: one.result for item, one in done.items()} == {item: item for item in range(10)}
    assert [one.retry_reason for one in done.values() if one.retry_reason], "what it was at work on was done elsewhere"


def test_tracks_come_out_as_by_the_local_engine_though_a_node_is_killed(nodes: Nodes, tmp_path: Path) -> None:
    library = make_library(tmp_path, 4)
    request = RunRequest(library / "ray", ("beats", "onsets", "bands", "chroma"), batch=True, address=nodes.address)
    plan = make_plan(request)
    outcomes = []
    for outcome in run(plan, request, print):
        outcomes.append(outcome)
        if len(outcomes) == 1:
            nodes.kill_second()
    assert len(outcomes) == 4
    assert all(outcome.ok for outcome in outcomes), outcomes
    here = replace(request, path=library / "local", address=None, jobs=1)
    assert all(outcome.ok for outcome in run(make_plan(here), here, print))
    assert results(library / "ray") == results(library / "local")
    assert len(results(library / "ray")) == 12
    assert not list((library / "ray").rglob(".mirkit-*")), "nothing half written is left"


def test_without_a_cluster_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)

    def nobody(**_: Any) -> None:
        raise ConnectionError("Could not find any running Ray instance.\nPlease specify the one to connect to")

    monkeypatch.setattr(ray, "init", nobody)
    with pytest.raises(MirkitError, match=r"no Ray cluster at auto: Could not find any .*ray start --head") as error:
        ray_engine.connect("auto")
    assert "\n" not in str(error.value)
