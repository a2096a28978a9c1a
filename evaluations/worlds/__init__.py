"""Worlds drawn from seeds: tasks, readers and writers that no author of an optimizer wrote."""

from evaluations.worlds.frozen import generator_hash
from evaluations.worlds.traits import Traits, draw_traits
from evaluations.worlds.world import World, draw

__all__ = ["Traits", "World", "draw", "draw_traits", "generator_hash"]
