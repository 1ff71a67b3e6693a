"""A slide and its nuclei, drawn with less work for every pixel and looking the same.

napari's shaders can do far more than a slide and discs need: contrast and gamma of an image that has neither, two
triangles for what OpenGL calls a point. Where OpenGL is software (remote desktops, virtual machines) that is a fifth of
every frame, and every edit waits for a frame (docs/speed.md). Where a graphics card draws, napari draws as always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.gui.napari_private.access import has_parts, part
from nucloop.gui.napari_private.partial_drawing import PartialDrawing
from nucloop.gui.napari_private.parts import node_of
from nucloop.gui.napari_private.points_parts import colours_in_view, is_drawn_from_others
from nucloop.gui.napari_private.software_opengl import draws_in_software, where_software

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Points
    from vispy.visuals.shaders import FunctionChain

__all__ = ["draw_colours", "draw_image_lightly", "draw_points_lightly"]

MOST_PIXELS = 64
"""Points are smaller than this on screen."""

_NO_CONTRAST = "vec4 apply_clim(vec4 color) { /* $clim */ return color; }"
_NO_GAMMA = "vec4 apply_gamma(vec4 color) { /* $gamma */ return color; }"
_NO_TEXCOORD = "void setup_texcoord() {}"
_NO_OFFSET = "vec4 apply_offset(vec4 fb_pos, float total_size) { return fb_pos; }"


def draw_points_lightly(viewer: ViewerModel, layer: Points) -> None:
    """Draw the points of a layer as OpenGL's points from now on; they have to be smaller than MOST_PIXELS."""
    where_software(viewer, lambda: _use_opengl_points(node_of(viewer, layer)))
    where_software(viewer, lambda: _leave_text_out(node_of(viewer, layer), layer))


def draw_image_lightly(viewer: ViewerModel, image: Image) -> None:
    """Leave contrast and gamma out of the drawing of an RGB image for as long as they change nothing."""
    if image.rgb:
        where_software(viewer, lambda: _leave_contrast_out(node_of(viewer, image), image))


def draw_colours(viewer: ViewerModel, layer: Points) -> None:
    """Draw the points of a layer in the colours that they have by now; napari would prepare all else of them anew."""
    if is_drawn_from_others(layer):
        return
    markers = _markers_of(node_of(viewer, layer)) if draws_in_software(viewer) else None
    drawn, colours = getattr(markers, "_data", None), colours_in_view(layer)
    if markers is None or drawn is None or colours is None or not len(colours[0]) == len(colours[1]) == len(drawn):
        layer.events.face_color()
        return
    fill, rim = colours
    changed = (drawn["a_bg_color"] != fill).any(1) | (drawn["a_fg_color"] != rim).any(1)
    if not changed.any():
        return
    drawn["a_bg_color"], drawn["a_fg_color"] = fill, rim
    markers._vbo.set_data(drawn)
    partial = PartialDrawing.of(viewer)
    if partial is None or viewer.dims.ndisplay != 2:
        markers.update()
        return
    with partial.only(partial.box_around(markers, drawn["a_position"][changed], MOST_PIXELS)):
        markers.update()


def _leave_text_out(node: Any, layer: Points) -> None:
    """Have no texts at points be prepared for as long as there are none: the first frame took 45 ms for nothing."""
    text = part(node, "text")
    if text is None:
        return

    def draw(event: object = None) -> None:
        if np.any(np.asarray(layer.text.values) != ""):
            text.visible = True
            layer.text.events.disconnect(draw)

    text.visible = False
    layer.text.events.connect(draw)


def _markers_of(node: Any) -> Any:
    """Return vispy's markers that draw the points of a layer; None in another napari or vispy."""
    markers = part(node, "points_markers")
    return markers if has_parts(markers, "_method", "_draw_mode", "_data", "_vbo", "shared_program") else None


def _use_opengl_points(node: Any) -> None:
    markers = _markers_of(node)
    if markers is None or markers._method != "instanced":
        return
    from vispy.visuals.shaders import Function

    program = markers.shared_program
    try:
        program.vert["setup_texcoord"] = Function(_NO_TEXCOORD)
    except KeyError:
        # another vispy, whose shader is made of other parts: it draws as it always does
        return
    program.vert["apply_offset"] = Function(_NO_OFFSET)
    # a place that holds a variable takes an expression only once it is empty
    program.frag["pointcoord"] = None
    program.frag["pointcoord"] = "gl_PointCoord"
    markers._method, markers._draw_mode = "points", "points"
    # what was uploaded counts once for each rectangle, no more for each of its corners
    for name in () if markers._data is None else markers._data.dtype.names:
        program[name] = markers._vbo[name]


def _leave_contrast_out(node: Any, image: Image) -> None:
    if not has_parts(node, "_build_color_transform", "_func_templates", "_texture", "_need_colortransform_update"):
        return
    if "_build_color_transform" in vars(node) or "null_color_transform" not in node._func_templates:
        # done already, or another vispy
        return
    from vispy.visuals.shaders import Function, FunctionChain

    in_full = node._build_color_transform

    def build() -> FunctionChain:
        if node.gamma != 1 or tuple(node._texture.clim_normalized) != (0, 1):
            return in_full()
        contrast, gamma = Function(_NO_CONTRAST), Function(_NO_GAMMA)
        # vispy sets them there when a person changes them, before the next frame has them built anew
        contrast["clim"], gamma["gamma"] = (0.0, 1.0), 1.0
        return FunctionChain(None, [Function(node._func_templates["null_color_transform"]), contrast, gamma])

    def anew(event: Any = None) -> None:
        node._need_colortransform_update = True
        node.update()

    node._build_color_transform = build
    for event in (image.events.contrast_limits, image.events.gamma):
        event.connect(anew, position="last")
    anew()
