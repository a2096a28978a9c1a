"""Figures on the page of a study, stored with it so that any process may draw them again."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import TrialState
from optuna_dashboard import save_plotly_graph_object
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

from dspy_dlpo.tuning.charts import CHARTS, Chart

logger = logging.getLogger(__name__)

# Other processes may write the same figure in the same moment, which can tear it: it is written again so often.
TRIES = 4


def show_study(study: optuna.Study) -> None:
    """Draw the figures of a study from its complete trials.

    There are up to four: the best score so far, with the shipped configuration as a line; the score against the words
    of the prompts, and against the money spent where it is known; and for every parameter that is on or off the mean
    score of the trials with it minus that of those without. How much each parameter matters the dashboard computes by
    itself. Figures are stored with the study, without any prompt. Whatever fails is logged as a warning.

    Args:
        study: The study, whose first value is the score.
    """
    try:
        import plotly  # noqa: F401
    except ImportError:
        logger.warning('the figures of a study need plotly. Install it: pip install "dspy-dlpo[tune]"')
        return
    for name, draw in CHARTS.items():
        try:
            _show(study, name, draw)
        except Exception as error:
            said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            logger.warning("the figure %s of study %r is not shown: %s", name, study.study_name, said)
            logger.debug("showing failed", exc_info=True)


def _show(study: optuna.Study, name: str, draw: Chart) -> None:
    for _ in range(TRIES):
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        content = draw([each for each in trials if math.isfinite(each.values[0])], _shipped(study))
        if content is None:
            return
        save_plotly_graph_object(study, _figure(*content), graph_object_id=name)
        if is_whole(study, name):
            return
        time.sleep(random.SystemRandom().random() / 4)
    logger.warning("the figure %s of study %r is torn: others write it too", name, study.study_name)


def is_whole(study: optuna.Study, name: str) -> bool:
    """Whether the stored figure of a name is one figure, not pieces of two."""
    try:
        stored = get_plotly_graph_objects(study._storage.get_study_system_attrs(study._study_id))[name]
        content = json.loads(stored)
        return bool(content["layout"].pop("meta") == _digest(content))
    except (KeyError, ValueError, TypeError, AttributeError):
        return False


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _figure(traces: Sequence[Mapping[str, Any]], layout: Mapping[str, Any]) -> Any:
    """A small figure that says of itself what belongs to it."""
    import plotly.graph_objects as go

    figure = go.Figure(data=list(traces))
    # A template would take more room than the figure.
    figure.update_layout(template=None, margin={"l": 60, "r": 20, "t": 50, "b": 60}, hovermode="closest", **layout)
    figure.update_xaxes(gridcolor="#e7e9ec", automargin=True, zeroline=False)
    figure.update_yaxes(gridcolor="#e7e9ec", automargin=True, zeroline=False)
    figure.update_layout(meta=_digest(json.loads(figure.to_json())))
    return figure


def _shipped(study: optuna.Study) -> Mapping[str, Any]:
    """The parameters of the shipped configuration: those of trial 0."""
    return next((each.params for each in study.get_trials(deepcopy=False) if each.number == 0), {})
