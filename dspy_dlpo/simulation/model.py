"""``simulated_lm``: the simulated language model as a ``dspy.LM``."""

import dspy

from dspy_dlpo.simulation.calls import RolloutCallback
from dspy_dlpo.simulation.engine import AsyncSimulatedEngine, Settings, SimulatedEngine
from dspy_dlpo.simulation.faults import Faults
from dspy_dlpo.simulation.settings import Noise, Reader, Writer


def simulated_lm(
    seed: int = 0,
    *,
    latency: float = 0.0,
    faults: Faults | None = None,
    reader: Reader | None = None,
    writer: Writer | None = None,
    noise: Noise | None = None,
) -> dspy.LM:
    """A language model that needs no network, no key and no money, and answers the same every time.

    It plays the task model and the prompt model, told apart by the text of the request alone. Every answer is a
    function of (seed, messages, temperature, rollout, attempt). For models of different
    strength call it twice.

    Args:
        seed: Any integer; another seed makes other mistakes and writes other sentences.
        latency: Seconds each call takes.
        faults: Errors and spoiled replies; None has none.
        reader: How it reads prompts as a task model; None has the defaults.
        writer: How it writes as a prompt model; None has the defaults.
        noise: Answers spoiled by chance; None has none.

    Returns:
        An uncached ``dspy.LM`` whose model string carries the seed and a hash of the settings. ``engine_of`` gives its
        counters.

    Raises:
        ValueError: A rate outside 0 to 1, or a negative latency.
    """
    groups = {"faults": faults, "reader": reader, "writer": writer, "noise": noise}
    settings = Settings(seed=seed, latency=latency, **{k: v for k, v in groups.items() if v is not None})  # type: ignore[arg-type]
    engine = SimulatedEngine(settings)
    return dspy.LM(
        settings.name,
        engine=engine,
        async_engine=AsyncSimulatedEngine(engine),
        cache=False,
        callbacks=[RolloutCallback()],
    )


def engine_of(lm: dspy.LM) -> SimulatedEngine:
    """The simulated engine of an LM, for its counters and settings.

    Raises:
        TypeError: The LM is not a simulated one.
    """
    engine = lm.engine
    if not isinstance(engine, SimulatedEngine):
        raise TypeError(f"lm={lm.model!r} is not simulated. Pass an LM made by simulated_lm.")
    return engine
