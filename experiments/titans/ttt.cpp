#include "experiments/titans/ttt.h"

#include "core/check.h"
#include "experiments/titans/chunks.h"

namespace saltus::titans {
namespace {

/// LN without gain and bias, over the last axis: (z - mean) / sd, with PyTorch's epsilon, and sd.
struct Standardised {
  Var x, sd;  // [..., d], [..., 1]

  explicit Standardised(Var z) {
    const Var centred = z - mean(z, -1, true);
    sd = sqrt(mean(centred * centred, -1, true) + 1e-5);
    x = centred / sd;
  }
};

/// d|gain x + bias - target|^2/2 / dz through x = standardised z.
Var loss_gradient(Var z, Var target, Var gain, Var bias) {
  const Standardised s(z);
  const Var g = (s.x * gain + bias - target) * gain;
  return (g - mean(g, -1, true) - s.x * mean(g * s.x, -1, true)) / s.sd;
}

constexpr double gelu_c = 1.5957691216057308, gelu_cubic = 0.044715;  // 2 sqrt(2 / pi)

/// GELU in its tanh form, x s(u), and its derivative s + x s (1 - s) du/dx, u = 2 sqrt(2 / pi) (x + 0.044715 x^3).
struct Gelu {
  Var y, slope;

  explicit Gelu(Var x) {
    const Var square = x * x;
    const Var s = sigmoid(x * affine(square, gelu_c * gelu_cubic, gelu_c));
    y = x * s;
    slope = s + y * (1.0 - s) * affine(square, 3 * gelu_c * gelu_cubic, gelu_c);
  }
};

/// One layer's share of a chunk: from its inputs and the gradients at its outputs, what queries read and what is left
/// at the end.
struct Step {
  Var rates;  // [row, query, key]: scale_i rate_j for j <= i, else 0
  Var last;   // [row, 1, key]: its last row

  Var read(Var queries, Var inputs, Var gradients, const TttLayer& layer) const {
    const Var weights = (matmul(queries, inputs, false, true) + 1.0) * rates;  // 1: the bias' input
    return matmul(queries, layer.W) + layer.b - matmul(weights, gradients);
  }
  TttLayer after(Var inputs, Var gradients, const TttLayer& layer) const {
    const Var column = reshape(last, {last.shape()[0], last.shape()[2], 1});
    return {layer.W - matmul(inputs * column, gradients, true), layer.b - matmul(last, gradients)};
  }
};

/// net(q) at every token's own weights, [row, token, d]; moves `layers` to the end of the chunk.
Var chunk_step(Var q, Var k, Var target, const Step& step, const TttInputs& in, std::vector<TttLayer>& layers) {
  const Var z1 = matmul(k, layers[0].W) + layers[0].b;
  if (layers.size() == 1) {
    const Var g1 = loss_gradient(z1, target, in.gain, in.bias);
    const Var out = step.read(q, k, g1, layers[0]);
    layers[0] = step.after(k, g1, layers[0]);
    return out;
  }
  const Gelu hidden(z1);
  const Var g2 = loss_gradient(matmul(hidden.y, layers[1].W) + layers[1].b, target, in.gain, in.bias);
  const Var g1 = matmul(g2, layers[1].W, false, true) * hidden.slope;
  const Gelu read(step.read(q, k, g1, layers[0]));
  const Var out = step.read(read.y, hidden.y, g2, layers[1]);
  layers[0] = step.after(k, g1, layers[0]);
  layers[1] = step.after(hidden.y, g2, layers[1]);
  return out;
}

}  // namespace

TttOutput ttt(const TttInputs& in, std::vector<TttLayer> state, std::int64_t chunk) {
  check(state.size() == 1 || state.size() == 2, "ttt: one or two layers, got {}", state.size());
  const std::int64_t positions = in.q.shape()[1];
  const std::vector<Var> q = unstack(into_chunks(in.q, chunk)), k = unstack(into_chunks(in.k, chunk));
  const std::vector<Var> target = unstack(into_chunks(in.v - in.k, chunk));  // [row, token, d]
  const Var rate = into_chunks(in.rate, chunk);  // [chunk, row, token]; 0 after the sequence
  const Shape wide = rate.shape().inserted(2, 1);
  const Var rates = reshape(rate, wide) * reshape(relu(in.scale), {chunk, 1}) * lower_triangle(*in.q.graph, chunk);
  const std::vector<Var> all = unstack(rates), last = unstack(slice(rates, 2, chunk - 1, chunk));
  std::vector<Var> read;
  for (std::size_t n = 0; n < q.size(); ++n)
    read.push_back(chunk_step(q[n], k[n], target[n], {all[n], last[n]}, in, state));
  const Var net = from_chunks(stack(read), positions);  // [row, position, d]
  return {in.q + Standardised(net).x * in.gain + in.bias, state};
}

}  // namespace saltus::titans
