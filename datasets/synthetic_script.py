"""The script of a generated sequence: draws a scene with everything that makes tracking hard.

The target turns, grows, shrinks and blurs; look-alikes cross its path before or behind it; things in front
hide it in part or wholly; it leaves the view and comes back; light and camera change. At first it is in full
view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from datasets.alpha import premultiply
from datasets.synthetic_media import Media
from datasets.synthetic_scene import Camera, Layer, Motion, Scene, smooth_path
from datasets.synthetic_sprites import random_style, texture

# Nothing hides the target before this frame.
_QUIET = 8


@dataclass(frozen=True)
class Difficulty:
    """How hard sequences are; 0 switches a trouble off.

    Attributes:
        speed: pace of target and camera; 1 is about 8 pixels a frame at 320 x 240.
        distractors: largest number of look-alikes.
        occlusion: share of sequences in which the target is wholly hidden for some frames.
        partial: share of sequences in which it is hidden in part.
        absence: share of sequences in which it leaves the view.
    """

    speed: float = 1.0
    distractors: int = 3
    occlusion: float = 0.4
    partial: float = 0.6
    absence: float = 0.2


def draw_scene(rng: np.random.Generator, frames: int, size: tuple[int, int], difficulty: Difficulty,
               media: Media) -> Scene:
    """Draw the scene of one sequence of `frames` frames of `size` (width, height)."""
    family = media.family(rng)
    shake = rng.normal(0, rng.uniform(0, 2.0) * difficulty.speed, (frames, 2))
    sprite = family(rng)
    target = _target_motion(rng, frames, size, difficulty, sprite)
    behind: list[Layer] = []
    before: list[Layer] = []
    for _ in range(int(rng.integers(0, difficulty.distractors + 1))):
        motion = _crossing_motion(rng, size, difficulty, target)
        layer = Layer(family(rng), _shaken(motion, shake))
        hides_start = _near(motion, target)[:_QUIET].any()
        (behind if hides_start or rng.random() < 0.5 else before).append(layer)
    for chance, cover in ((difficulty.occlusion, (1.3, 1.7)), (difficulty.partial, (0.3, 0.6))):
        if rng.random() < chance:
            before.append(Layer(_slab(rng), _shaken(_passing_motion(rng, target, cover), shake)))
    canvas = (int(2.2 * size[0]), int(2.2 * size[1]))
    return Scene(
        background=media.surroundings(rng, canvas[1], canvas[0], family),
        behind=tuple(behind),
        target=Layer(sprite, _shaken(target, shake)),
        before=tuple(before),
        camera=_camera(rng, frames, size, canvas, difficulty, shake),
        size=size,
    )


def _target_motion(rng: np.random.Generator, frames: int, size: tuple[int, int], difficulty: Difficulty,
                   sprite: np.ndarray) -> Motion:
    motion = _wander(rng, frames, size, difficulty, sprite.shape[1] / sprite.shape[0], min(size) / 240)
    # In full view at first, free to be cut by the border later.
    freedom = np.minimum(np.arange(frames) / (2 * _QUIET), 1)
    margin = np.hypot(motion.width, motion.height) * (0.6 - 0.4 * freedom)
    margin = np.minimum(margin, 0.5 * min(size))[:, None]
    motion = replace(motion, centre=np.clip(motion.centre, margin, np.array(size) - margin))
    if rng.random() >= difficulty.absence or frames < 3 * _QUIET:
        return motion
    # Away for some frames, beyond the border that is nearest when it goes.
    middle = rng.uniform(2 * _QUIET, frames - _QUIET)
    away = _bump(frames, middle, rng.uniform(2, 5), ramp=_QUIET)[:, None]
    at = motion.centre[int(middle)]
    reach = 0.8 * max(motion.width.max(), motion.height.max())
    gaps = np.array([at[0], at[1], size[0] - at[0], size[1] - at[1]])
    exits = [(-reach, at[1]), (at[0], -reach), (size[0] + reach, at[1]), (at[0], size[1] + reach)]
    outside = np.array(exits[int(gaps.argmin())])
    return replace(motion, centre=motion.centre * (1 - away) + outside * away)


def _wander(rng: np.random.Generator, frames: int, size: tuple[int, int], difficulty: Difficulty,
            aspect: float, unit: float) -> Motion:
    """Roam the view while turning, growing and stretching."""
    pause = rng.uniform(9, 20) / max(difficulty.speed, 0.05)
    centre = np.stack([smooth_path(rng, frames, 0.15 * side, 0.85 * side, pause) for side in size], axis=1)
    centre = np.clip(centre, 0.08 * np.array(size), 0.92 * np.array(size))
    growth = np.exp(smooth_path(rng, frames, -0.4, 0.4, rng.uniform(15, 40)))
    stretch = np.exp(smooth_path(rng, frames, -0.2, 0.2, rng.uniform(10, 30)))
    root = np.sqrt(np.clip(aspect, 0.4, 2.5)) * stretch
    side = rng.uniform(36, 72) * unit * growth
    swing = smooth_path(rng, frames, -0.5, 0.5, rng.uniform(10, 30))
    spin = rng.normal(0, 0.06) * np.arange(frames) if rng.random() < 0.3 else 0.0
    return Motion(centre, side * root, side / root, swing + spin)


def _crossing_motion(rng: np.random.Generator, size: tuple[int, int], difficulty: Difficulty,
                     target: Motion) -> Motion:
    """Wander about, but come past the target once."""
    frames = len(target.width)
    aspect = float(np.median(target.width / target.height))
    own = _wander(rng, frames, size, difficulty, aspect, min(size) / 240)
    moment = rng.uniform(_QUIET, max(frames, _QUIET))
    close = _bump(frames, moment, rng.uniform(2, 8), ramp=10)[:, None]
    past = target.centre + _departure(rng, frames, moment, rng.uniform(4, 9) * min(size) / 240)
    scale = np.sqrt(target.width * target.height / (own.width * own.height)) * rng.uniform(0.8, 1.2)
    return Motion(own.centre * (1 - close) + past * close, own.width * scale, own.height * scale, own.angle)


def _passing_motion(rng: np.random.Generator, target: Motion, cover: tuple[float, float]) -> Motion:
    """A slab that slides over the target and is `cover` times as wide as it (lowest and highest factor)."""
    frames = len(target.width)
    moment = rng.uniform(2 * _QUIET, max(frames, 2 * _QUIET))
    extent = np.hypot(target.width, target.height)
    thickness, length = rng.uniform(*cover) * extent.mean(), rng.uniform(1.5, 3.0) * extent.max()
    # Far enough away at the start, and slow enough to hide the target for several frames.
    clearing = 0.6 * (thickness + extent.max()) / (moment - _QUIET + 1)
    pace = max(rng.uniform(0.1, 0.16) * extent.mean(), clearing)
    steps = _departure(rng, frames, moment, pace)
    angle = float(np.arctan2(*steps[-1][::-1] if moment < frames - 1 else steps[0][::-1]))
    return Motion(target.centre + steps, np.full(frames, thickness), np.full(frames, length),
                  angle + smooth_path(rng, frames, -0.15, 0.15, 20))


def _departure(rng: np.random.Generator, frames: int, moment: float, pace: float) -> np.ndarray:
    """(N, 2) offsets on a straight line, zero at `moment`, `pace` pixels a frame."""
    angle = rng.uniform(0, 2 * np.pi)
    return (np.arange(frames) - moment)[:, None] * pace * np.array([np.cos(angle), np.sin(angle)])


def _slab(rng: np.random.Generator) -> np.ndarray:
    """Something to hide behind: a rectangle of any texture."""
    colours = texture(rng, random_style(rng, muted=bool(rng.random() < 0.75)), 96, 96)
    alpha = np.full((96, 96), 255, np.uint8)
    alpha[:, [0, -1]] = 128
    return premultiply(colours, alpha)


def _camera(rng: np.random.Generator, frames: int, size: tuple[int, int], canvas: tuple[int, int],
            difficulty: Difficulty, shake: np.ndarray) -> Camera:
    pause = rng.uniform(12, 40) / max(difficulty.speed, 0.05)
    zoom = np.exp(smooth_path(rng, frames, -0.12, 0.12, 25))
    roam = [smooth_path(rng, frames, 0.32 * side, 0.68 * side, pause) for side in canvas]
    light = smooth_path(rng, frames, 0.6, 1.25, rng.uniform(8, 25)) if rng.random() < 0.5 else np.ones(frames)
    shadow = np.full(frames, -10.0 * size[0])
    if rng.random() < 0.35:
        start, end = rng.permutation([-0.2, 1.2]) * size[0]
        shadow = np.linspace(start, end, frames)
    return Camera(
        centre=np.stack(roam, axis=1) - shake / zoom[:, None],
        zoom=zoom,
        angle=smooth_path(rng, frames, -0.08, 0.08, 15),
        shutter=rng.uniform(0, 0.7),
        gain=np.clip(light, 0.4, 1.5)[:, None] * rng.uniform(0.92, 1.08, 3),
        gamma=rng.uniform(0.8, 1.25),
        shadow=shadow,
        noise=rng.uniform(0.5, 8),
        blur=rng.uniform(0, 0.9),
    )


def _bump(frames: int, middle: float, half: float, ramp: float) -> np.ndarray:
    """(N,) 1 within `half` of `middle`, falling smoothly to 0 over `ramp` frames."""
    rise = np.clip((half + ramp - np.abs(np.arange(frames) - middle)) / ramp, 0, 1)
    return rise * rise * (3 - 2 * rise)


def _near(one: Motion, other: Motion) -> np.ndarray:
    """(N,) bool: whether two objects may overlap."""
    distance = np.hypot(*(one.centre - other.centre).T)
    return distance < 0.5 * (np.hypot(one.width, one.height) + np.hypot(other.width, other.height))


def _shaken(motion: Motion, shake: np.ndarray) -> Motion:
    return replace(motion, centre=motion.centre + shake)
