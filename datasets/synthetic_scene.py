"""One generated sequence: who moves where, what hides whom, and how the camera sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from datasets.alpha import over
from datasets.opencv import cv2
from datasets.transforms import motion_kernel


@dataclass(frozen=True)
class Motion:
    """Pose of an object in every one of N frames.

    Attributes:
        centre: (N, 2) x, y of its middle, frame pixels.
        width: (N,) frame pixels, before rotation.
        height: (N,) likewise.
        angle: (N,) radians.
    """

    centre: np.ndarray
    width: np.ndarray
    height: np.ndarray
    angle: np.ndarray


@dataclass(frozen=True)
class Layer:
    """An object with its motion; `sprite` is (H, W, 4) uint8, alpha-multiplied BGRA."""

    sprite: np.ndarray
    motion: Motion


@dataclass(frozen=True)
class Camera:
    """How the frames are taken.

    Attributes:
        centre: (N, 2) x, y of the view's middle on the background canvas, pixels.
        zoom: (N,) frame pixels per canvas pixel.
        angle: (N,) radians.
        shutter: share of the frame interval during which light is gathered; makes motion blur.
        gain: (N, 3) lighting, factor for each channel.
        gamma: exponent of the response.
        shadow: (N,) x of a soft shadow's middle, frame pixels; far outside where there is none.
        noise: standard deviation, grey levels.
        blur: Gaussian sigma of the optics, pixels.
    """

    centre: np.ndarray
    zoom: np.ndarray
    angle: np.ndarray
    shutter: float
    gain: np.ndarray
    gamma: float
    shadow: np.ndarray
    noise: float
    blur: float


@dataclass(frozen=True)
class Scene:
    """All there is to render. Layers are in drawing order, far ones first."""

    background: np.ndarray
    behind: tuple[Layer, ...]
    target: Layer
    before: tuple[Layer, ...]
    camera: Camera
    size: tuple[int, int]


@dataclass(frozen=True)
class Shot:
    """A rendered frame.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        box: (4,) float64 x, y, w, h around the target's silhouette, what hides it ignored, clipped to the
        frame;
            None where it lies outside.
        visible: share of the silhouette's area that can be seen, 0 .. 1.
    """

    image: np.ndarray
    box: np.ndarray | None
    visible: float


def smooth_path(rng: np.random.Generator, frames: int, low: float, high: float,
                interval: float) -> np.ndarray:
    """(frames,) values that wander smoothly between about `low` and `high`, one turn in `interval` frames."""
    knots = max(3, int(np.ceil(frames / interval)) + 1)
    values = rng.uniform(low, high, knots)
    return CubicSpline(np.linspace(0, frames - 1, knots), values)(np.arange(frames))


def render(rng: np.random.Generator, scene: Scene) -> Iterator[Shot]:
    """Render the frames of a scene one by one; `rng` gives the noise."""
    width, height = scene.size
    grain = rng.normal(0, max(scene.camera.noise, 1e-6), (height + 32, width + 32, 3)).astype(np.float32)
    for index in range(len(scene.camera.zoom)):
        image = _view(scene, index)
        for layer in scene.behind:
            _draw(image, layer, index, scene.camera.shutter)
        silhouette = _draw(image, scene.target, index, scene.camera.shutter)
        seen = silhouette.astype(np.float32)
        for layer in scene.before:
            seen *= 1 - _draw(image, layer, index, scene.camera.shutter) / np.float32(255)
        box = np.array(cv2.boundingRect((silhouette > 127).astype(np.uint8)), dtype=np.float64)
        share = float(seen.sum()) / max(_full_area(scene.target, index), 1.0)
        left, top = rng.integers(0, 32, 2)
        exposed = _expose(image, scene.camera, index, grain[top:top + height, left:left + width])
        yield Shot(exposed, box if box[2:].min() > 0 else None, min(share, 1.0))


def _view(scene: Scene, index: int) -> np.ndarray:
    camera = scene.camera
    cosine, sine = np.cos(camera.angle[index]), np.sin(camera.angle[index])
    turn = np.array([[cosine, -sine], [sine, cosine]]) / camera.zoom[index]
    offset = camera.centre[index] - turn @ (np.array(scene.size) / 2)
    image = cv2.warpAffine(scene.background, np.column_stack([turn, offset]), scene.size,
                           flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT)
    return _smear(image, _velocity(camera.centre, index) * camera.zoom[index] * camera.shutter)


def _draw(image: np.ndarray, layer: Layer, index: int, shutter: float) -> np.ndarray:
    """Put a layer on the image, in place; return its alpha (H, W) uint8 before motion blur."""
    motion = layer.motion
    alpha = np.zeros(image.shape[:2], np.uint8)
    scale = np.array([motion.width[index], motion.height[index]]) / layer.sprite.shape[1::-1]
    speed = _velocity(motion.centre, index) * shutter
    # Where the rotated, smeared sprite can reach.
    reach = 0.75 * max(motion.width[index], motion.height[index]) + np.abs(speed) / 2 + 2
    left, top = np.maximum(np.floor(motion.centre[index] - reach), 0).astype(int)
    right, bottom = np.minimum(np.ceil(motion.centre[index] + reach), image.shape[1::-1]).astype(int)
    if right <= left or bottom <= top:
        return alpha
    sprite = layer.sprite
    while scale.max() < 0.6:  # bilinear sampling skips pixels beyond a factor of two
        smaller = cv2.pyrDown(sprite)
        scale = scale * sprite.shape[1::-1] / smaller.shape[1::-1]
        sprite = smaller
    cosine, sine = np.cos(motion.angle[index]), np.sin(motion.angle[index])
    matrix = np.array([[cosine, -sine], [sine, cosine]]) * scale
    offset = motion.centre[index] - (left, top) - matrix @ (np.array(sprite.shape[1::-1]) / 2)
    thing = cv2.warpAffine(sprite, np.column_stack([matrix, offset]), (right - left, bottom - top))
    alpha[top:bottom, left:right] = thing[:, :, 3]
    patch = image[top:bottom, left:right]
    patch[:] = over(_smear(thing, speed), patch)
    return alpha


def _smear(image: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Blur along `motion`, (2,) pixels travelled while the shutter was open."""
    length = float(np.hypot(*motion))
    if length < 1.5:
        return image
    kernel = motion_kernel(min(length, 17.0), float(np.arctan2(motion[1], motion[0])))
    return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT)


def _velocity(path: np.ndarray, index: int) -> np.ndarray:
    return path[index] - path[index - 1] if index else path[1] - path[0]


def _full_area(layer: Layer, index: int) -> float:
    """Area of the silhouette in frame pixels times 255, had it the frame for itself."""
    return float(layer.sprite[:, :, 3].mean() * layer.motion.width[index] * layer.motion.height[index])


def _expose(image: np.ndarray, camera: Camera, index: int, grain: np.ndarray) -> np.ndarray:
    """Optics, light, noise and the response of the sensor."""
    if camera.blur > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), camera.blur)
    steps = np.arange(256, dtype=np.float32) / 255
    table = np.clip(255 * (steps[:, None] ** camera.gamma * camera.gain[index]), 0, 255)
    light = cv2.LUT(image, table.astype(np.uint8)[:, None]).astype(np.float32)
    distance = (np.arange(image.shape[1]) - camera.shadow[index]) / (0.2 * image.shape[1])
    light *= (1 - 0.55 * np.exp(-(distance**2)))[None, :, None].astype(np.float32)
    return np.clip(light + grain, 0, 255).astype(np.uint8)
