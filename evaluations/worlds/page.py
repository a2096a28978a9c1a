"""A world on a page: what was drawn."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluations.worlds.world import World


def page(world: World) -> str:
    """A short Markdown text: scores, traits, start prompts, rules with the test questions that need each."""
    traits = world.traits
    return "\n".join(
        [
            f"# World {world.seed}",
            "",
            f"Start {world.start_score:.3f}, best known {world.best_score:.3f} on {len(world.testset)} test questions; "
            f"{len(world.trainset)} training and {len(world.valset)} validation examples.",
            "",
            f"An example: `{world.testset[0].record}` has the answer `{world.testset[0].answer}`.",
            "",
            *_table({k: v for k, v in asdict(traits).items() if k not in ("reading", "writing")}, "task"),
            *_table(asdict(traits.reading), "reader"),
            *_table(asdict(traits.writing), "writer"),
            *_steps(world),
        ]
    )


def _table(values: dict[str, Any], head: str) -> list[str]:
    return [f"| {head} | drawn |", "|---|---|", *(f"| {name} | {value} |" for name, value in values.items()), ""]


def _steps(world: World) -> list[str]:
    lines: list[str] = []
    for step in world.task.steps:
        lines += [f"## {step.name}: {step.source} -> {step.target}", "", f"> {world.start_prompts[step.name]}", ""]
        lines += [f"- {rule.say()} ({world.needs.get(rule, 0)} test questions)" for rule in step.rules]
        lines.append("")
    return lines
