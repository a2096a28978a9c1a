"""The words a world is made of: features with their values, letters of labels, sentences that say nothing."""

from __future__ import annotations

# Each value belongs to one feature only, so that "north" alone tells which feature is meant.
CATEGORIES: dict[str, tuple[str, ...]] = {
    "colour": ("red", "blue", "green", "amber", "violet", "grey"),
    "region": ("north", "south", "east", "west", "coast", "inland"),
    "material": ("steel", "glass", "cotton", "copper", "oak", "rubber"),
    "channel": ("phone", "portal", "courier", "kiosk", "fax"),
    "tier": ("gold", "silver", "bronze", "platinum"),
    "season": ("spring", "summer", "autumn", "winter"),
    "shape": ("round", "square", "oval", "conical"),
    "client": ("retailer", "agency", "school", "clinic", "farm"),
    "texture": ("smooth", "rough", "ribbed", "woven"),
    "vehicle": ("truck", "van", "ship", "train", "bicycle"),
    "animal": ("horse", "goat", "falcon", "otter", "beetle"),
    "grade": ("junior", "senior", "expert", "novice"),
}
NUMBERS = ("size", "weight", "age", "height", "price", "distance", "floor", "speed")
# A letter for each slot of a label, other ones for every step of the program; none that is an English word.
LETTERS = "KMRTBDFGHJLNPQVWZ"

FILLERS = (
    "Think carefully before you respond.",
    "Be precise and concise.",
    "You are an expert assistant.",
    "Double-check your work.",
    "Work methodically through the record.",
    "Accuracy is very important here.",
    "Make sure that you understand the task.",
    "Use your best judgement.",
    "Be consistent from one record to the next.",
    "Approach the problem systematically.",
    "Pay close attention to details.",
    "Avoid careless mistakes.",
    "Stay focused on the goal.",
    "Read every field of the record before you decide.",
    "Do not be misled by fields that do not matter.",
    "Consider how the fields relate to each other.",
)
VAGUE = (
    "The {feature} seems to matter here.",
    "More attention should be paid to the {feature}.",
    "The {feature} was not taken into account in the right way.",
)
