"""Charts as SVG elements for a page: coloured by classes, so that one chart serves light and dark.

A page under a strict content security policy may not hold style attributes, which matplotlib writes; they become
attributes and classes here.
"""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from dspy_dlpo.report.curve import Palette
from dspy_dlpo.report.extras import extra

# Colours that stand for the classes of the page.
STAND_INS = Palette(*(f"#0101{number:02x}" for number in range(1, len(dataclasses.fields(Palette)) + 1)))
_CLASSES = {getattr(STAND_INS, each.name): each.name for each in dataclasses.fields(Palette)}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
# What matplotlib is told; nothing global stays changed.
_OPTIONS = {"svg.fonttype": "none", "svg.hashsalt": "dspy_dlpo", "font.size": 11.0, "path.simplify": True}


def chart(name: str, size: tuple[float, float], draw: Callable[[Any], None], *, title: str, description: str) -> str:
    """Draw a chart as an SVG element.

    Args:
        name: Of the chart, different from every other on the page.
        size: Width and height in pixels.
        draw: Draws on an empty figure, in the colours of `STAND_INS`.
        title: What it shows, for those who cannot see it.
        description: What is to be seen in it.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    matplotlib = extra("matplotlib", "The report")
    figure_module = extra("matplotlib.figure", "The report")
    with matplotlib.rc_context(_OPTIONS):
        figure = figure_module.Figure(figsize=(size[0] / 72, size[1] / 72), layout="constrained")
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _cleaned(buffer.getvalue(), name, title, description)


def _cleaned(text: str, name: str, title: str, description: str) -> str:
    root = ElementTree.fromstring(text[text.index("<svg") :])
    parents = {child: parent for parent in root.iter() for child in parent}
    for element in list(parents):
        if element.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
            parents[element].remove(element)
    referenced = set(re.findall(r"#([\w.-]+)", text))
    for element in root.iter():
        _move_style(element)
        _rename(element, name, referenced)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib.update({"role": "img", "aria-labelledby": f"{name}-title {name}-description", "class": "chart"})
    for position, (tag, content) in enumerate((("title", title), ("desc", description))):
        label = ElementTree.Element(f"{{{_SVG}}}{tag}", id=f"{name}-{'title' if tag == 'title' else 'description'}")
        label.text = content
        root.insert(position, label)
    ElementTree.register_namespace("", _SVG)
    return re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode")).strip()


def _move_style(element: ElementTree.Element) -> None:
    """Make attributes and classes of an element's style."""
    declared = dict(_pairs(element.attrib.pop("style", "")))
    classes = []
    font = declared.pop("font", "")
    if font and (found := re.search(r"([\d.]+)px", font)):
        declared["font-size"] = found.group(1)
    for unused in ("font-family", "-inkscape-font-specification"):
        declared.pop(unused, None)
    for attribute in ("fill", "stroke"):
        if attribute in element.attrib:
            declared.setdefault(attribute, element.attrib.pop(attribute))
        colour = declared.get(attribute, "")
        if colour in _CLASSES:
            classes.append(f"{attribute}-{_CLASSES[colour]}")
            del declared[attribute]
    element.attrib.update(declared)
    if classes:
        element.attrib["class"] = " ".join(classes)


def _pairs(style: str) -> list[tuple[str, str]]:
    parts = (each.partition(":") for each in style.split(";") if ":" in each)
    return [(name.strip(), value.strip()) for name, _, value in parts]


def _rename(element: ElementTree.Element, name: str, referenced: set[str]) -> None:
    """Keep only the ids that are referred to, and make them the chart's own."""
    number = element.attrib.pop("id", None)
    if number in referenced:
        element.attrib["id"] = f"{name}-{number}"
    for attribute, value in list(element.attrib.items()):
        if attribute == f"{{{_XLINK}}}href":
            del element.attrib[attribute]
            element.attrib["href"] = f"#{name}-{value.removeprefix('#')}"
        elif value.startswith("url(#"):
            element.attrib[attribute] = value.replace("url(#", f"url(#{name}-")
