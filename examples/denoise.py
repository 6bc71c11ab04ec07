"""An autoencoder learns to take noise off handwritten digits: convolutions down, transposed ones up again.

python examples/denoise.py      writes denoise.png: noisy digits, what the network makes of them, and the truth
"""

import numpy as np
import pictures
from convx import nn, optim
from sklearn.datasets import load_digits

rng = np.random.default_rng(0)
clean = (rng.permutation(load_digits().images)[:, None] / 16).astype(np.float32)
noisy = clean + 0.4 * rng.standard_normal(clean.shape, dtype=np.float32)
train, test = slice(360, None), slice(0, 360)

network = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1, bias=False, rng=rng),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.Conv2d(16, 32, 4, stride=2, padding=1, rng=rng),
    nn.ReLU(),
    nn.Conv2d(32, 48, 4, stride=2, padding=1, rng=rng),
    nn.ReLU(),
    nn.ConvTranspose2d(48, 32, 4, stride=2, padding=1, rng=rng),
    nn.ReLU(),
    nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1, rng=rng),
    nn.ReLU(),
    nn.Conv2d(16, 1, 3, padding=1, rng=rng),
    nn.Sigmoid(),
)
adam = optim.Adam(network.parameters(), lr=3e-3)
for step in range(401):
    batch = rng.choice(len(clean[train]), 64, replace=False)
    loss, gradient = nn.mse_loss(network(noisy[train][batch]), clean[train][batch])
    adam.zero_grad()
    network.backward(gradient)
    adam.step()
    if step % 100 == 0:
        print(f"step {step:3}  loss {loss:.4f}")

# From here on the batch normalisation is part of the convolution before it.
network.eval(fold_batch_norm=True)
restored = network(noisy[test])
before, after = (np.mean((x - clean[test]) ** 2) for x in (noisy[test], restored))
print(f"held-out digits: mean squared error {before:.4f} with noise, {after:.4f} without")

rows = [np.concatenate([np.pad(digit[0], 1) for digit in x[:16]], axis=1) for x in (noisy[test], restored, clean[test])]
pictures.write("denoise.png", np.concatenate(rows).repeat(6, axis=0).repeat(6, axis=1))
