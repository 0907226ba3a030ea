"""The face renderer: the same bytes each time, edits that stay where they belong, classes, frames, truth layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

moderngl = pytest.importorskip("moderngl", reason="the extra 'faces' is not installed")

from lineament.core.errors import DeviceError  # noqa: E402
from lineament.core.faces.align import square_from_landmarks  # noqa: E402
from lineament.core.faces.base import Alignment  # noqa: E402
from lineament.core.synthetic import geometry as g  # noqa: E402
from lineament.core.synthetic import gl  # noqa: E402
from lineament.core.synthetic.assets import HeadAsset  # noqa: E402
from lineament.core.synthetic.camera import Pose, View, project, shot_view  # noqa: E402
from lineament.core.synthetic.house import with_house_designs  # noqa: E402
from lineament.core.synthetic.params import FaceParams, with_attribute  # noqa: E402
from lineament.core.synthetic.renderer import FaceRenderer  # noqa: E402
from lineament.core.synthetic.resolve import kernel, resolve  # noqa: E402

FFHQ = Alignment(64, 1.0, 0.1)
FACE = FaceParams(age=40, gender=0.3, hair_style="short", light_azimuth=35)


@pytest.fixture(scope="module")
def renderer(head_asset: HeadAsset) -> Iterator[FaceRenderer]:
    try:
        made = FaceRenderer(head_asset, field_size=256)
    except DeviceError as err:
        pytest.skip(str(err))
    with made:
        yield made


@pytest.fixture(scope="module")
def view(renderer: FaceRenderer) -> View:
    return renderer.frame(FACE, 64, FFHQ)


@pytest.fixture(scope="module")
def picture(renderer: FaceRenderer, view: View) -> g.Rendered:
    return renderer.render(FACE, view, aovs=("coverage",))


def test_when_rendered_twice_then_the_bytes_are_the_same(
    renderer: FaceRenderer, view: View, picture: g.Rendered
) -> None:
    renderer.render(replace(FACE, hair_style="long", glasses=1.0, yaw=30.0), view)  # leaves nothing behind
    again = renderer.render(FACE, view)
    assert np.array_equal(again.colour, picture.colour)
    assert np.array_equal(again.classes, picture.classes)


def test_when_framed_then_the_six_points_sit_where_the_alignment_wants_them(
    renderer: FaceRenderer, view: View, picture: g.Rendered
) -> None:
    square = square_from_landmarks(picture.six, FFHQ)
    assert np.abs(square - np.eye(3)).max() < 0.5, "the square of the picture's own points is the picture"
    turned = replace(FACE, yaw=25.0, roll=15.0, pitch=-10.0)
    tight = Alignment(64, 0.8, 0.1)
    six = renderer.render(turned, renderer.frame(turned, 64, tight)).six
    assert np.abs(square_from_landmarks(six, tight) - np.eye(3)).max() < 0.5


def test_when_designs_are_given_for_what_is_not_worn_then_the_picture_is_the_same(
    renderer: FaceRenderer, view: View, picture: g.Rendered
) -> None:
    designed = with_house_designs(FACE)
    assert designed != FACE
    again = renderer.render(designed, view)
    assert np.array_equal(again.colour, picture.colour)
    assert np.array_equal(again.classes, picture.classes)


def test_when_lipstick_is_put_on_then_only_the_lips_change(
    renderer: FaceRenderer, view: View, picture: g.Rendered
) -> None:
    made_up = renderer.render(with_attribute(FACE, "lipstick", 1.0), view)
    changed = np.abs(made_up.colour - picture.colour).max(axis=-1) > 1e-4
    lips = np.argwhere(picture.classes == g.LIPS)
    low, high = lips.min(axis=0) - 3, lips.max(axis=0) + 4
    outside = changed.copy()
    outside[low[0] : high[0], low[1] : high[1]] = False
    assert changed.sum() >= len(lips) / 2
    assert not outside.any()
    assert np.array_equal(made_up.alpha, picture.alpha)


@pytest.mark.parametrize(
    ("name", "value"), [("skin", 0.9), ("hair_dark", 0.1), ("light_azimuth", -60.0), ("grey", 1.0)]
)
def test_when_only_colour_or_light_changes_then_the_shape_stays(
    renderer: FaceRenderer, view: View, picture: g.Rendered, name: str, value: float
) -> None:
    other = renderer.render(with_attribute(FACE, name, value), view)
    assert np.array_equal(other.alpha, picture.alpha)
    assert np.array_equal(other.classes, picture.classes)
    assert np.array_equal(other.landmarks, picture.landmarks)
    assert np.abs(other.colour - picture.colour).max() > 0.02


def test_when_a_face_is_drawn_then_its_classes_are_there_and_nothing_is_clipped(
    renderer: FaceRenderer, view: View
) -> None:
    face = replace(
        FACE,
        beard=0.8,
        moustache=0.8,
        mouth_open=0.8,
        glasses=1.0,
        key_strength=2.5,
        key_softness=0.2,
        look=(0.9,) * 32,
    )
    made = renderer.render(face, view)
    wanted = {g.BACKGROUND, g.SKIN, g.EYES, g.BROWS, g.LIPS, g.HAIR, g.BEARD, g.GLASSES, g.MOUTH, g.CLOTH}
    assert wanted <= set(np.unique(made.classes).tolist())
    assert np.isfinite(made.colour).all()
    assert made.colour.min() >= 0.0
    assert made.colour.max() > 1.5, "scene-linear light is not cut at one"


def test_when_sunglasses_are_worn_then_their_lenses_are_dark_and_belong_to_the_glasses(
    renderer: FaceRenderer, view: View, picture: g.Rendered
) -> None:
    made = renderer.render(with_attribute(FACE, "sunglasses", 1.0), view)
    eyes = picture.classes == g.EYES
    assert (made.classes[eyes] == g.GLASSES).all()
    assert made.colour[eyes].mean() < 0.5 * picture.colour[eyes].mean()


def test_when_light_comes_from_the_left_then_the_left_half_is_brighter(
    renderer: FaceRenderer, view: View
) -> None:
    sides = {}
    for azimuth in (-70.0, 70.0):
        made = renderer.render(with_attribute(FACE, "light_azimuth", azimuth), view)
        skin = made.classes == g.SKIN
        half = np.arange(64) < made.six[2, 0]
        sides[azimuth] = made.colour[skin & half].mean() / made.colour[skin & ~half].mean()
    assert sides[-70.0] > 1.2
    assert sides[70.0] < 1 / 1.2


def test_when_a_background_is_given_then_it_shows_unchanged_where_the_face_is_not(
    renderer: FaceRenderer, view: View, picture: g.Rendered
) -> None:
    behind = np.random.default_rng(1).random((64, 64, 3), np.float32) * 3
    made = renderer.render(FACE, view, background=behind)
    assert np.array_equal(made.colour[picture.alpha == 0], behind[picture.alpha == 0])
    mixed = picture.colour + behind * (1 - picture.alpha)[..., None]
    np.testing.assert_allclose(made.colour, mixed, atol=1e-5)


def test_when_layers_are_asked_for_then_they_agree_with_the_picture(
    renderer: FaceRenderer, view: View, picture: g.Rendered
) -> None:
    made = renderer.render(FACE, view, aovs=("depth", "normals", "uv", "coverage", "position"))
    np.testing.assert_array_equal(made.colour, picture.colour)
    coverage = made.aovs["coverage"]
    assert coverage.shape == (64, 64, 11)
    np.testing.assert_allclose(coverage.sum(axis=-1), 1.0, atol=1e-5)
    np.testing.assert_allclose(1 - coverage[..., g.BACKGROUND], made.alpha, atol=1e-6)
    nose = tuple(int(v) for v in made.six[2][::-1])
    assert made.aovs["depth"][nose] == pytest.approx(9.6, abs=0.4)
    assert made.aovs["depth"][0, 0] == 0.0
    assert made.aovs["normals"][nose][2] > 0.5
    np.testing.assert_allclose(made.aovs["position"][nose], (0.0, -0.36, 0.42), atol=0.12)
    assert 0 < made.aovs["uv"][nose].min() <= made.aovs["uv"][nose].max() < 1


def test_when_a_shot_camera_looks_then_only_the_face_is_drawn_and_points_project(
    renderer: FaceRenderer,
) -> None:
    wide = shot_view(192, 108, focal_px=150.0, offset=(1.2, 0.0, 0.0))
    made = renderer.render(FACE, wide)
    rows, columns = np.nonzero(made.alpha > 0.5)
    assert columns.min() > 60, "the face stands right of the middle"
    eyes = made.six[:2].mean(axis=0)
    assert eyes[0] == pytest.approx(project(wide, Pose.of(FACE, wide).world(np.zeros(3)))[0], abs=0.5)
    assert rows.min() < eyes[1] < rows.max()
    away = replace(wide, offset=(40.0, 0.0, 0.0))
    assert renderer.render(FACE, away).alpha.max() == 0.0


def test_when_a_layer_or_a_background_does_not_fit_then_it_is_refused(
    renderer: FaceRenderer, view: View
) -> None:
    with pytest.raises(ValueError, match="albedo"):
        renderer.render(FACE, view, aovs=("albedo",))
    with pytest.raises(ValueError, match="does not fit"):
        renderer.render(FACE, view, background=np.zeros((32, 64, 3), np.float32))


def test_when_there_is_no_opengl_then_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(**_: object) -> None:
        raise ImportError("libEGL.so.1 not found")

    monkeypatch.setattr(gl.moderngl, "create_context", missing)
    with pytest.raises(DeviceError, match=r"libEGL\.so\.1 not found.*apt install libegl1"):
        gl.open_context(1)


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_when_samples_are_resolved_then_light_is_kept_and_edges_are_soft(samples: int) -> None:
    assert kernel(samples).sum() == pytest.approx(1.0)
    image = np.zeros((10 * samples, 12 * samples, 4), np.float32)
    image[:, 6 * samples :] = (2.0, 1.0, 0.5, g.SKIN)
    made = resolve(image, samples)
    assert made.colour.shape == (8, 10, 3)
    np.testing.assert_allclose(made.colour[:, -1], [[2.0, 1.0, 0.5]] * 8, rtol=1e-5)
    assert made.alpha[0, 0] == 0.0
    assert set(np.unique(made.classes)) == {g.BACKGROUND, g.SKIN}
    assert samples == 1 or 0.0 < made.alpha[0, 4] < 0.5 < made.alpha[0, 5] < 1.0
