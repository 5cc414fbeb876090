"""What holds for every test: the same examples in every run of CI, and children that Ctrl-C reaches."""

import gc
import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("local", deadline=None, print_blob=True)  # which prints the seed of a failure
settings.load_profile("ci" if os.environ.get("CI") else "local")

# Whatever the environment says, modules are compiled once, not by each worker and each command that tests start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session", autouse=True)
def _own_profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What daemons keep stays in the tests' own directories, and none looks for others unless a test says so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.setenv("SIMP_DISCOVERY", "off")
        yield


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_ends_children() -> Iterator[None]:
    """Whoever runs the tests in the background ignores SIGINT, and so would the commands that tests start.

    A handler, unlike that, is not inherited: they begin with the system's default.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_configure(config: pytest.Config) -> None:
    """Exhaustive tests run where one asks for them; a quick run tries fewer examples of each law."""
    chosen = config.option.markexpr
    if "exhaustive" not in chosen:
        config.option.markexpr = f"({chosen}) and not exhaustive" if chosen else "not exhaustive"
    if "not slow" in chosen:
        settings.register_profile("quick", settings.default, max_examples=30)
        settings.load_profile("quick")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """More than cores, since most of the slow ones wait; none where one asks for a few, which are there sooner so."""
    cores = os.cpu_count() or 1
    if config.args != config.getini("testpaths"):
        return 0
    return cores if "not slow" in config.option.markexpr else 3 * cores + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each worker begins with an equal part of the items, and takes from the ends of others' when it is done. So the
    slow ones come first in each part, and those with real daemons, which mostly wait, among those that compute.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    waiting: list[pytest.Item] = []
    computing: list[pytest.Item] = []
    quick: list[pytest.Item] = []
    for item in items:
        waits = waiting if item.path.stem.endswith("_live") else computing
        (waits if "slow" in item.keywords else quick).append(item)
    items.clear()
    for worker in range(workers):
        some = slice(worker, None, workers)
        kinds = (waiting[some], 0.7), (_part(computing, worker, workers), 1.0)  # some wait for most of a minute
        places = {item: end * place / len(kind) for kind, end in kinds for place, item in enumerate(kind)}
        items += [*sorted(places, key=places.__getitem__), *_part(quick, worker, workers)]


def _part(items: list[pytest.Item], number: int, parts: int) -> list[pytest.Item]:
    """Neighbours stay together: they share what is made once."""
    return items[len(items) * number // parts : len(items) * (number + 1) // parts]


def pytest_collection_finish() -> None:
    """Thousands of items stay to the end: whoever collects garbage needn't look through them each time."""
    gc.freeze()
