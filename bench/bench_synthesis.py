"""How fast the generator is against a plain formulation of the same network, on the same random weights.

Plain means the formula as the paper prints it: one modulated and demodulated weight per sample, run as a
grouped convolution. Its up-sampling is measured in two ways: "transposed" (stride-2 transposed convolution,
then the filter: what published code does) and "inserted" (zeros put between the pixels, the filter, then the
convolution). The candidates take turns within every round, so that a busy machine slows all of them; a ratio
is taken per round and its median printed. One thread, process CPU time. Nothing is asserted: people judge.

    OMP_NUM_THREADS=1 .venv/bin/python bench/bench_synthesis.py [--rounds 9] [--batch 1] [--sizes 64 128 256]
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time

import torch
import torch.nn.functional as F
from lineament.core.generators.stylegan2 import StyleGAN2, StyleGAN2Config

# The widths of the published base / maximum rule, small enough for one core: size -> (base, maximum).
WIDTHS = {64: (4096, 192), 128: (8192, 256), 256: (16384, 512)}
ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "268435456",
}
RATIO = f"{'min-med-max':>15} | {'max diff':>9}"
HEADING = f"  px |  ours ms | transp. ms | {RATIO} | insert. ms | {RATIO} | largest"
FIR = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8.0


def filtered(x, padding, gain):
    """(B, C, H, W) filtered with [1, 3, 3, 1] on both axes after zero padding (before, after)."""
    channels = x.shape[1]
    kernel = (FIR[:, None] * FIR[None, :] * gain).expand(channels, 1, 4, 4).contiguous()
    before, after = padding
    return F.conv2d(F.pad(x, (before, after, before, after)), kernel, groups=channels)


def with_zeros(x):
    """(B, C, H, W) -> (B, C, 2H, 2W): every pixel at the top left of a 2 x 2 cell of zeros."""
    b, c, h, w = x.shape
    spread = x.new_zeros(b, c, h, 2, w, 2)
    spread[:, :, :, 0, :, 0] = x
    return spread.reshape(b, c, 2 * h, 2 * w)


def modulated_weights(weight, style, demodulate):
    """(O, I, k, k) and (B, I) -> (B, O, I, k, k): equation 1 of the paper, then equation 3."""
    weights = weight[None] * style[:, None, :, None, None]
    if demodulate:
        weights = weights * (weights.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    return weights


def grouped(x, weights, *, padding):
    """One convolution per sample, folded into groups: (B, I, H, W), (B, O, I, k, k) -> (B, O, H', W')."""
    b, o, i, k, _ = weights.shape
    y = F.conv2d(
        x.reshape(1, b * i, *x.shape[2:]), weights.reshape(b * o, i, k, k), padding=padding, groups=b
    )
    return y.reshape(b, o, *y.shape[2:])


def doubled_transposed(x, weights):
    """Twice the size by a stride-2 transposed convolution, then the filter."""
    b, o, i, k, _ = weights.shape
    flat = weights.transpose(1, 2).reshape(b * i, o, k, k)
    y = F.conv_transpose2d(x.reshape(1, b * i, *x.shape[2:]), flat, stride=2, groups=b)
    return filtered(y.reshape(b, o, *y.shape[2:]), (1, 1), 4.0)


def doubled_inserted(x, weights):
    """Twice the size by zeros between the pixels, the filter, then the convolution at full size."""
    return grouped(filtered(with_zeros(x), (3, 2), 4.0), weights.flip(3, 4), padding=0)


def affine(state, prefix, w):
    """The style of one layer from its latent row (B, w_dim)."""
    weight, bias = state[f"{prefix}.affine.weight"], state[f"{prefix}.affine.bias"]
    return w @ (weight / math.sqrt(weight.shape[1])).t() + bias


def plain_layer(state, prefix, x, w, double):
    """Modulated 3 x 3 convolution, noise, bias, leaky ReLU; ``double`` up-samples or is None."""
    weights = modulated_weights(state[f"{prefix}.weight"], affine(state, prefix, w), True)
    x = double(x, weights) if double else grouped(x, weights, padding=1)
    x = x + state[f"{prefix}.noise_const"] * state[f"{prefix}.noise_strength"]
    return F.leaky_relu(x + state[f"{prefix}.bias"][None, :, None, None], 0.2) * math.sqrt(2.0)


def plain_synthesis(state, resolutions, ws, double):
    """(B, num_ws, w_dim) -> (B, 3, R, R), written from the paper, without the generator's code."""
    image, row = None, 0
    x = state["synthesis.b4.const"][None].repeat(ws.shape[0], 1, 1, 1)
    for resolution in resolutions:
        prefix = f"synthesis.b{resolution}"
        if resolution > 4:
            x = plain_layer(state, f"{prefix}.conv0", x, ws[:, row], double)
            row += 1
        x = plain_layer(state, f"{prefix}.conv1", x, ws[:, row], None)
        row += 1
        style = affine(state, f"{prefix}.torgb", ws[:, row]) / math.sqrt(x.shape[1])
        rgb = grouped(x, modulated_weights(state[f"{prefix}.torgb.weight"], style, False), padding=0)
        rgb = rgb + state[f"{prefix}.torgb.bias"][None, :, None, None]
        image = rgb if image is None else filtered(with_zeros(image), (2, 1), 4.0) + rgb
    return image


