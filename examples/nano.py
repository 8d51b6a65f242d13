"""A gradual denoising autoencoder in plain numpy, to read from top to bottom.

`skdae.GradualDAETransformer` is this with categories, missing cells, other losses and
noises, callbacks and speed. Run it: ``python examples/nano.py``.
"""

import numpy as np

NOISE_RATE = 0.2  # of the cells are masked
RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-8  # Adam


def new_layer(n_in, n_out, rng):
    """Glorot-uniform weights (n_in, n_out) and zero biases (n_out,)."""
    bound = np.sqrt(6 / (n_in + n_out))
    return [rng.uniform(-bound, bound, (n_in, n_out)), np.zeros(n_out)]


def forward(layers, X, is_code):
    """Return the outputs of all layers, the input first.

    All are ReLUs but the last one where it rebuilds the table: that is linear.
    """
    outputs = [X]
    for number, (weight, bias) in enumerate(layers, 1):
        A = outputs[-1] @ weight + bias  # (n, n_out)
        is_linear = number == len(layers) and not is_code
        outputs.append(A if is_linear else np.maximum(A, 0))
    return outputs


def start_as_copy(layer, decoder, H):
    """Let an added layer repeat the units below that best predict the others.

    Its decoder is the ridge regression of their codes H on the new ones, so that the
    network goes on from what it has learned. A random layer would hide it.
    """
    (weight, bias), C, units = layer, np.cov(H.T), []
    for _ in range(min(weight.shape)):
        left = np.diag(C) + 1e-9
        explained = np.sum(C**2, axis=0) / left
        explained[units] = -1
        units.append(explained.argmax())
        C = C - np.outer(C[:, units[-1]], C[units[-1]]) / left[units[-1]]
    weight[:, : len(units)] = np.eye(len(weight))[:, units]
    code = np.maximum(H @ weight + bias, 0)  # (n, n_out)
    C = code - code.mean(axis=0)
    ridge = 1e-3 * np.sum(C**2) / len(bias) * np.eye(len(bias))
    decoder[0][:] = np.linalg.solve(C.T @ C + ridge, C.T @ H)
    decoder[1][:] = H.mean(axis=0) - code.mean(axis=0) @ decoder[0]


def loss_and_gradients(layers, X, target, is_code):
    """Return half the squared error per row, and its gradient in each layer."""
    outputs = forward(layers, X, is_code)
    delta = (outputs[-1] - target) / len(X)  # (n, n_out)
    loss = 0.5 * np.sum((outputs[-1] - target) ** 2) / len(X)
    gradients = []
    for number in reversed(range(len(layers))):
        if number < len(layers) - 1 or is_code:
            delta = delta * (outputs[number + 1] > 0)  # through the ReLU
        gradients.append([outputs[number].T @ delta, delta.sum(axis=0)])
        delta = delta @ layers[number][0].T  # (n, n_in)
    return loss, gradients[::-1]


class Adam:
    """Adam (Kingma and Ba, 2015), one state for each weight that is trained."""

    def __init__(self, layers):
        self.weights = [each for layer in layers for each in layer]
        self.means = [np.zeros_like(each) for each in self.weights]
        self.squares = [np.zeros_like(each) for each in self.weights]
        self.n_steps = 0

    def step(self, gradients):
        """Move the weights, in place."""
        self.n_steps += 1
        flat = [each for layer in gradients for each in layer]
        states = zip(self.weights, self.means, self.squares, flat, strict=True)
        for weight, mean, square, gradient in states:
            mean += (1 - BETA_1) * (gradient - mean)
            square += (1 - BETA_2) * (gradient**2 - square)
            unbiased = mean / (1 - BETA_1**self.n_steps)
            size = np.sqrt(square / (1 - BETA_2**self.n_steps)) + EPSILON
            weight -= RATE * unbiased / size


def fit(Z, widths, schedule="gradual", n_epochs=40, batch_size=50, seed=0):
    """Train an autoencoder on scaled rows (n, n_features), layer by layer.

    Each layer is added with its part of the decoder, and trained for an equal share of
    the epochs. Gradual: noise and loss are on the input, and all layers learn. Stacked:
    noise and loss are on the code below, and only the new layer learns.
    """
    rng = np.random.default_rng(seed)
    encoder, decoder = [], []  # decoder[0] is the one of the top layer
    for depth, width in enumerate(widths, 1):
        n_below = Z.shape[1] if depth == 1 else widths[depth - 2]
        below = list(encoder)
        encoder = [*encoder, new_layer(n_below, width, rng)]
        decoder = [new_layer(width, n_below, rng), *decoder]
        rows, trained = Z, [*encoder, *decoder]
        is_code = schedule == "stacked" and depth > 1
        if is_code:
            rows = encode(below, Z)  # frozen, so computed once
            trained = [encoder[-1], decoder[0]]
        if depth > 1:
            seen = Z if is_code else Z * (rng.random(Z.shape) >= NOISE_RATE)
            start_as_copy(encoder[-1], decoder[0], encode(below, seen))
        optimizer = Adam(trained)
        for _ in range(n_epochs // len(widths)):
            order = rng.permutation(len(rows))
            for start in range(0, len(rows), batch_size):
                clean = rows[order[start : start + batch_size]]
                corrupted = clean * (rng.random(clean.shape) >= NOISE_RATE)
                _, gradients = loss_and_gradients(trained, corrupted, clean, is_code)
                optimizer.step(gradients)
    return encoder, decoder


def encode(encoder, Z):
    """Return the top code of scaled rows, (n, widths[-1])."""
    return forward(encoder, Z, is_code=True)[-1]


def reconstruct(encoder, decoder, Z):
    """Return scaled rows as the network rebuilds them, (n, n_features)."""
    return forward(decoder, encode(encoder, Z), is_code=False)[-1]


def main():
    """Compare both schedules on rows of a simulated plant."""
    from skdae.datasets import make_sensor_data

    X = make_sensor_data(3_000, faults=(), random_state=0).data
    Z = (X - X[:2_000].mean(axis=0)) / X[:2_000].std(axis=0)
    train, test = Z[:2_000], Z[2_000:]
    masked = test * (np.random.default_rng(0).random(test.shape) >= NOISE_RATE)
    # an epoch of gradual training updates two layers in the second phase
    for schedule, n_epochs in (("gradual", 40), ("stacked", 60)):
        layers = fit(train, (16, 8), schedule, n_epochs)
        error = np.mean((reconstruct(*layers, masked) - test) ** 2)
        print(f"{schedule}: mean squared error of masked rows {error:.3f}")


if __name__ == "__main__":
    main()
