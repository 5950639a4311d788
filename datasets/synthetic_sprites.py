"""Procedural textures, shapes and the objects and backgrounds made of them.

Everything is drawn from the generator that is passed in, so a seed fixes every pixel. Objects are uint8 BGRA
images with colours multiplied by alpha: such images can be resampled and blurred without fringes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from datasets.alpha import over, premultiply, trim
from datasets.opencv import cv2

# Draws objects (H, W, 4) uint8, alpha-multiplied BGRA, that look alike.
Family = Callable[[np.random.Generator], np.ndarray]

SPRITE_SIDE = 128
_PATTERNS = ("noise", "stripes", "checker", "gradient", "dots", "patches")
_SHAPES = ("blob", "polygon", "creature", "vehicle", "cross")


@dataclass(frozen=True)
class Style:
    """A family of textures: objects of one style look alike without being equal.

    Attributes:
        pattern: one of noise, stripes, checker, gradient, dots, patches.
        palette: (K, 3) BGR colours, 0 .. 255.
        period: length of the pattern as a share of the image's side.
        angle: direction of the pattern, radians.
        hard: whether colours change in steps.
    """

    pattern: str
    palette: np.ndarray
    period: float
    angle: float
    hard: bool


def random_style(rng: np.random.Generator, muted: bool = False) -> Style:
    """Draw a style; muted ones have little colour and contrast and mostly no pattern, as surroundings do."""
    count = int(rng.integers(2, 5))
    hue = rng.uniform(0, 180) + rng.normal(0, 10 if muted else 25, count)
    saturation = rng.uniform(5, 90 if muted else 220, count)
    darkest, brightest = (50, 160) if muted else (20, 160)
    value = np.linspace(darkest + rng.uniform(0, 60), brightest + rng.uniform(0, 80), count)
    hsv = np.stack([hue % 180, saturation, rng.permutation(value)], axis=1).astype(np.uint8)
    palette = cv2.cvtColor(hsv[None], cv2.COLOR_HSV2BGR)[0].astype(np.float32)
    shares = (0.5, 0.08, 0.07, 0.1, 0.05, 0.2) if muted else None
    return Style(str(rng.choice(_PATTERNS, p=shares)), palette, rng.uniform(0.08, 0.3), rng.uniform(0, np.pi),
                 bool(rng.random() < 0.4))


def similar_style(rng: np.random.Generator, style: Style) -> Style:
    """A style that is easily taken for `style`: same colours and pattern, slightly other period and angle."""
    palette = np.clip(style.palette + rng.normal(0, 8, style.palette.shape), 0, 255).astype(np.float32)
    return replace(style, palette=palette, period=style.period * rng.uniform(0.8, 1.25),
                   angle=style.angle + rng.normal(0, 0.3))


def texture(rng: np.random.Generator, style: Style, height: int, width: int) -> np.ndarray:
    """Paint a (height, width, 3) uint8 BGR image in a style."""
    levels = _pattern(rng, style, height, width)
    levels += 0.25 * (fractal_noise(rng, height, width, cells=12) - 0.5)
    steps = np.linspace(0, 1, len(style.palette))
    if style.hard:
        levels = np.round(np.clip(levels, 0, 1) * (len(steps) - 1)) / (len(steps) - 1)
    grid = np.linspace(0, 1, 256)
    ramp = np.stack([np.interp(grid, steps, channel) for channel in style.palette.T], axis=1)
    colours = ramp.astype(np.float32)[np.clip(levels * 255, 0, 255).astype(np.uint8)]
    grain = 40 * (fractal_noise(rng, height, width, cells=40, octaves=1) - 0.5)
    return np.clip(colours + grain[:, :, None], 0, 255).astype(np.uint8)


def fractal_noise(rng: np.random.Generator, height: int, width: int, cells: int = 4,
                  octaves: int = 3) -> np.ndarray:
    """Smooth noise (height, width) float32 in 0 .. 1, `cells` periods across in its first octave."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        grid = rng.random((cells << octave, cells << octave), dtype=np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
    return np.clip(total / (2 - 2.0 ** (1 - octaves)), 0, 1)