def random_generator(resolution, seed):
    """A generator with random weights, biases and noise strengths: nothing in it is neutral."""
    torch.manual_seed(seed)
    base, widest = WIDTHS[resolution]
    sizes = [2**level for level in range(2, int(math.log2(resolution)) + 1)]
    channels = {size: min(base // size, widest) for size in sizes}
    generator = StyleGAN2(StyleGAN2Config(512, 0, 512, resolution, channels, 2)).eval().requires_grad_(False)
    for name, value in generator.named_parameters():
        if name.endswith("noise_strength"):
            value.fill_(0.1)
        elif name.endswith(".bias") and "affine" not in name:
            value.normal_(0.0, 0.1)
    return generator


def race(candidates, rounds):
    """CPU milliseconds per candidate and round; the order turns by one place every round."""
    names = list(candidates)
    times = {name: [] for name in names}
    for number in range(rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            start = time.process_time()
            candidates[name]()
            if number:  # round 0 warms up
                times[name].append(1000.0 * (time.process_time() - start))
    return times


def measure(resolution, batch, rounds):
    """Print the table row of one size: milliseconds, ratios (plain / ours), differences."""
    generator = random_generator(resolution, seed=resolution)
    with torch.inference_mode():
        print(" | ".join(table_row(generator, batch, rounds)))


def table_row(generator, batch, rounds):
    """The cells of one row; the generator must have been built outside inference mode."""
    state = dict(generator.state_dict())
    ws = generator.map(torch.randn(batch, 512))
    sizes = generator.config.resolutions
    candidates = {
        "ours": lambda: generator.synthesise(ws),
        "transposed": lambda: plain_synthesis(state, sizes, ws, doubled_transposed),
        "inserted": lambda: plain_synthesis(state, sizes, ws, doubled_inserted),
    }
    pictures = {name: run() for name, run in candidates.items()}
    largest = float(pictures["transposed"].abs().max())
    gap = {
        name: float((pictures[name] - pictures["ours"]).abs().max()) for name in ("transposed", "inserted")
    }
    times = race(candidates, rounds)
    middle = {name: statistics.median(values) for name, values in times.items()}
    cells = [f"{generator.resolution:4d}", f"{middle['ours']:8.1f}"]
    for name in ("transposed", "inserted"):
        ratios = sorted(plain / ours for plain, ours in zip(times[name], times["ours"], strict=True))
        spread = f"{ratios[0]:.2f}-{statistics.median(ratios):.2f}-{ratios[-1]:.2f}"
        cells += [f"{middle[name]:10.1f}", f"{spread:>15}", f"{gap[name]:9.1e}"]
    return [*cells, f"{largest:9.2f}"]


def main():
    """Read the options, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=sorted(WIDTHS), choices=sorted(WIDTHS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    kept = all(os.environ.get(name) == value for name, value in ALLOCATOR.items())
    print(f"torch {torch.__version__}, 1 thread, batch {options.batch}, {options.rounds} rounds")
    print("allocator: " + ("big blocks kept (MALLOC_* set)" if kept else "as installed (MALLOC_* not set)"))
    print(HEADING)
    for resolution in options.sizes:
        measure(resolution, options.batch, options.rounds)
    print(
        "Ratios are plain / ours: above 1 ours is faster. 'largest' is the largest magnitude in the picture."
    )
    if not kept:
        wanted = " ".join(f"{name}={value}" for name, value in ALLOCATOR.items())
        print(f"Both sides return big activations to the system after every layer; to keep them:\n  {wanted}")


if __name__ == "__main__":
    main()
