#include "autodiff/grad.h"
#include "core/check.h"
#include "experiments/titans/memory.h"

/// The memory token by token, as the equations stand in memory.h: slow, and what memory_chunked is held to.
namespace saltus::titans {
namespace {

Var token(Var x, std::int64_t t) { return slice(x, 1, t, t + 1); }                         // [row, 1, d]
Var gate_of(Var x, std::int64_t t) { return reshape(token(x, t), {x.shape()[0], 1, 1}); }  // [row, 1, 1]

/// The network with weights W at x [row, 1, d].
struct Evaluation {
  std::vector<Var> in, out;  // of each layer, [row, 1, width]
  Var y;                     // [row, 1, d]

  Evaluation(Var x, const std::vector<Var>& W, bool residual) {
    Var a = x;
    for (std::size_t l = 0; l < W.size(); ++l) {
      in.push_back(a);
      out.push_back(matmul(a, W[l]));
      a = l + 1 < W.size() ? silu(out[l]) : out[l];
    }
    y = residual ? a + x : a;
  }
};

/// grad_W |M(k) - v|^2, one a layer [row, in, out], written out: back-propagation through M.
std::vector<Var> written_out(Var k, Var v, const std::vector<Var>& W, bool residual) {
  const Evaluation m(k, W, residual);
  std::vector<Var> u(W.size());
  Var g = 2 * (m.y - v);  // [row, 1, out]
  for (std::size_t l = W.size(); l-- > 0;) {
    u[l] = matmul(m.in[l], g, true);
    if (l > 0) g = matmul(g, W[l], false, true) * silu_grad(m.out[l - 1]);
  }
  return u;
}

/// The same by differentiating the recorded loss. Rows do not share weights, so the gradient of their sum is each row's
/// own.
std::vector<Var> differentiated(Var k, Var v, const std::vector<Var>& W, bool residual) {
  // Gradients stop at copies: where k itself was read from this memory, what it owes to W is not part of the inner
  // gradient.
  std::vector<Var> copies;
  for (Var w : W) copies.push_back(1.0 * w);
  const Var error = Evaluation(k, copies, residual).y - v;
  return grad(sum_all(error * error), copies);
}

using InnerGradient = std::vector<Var> (*)(Var k, Var v, const std::vector<Var>& W, bool residual);

MemoryOutput token_by_token(const MemoryInputs& in, MemoryState s, const std::vector<Var>& initial,
                            const MemoryOptions& o, InnerGradient inner_gradient) {
  check_memory(in, s, initial, o);
  check(!in.asked, "memory: only memory_chunked is asked at some positions alone");
  std::vector<Var> out, at;  // at: the weights that this chunk's gradients are taken at
  std::vector<std::vector<Var>> starts;
  for (std::int64_t t = 0; t < in.q.shape()[1]; ++t) {
    if (t % o.chunk == 0) {
      for (Var& w : s.M) w = again(w);  // told apart from what the token before has read
      starts.push_back(s.M);
      at = s.M;
      for (Var& w : at) w = o.first_order ? detach(w) : w;
    }
    const Var theta = gate_of(in.theta, t), eta = gate_of(in.eta, t), kept = 1 - gate_of(in.alpha, t);
    const Var q = token(in.q, t);
    if (o.read_before_write) out.push_back(Evaluation(q, s.M, o.residual).y);
    const std::vector<Var> u = inner_gradient(token(in.k, t), token(in.v, t), at, o.residual);
    for (std::size_t l = 0; l < u.size(); ++l) {
      s.S[l] = eta * s.S[l] - theta * u[l];
      s.M[l] = (o.decay_to_initial ? initial[l] + kept * (s.M[l] - initial[l]) : kept * s.M[l]) + s.S[l];
    }
    if (!o.read_before_write) out.push_back(Evaluation(q, s.M, o.residual).y);
  }
  return {concat(std::move(out), 1), s, std::move(starts)};
}

}  // namespace

MemoryOutput memory_sequential(const MemoryInputs& in, const MemoryState& state, const std::vector<Var>& initial,
                               const MemoryOptions& options) {
  return token_by_token(in, state, initial, options, written_out);
}

MemoryOutput memory_by_grad(const MemoryInputs& in, const MemoryState& state, const std::vector<Var>& initial,
                            const MemoryOptions& options) {
  return token_by_token(in, state, initial, options, differentiated);
}

}  // namespace saltus::titans