def _pattern(rng: np.random.Generator, style: Style, height: int, width: int) -> np.ndarray:
    """The pattern as (height, width) float32, about 0 .. 1."""
    if style.pattern == "noise":
        return fractal_noise(rng, height, width, cells=max(2, round(0.8 / style.period)))
    x = np.arange(width, dtype=np.float32)[None] / max(height, width)
    y = np.arange(height, dtype=np.float32)[:, None] / max(height, width)
    if style.pattern == "patches":
        return _patches(rng, height, width, count=max(4, round(1 / style.period**1.5)))
    bend = 0.35 * style.period * fractal_noise(rng, height, width)
    cosine, sine = np.cos(style.angle), np.sin(style.angle)
    u = (x * cosine + y * sine + bend) / style.period + rng.random()
    v = (y * cosine - x * sine + bend) / style.period + rng.random()
    if style.pattern == "gradient":
        return (u * style.period) % 1.0
    if style.pattern == "stripes":
        return 0.5 + 0.5 * np.sin(2 * np.pi * u)
    if style.pattern == "checker":
        return ((np.floor(u) + np.floor(v)) % 2).astype(np.float32)
    return np.clip(1.2 * np.sin(np.pi * u) ** 2 * np.sin(np.pi * v) ** 2, 0, 1)  # dots


def _patches(rng: np.random.Generator, height: int, width: int, count: int) -> np.ndarray:
    """Voronoi cells of random level."""
    points = rng.random((count, 2), dtype=np.float32)
    ys, xs = np.mgrid[0:1:64j, 0:1:64j].astype(np.float32)
    nearest = ((xs[..., None] - points[:, 0]) ** 2 + (ys[..., None] - points[:, 1]) ** 2).argmin(axis=-1)
    levels = rng.random(count, dtype=np.float32)[nearest]
    return cv2.resize(levels, (width, height), interpolation=cv2.INTER_LINEAR)


def sprite(rng: np.random.Generator, style: Style) -> np.ndarray:
    """Draw an object, a body in `style` with parts and marks in others: (H, W, 4) uint8, alpha-multiplied."""
    side = SPRITE_SIDE
    outlines = _outlines(rng, str(rng.choice(_SHAPES)))
    colours = np.zeros((side, side, 3), np.uint8)
    alpha = np.zeros((side, side), np.uint8)
    for number, outline in enumerate(outlines):
        mask = _fill(outline, side)
        paint = texture(rng, style if number == 0 else random_style(rng, muted=True), side, side)
        colours[mask > 0] = paint[mask > 0]
        alpha = np.maximum(alpha, mask)
    for _ in range(int(rng.integers(1, 5))):
        centre, reach = rng.uniform(-0.5, 0.5, 2), rng.uniform(0.08, 0.3)
        mark = _fill(centre + reach * _blob(rng), side)
        paint = texture(rng, random_style(rng, muted=bool(rng.random() < 0.5)), side, side)
        where = (mark > 127) & (alpha > 127)
        colours[where] = paint[where]
    return trim(premultiply(_shade(rng, colours, alpha), alpha))


