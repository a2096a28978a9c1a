"""Whether a gain lies within the noise of the metric, where that is known."""

from __future__ import annotations

from dspy_dlpo.core.result import DLPOResult


def noise_remark(result: DLPOResult, score_range: tuple[float, float] | None) -> str:
    """What a user must know of a gain that a second scoring of the same outputs might bring; else empty.

    The interval of the gain counts this noise too, as far as it shows in the differences between both prompts. This
    says how much of what one sees the metric alone may bring.

    Args:
        result: The result, with its comparison and the metric's noise.
        score_range: The metric's range; differences are told in points (hundredths of it) where it is 0 to 1.
    """
    most = result.gain_by_noise
    if most is None or not result.within_noise:
        return ""
    outputs = result.comparison.examples
    told = f"{most * 100:.1f} points" if score_range == (0.0, 1.0) else f"{most:.3g}"
    return (
        f"the gain lies within the metric's noise: two scorings of the same {outputs} outputs differ by up to {told} "
        "in the mean"
    )
