"""A slide and its nuclei, drawn with less work for every pixel and looking the same.

napari's shaders can do far more than a slide and discs need: contrast and gamma of an image that has neither, two
triangles for what OpenGL calls a point. Where OpenGL is software (remote desktops, virtual machines) that is a fifth of
every frame, and every edit waits for a frame (docs/speed.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vispy.visuals.shaders import Function, FunctionChain

from nucloop.gui.napari_private.partial_drawing import PartialDrawing
from nucloop.gui.napari_private.parts import node_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Points

__all__ = ["draw_colours", "draw_image_lightly", "draw_points_lightly"]

MOST_PIXELS = 64
"""Points are smaller than this on screen."""

_NO_CONTRAST = "vec4 apply_clim(vec4 color) { /* $clim */ return color; }"
_NO_GAMMA = "vec4 apply_gamma(vec4 color) { /* $gamma */ return color; }"
_NO_TEXCOORD = "void setup_texcoord() {}"
_NO_OFFSET = "vec4 apply_offset(vec4 fb_pos, float total_size) { return fb_pos; }"


def draw_points_lightly(viewer: ViewerModel, layer: Points) -> None:
    """Draw the points of a layer as OpenGL's points from now on; they have to be smaller than MOST_PIXELS."""
    markers: Any = getattr(node_of(viewer, layer), "points_markers", None)
    if getattr(markers, "_method", None) != "instanced":
        return
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


def draw_colours(viewer: ViewerModel, layer: Points) -> None:
    """Draw the points of a layer in the colours that they have by now; napari would prepare all else of them anew."""
    markers: Any = getattr(node_of(viewer, layer), "points_markers", None)
    drawn = getattr(markers, "_data", None)
    fill, rim = layer._view_face_color, layer._view_border_color
    if drawn is None or not len(fill) == len(rim) == len(drawn):
        layer.events.face_color()
        return
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


def draw_image_lightly(viewer: ViewerModel, image: Image) -> None:
    """Leave contrast and gamma out of the drawing of an RGB image for as long as they change nothing."""
    node = node_of(viewer, image)
    done = node is not None and "_build_color_transform" in vars(node)
    if done or not image.rgb or "null_color_transform" not in getattr(node, "_func_templates", {}):
        return
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