def _shade(rng: np.random.Generator, colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Light from one side and darker rims, so that flat shapes look solid."""
    side = len(alpha)
    ramp = np.linspace(-1, 1, side, dtype=np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + 0.25 * (np.cos(angle) * ramp[None] + np.sin(angle) * ramp[:, None])
    rim = cv2.GaussianBlur(alpha, (0, 0), side / 20).astype(np.float32) / 255
    return np.clip(colours * (light * (0.45 + 0.55 * rim))[:, :, None], 0, 255).astype(np.uint8)


def _fill(outline: np.ndarray, side: int) -> np.ndarray:
    """Antialiased mask (side, side) uint8 of an outline (K, 2) in -1 .. 1."""
    points = np.round((outline * 0.48 + 0.5) * side * 16).astype(np.int32)
    mask = np.zeros((side, side), np.uint8)
    return cv2.fillPoly(mask, [points], 255, lineType=cv2.LINE_AA, shift=4)


def _outlines(rng: np.random.Generator, shape: str) -> list[np.ndarray]:
    """Closed outlines (K, 2) in -1 .. 1, the body first."""
    if shape == "creature":
        body = _ellipse(0, 0.05, rng.uniform(0.5, 0.65), rng.uniform(0.25, 0.4))
        head = _ellipse(0.62, -0.3, rng.uniform(0.2, 0.3), rng.uniform(0.18, 0.28))
        legs = [_box(x, 0.6, 0.07, 0.35) for x in np.linspace(-0.45, 0.45, int(rng.integers(2, 5)))]
        return [body, head, *legs]
    if shape == "vehicle":
        hull = _box(0, 0.15, 0.9, rng.uniform(0.25, 0.4))
        cabin = _box(rng.uniform(-0.3, 0.3), -0.3, rng.uniform(0.3, 0.5), 0.3)
        wheels = [_ellipse(x, 0.55, 0.2, 0.2) for x in (-0.5, 0.5)]
        return [hull, cabin, *wheels]
    if shape == "cross":
        return [_box(0, 0, 0.95, rng.uniform(0.2, 0.45)), _box(rng.uniform(-0.4, 0.4), 0, 0.25, 0.9)]
    outline = _blob(rng) if shape == "blob" else _polygon(rng)
    stretch = rng.uniform(0.45, 1.0)
    return [outline * ([1.0, stretch] if rng.random() < 0.5 else [stretch, 1.0])]


def _blob(rng: np.random.Generator) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    orders = np.arange(2, 6)
    waves = rng.uniform(0, 0.5, 4) / orders
    radius = 1 + (waves * np.cos(angles[:, None] * orders + rng.uniform(0, 2 * np.pi, 4))).sum(axis=1)
    points = radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return points / np.abs(points).max()


def _polygon(rng: np.random.Generator) -> np.ndarray:
    count = int(rng.integers(3, 9))
    angles = 2 * np.pi * (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / count
    points = rng.uniform(0.55, 1.0, count)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return points / np.abs(points).max()


def _ellipse(x: float, y: float, half_width: float, half_height: float) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack([x + half_width * np.cos(angles), y + half_height * np.sin(angles)], axis=1)


def _box(x: float, y: float, half_width: float, half_height: float) -> np.ndarray:
    return np.array([[x - half_width, y - half_height], [x + half_width, y - half_height],
                     [x + half_width, y + half_height], [x - half_width, y + half_height]])


def background(rng: np.random.Generator, height: int, width: int, family: Family) -> np.ndarray:
    """Paint surroundings (height, width, 3) uint8: textured areas and clutter, some of `family`."""
    canvas = texture(rng, random_style(rng, muted=True), height, width)
    for _ in range(int(rng.integers(1, 4))):
        area = (fractal_noise(rng, height, width, cells=3) > rng.uniform(0.45, 0.6)).astype(np.float32)
        weight = cv2.GaussianBlur(area, (0, 0), rng.uniform(1, 6))[:, :, None]
        paint = texture(rng, random_style(rng, muted=True), height, width)
        canvas = (canvas * (1 - weight) + paint * weight).astype(np.uint8)
    things = [family(rng), sprite(rng, random_style(rng))]
    things += [sprite(rng, random_style(rng, muted=True)) for _ in range(5)]
    for _ in range(int(rng.integers(10, 28))):
        _scatter(rng, canvas, things[int(rng.integers(len(things)))])
    return cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.5, 1.2))


def _scatter(rng: np.random.Generator, canvas: np.ndarray, thing: np.ndarray) -> None:
    """Paste an object at a random place, upright, in a random size."""
    size = (int(rng.integers(20, 130)), int(rng.integers(20, 130)))
    thing = cv2.resize(thing, size, interpolation=cv2.INTER_AREA)
    left = int(rng.integers(0, canvas.shape[1] - size[0]))
    top = int(rng.integers(0, canvas.shape[0] - size[1]))
    patch = canvas[top:top + size[1], left:left + size[0]]
    patch[:] = over(thing, patch)
