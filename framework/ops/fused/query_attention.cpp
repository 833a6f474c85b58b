#include <algorithm>
#include <vector>

#include "ops/op_util.h"

namespace saltus {
namespace {

// attrs.i[0]: a ContextWeights; attrs.f[0]: what divides linear weights

constexpr double least_mean = 0.01;  // of f(s): what guards the norm, in units of L

ContextWeights weights_of(const Attrs& attrs) { return static_cast<ContextWeights>(attrs.i[0]); }

/// Sizes of one call, with the operands checked.
struct Sizes {
  std::int64_t batch, features, context, heads, outputs;

  Sizes(const Shape& tokens, const Shape& KQ, const Shape& OV) {
    check(tokens.rank() == 3 && tokens[2] >= 2,
          "tokens must be [batch, feature, position] with two positions or more, got {}", tokens);
    batch = tokens[0], features = tokens[1], context = tokens[2] - 1;
    check(KQ.rank() == 3 && KQ[1] == features && KQ[2] == features, "KQ must be [head, {0}, {0}], got {1}", features,
          KQ);
    heads = KQ[0];
    check(OV.rank() == 3 && OV[0] == heads && OV[2] == features, "OV must be [{}, output, {}], got {}", heads, features,
          OV);
    outputs = OV[1];
  }
};

Shape shape(const ShapeArgs& a) {
  const Sizes s(a.shape(0), a.shape(1), a.shape(2));
  return {s.batch, s.outputs};
}

Shape grad_shape(const ShapeArgs& a) {
  const Shape y = shape(a);
  check(a.shape(3) == y, "dy must be {}, got {}", y, a.shape(3));
  return {a.shape(1).size() + a.shape(2).size()};
}

// ---- In plain ops

/// f(s) and f'(s) of the ablated activations.
Var activation(Var s, ContextWeights weights) {
  if (weights == ContextWeights::relu) return relu(s + 1.0);
  if (weights == ContextWeights::tanh) return tanh(s) + 1.0;
  if (weights == ContextWeights::sigmoid) return sigmoid(s);
  return s + 1.0;
}
Var activation_slope(Var s, ContextWeights weights) {
  const Var one = s.graph->constant(1);
  if (weights == ContextWeights::relu) return gate(one, s + 1.0);
  if (weights == ContextWeights::tanh) return 1.0 - tanh(s) * tanh(s);
  if (weights == ContextWeights::sigmoid) return sigmoid(s) * (1.0 - sigmoid(s));
  return one;
}

/// The cotangent of the scores [..., L] from that of the weights.
Var scores_cotangent(Var s, Var dp, ContextWeights weights, double length) {
  const Var p = context_weights(s, weights, length);
  const Var mean_dp = sum(p * dp, -1, true);  // [..., 1]: what flows back through the norm
  if (weights == ContextWeights::softmax) return p * (dp - mean_dp);
  if (weights == ContextWeights::linear) return dp / (length == 0 ? static_cast<double>(s.shape()[-1]) : length);
  const double least = least_mean * static_cast<double>(s.shape()[-1]);
  const Var above = sum(activation(s, weights), -1, true) - least;
  return (dp - gate(mean_dp, above)) / (relu(above) + least) * activation_slope(s, weights);
}

/// What both directions are made of.
struct Parts {
  Var Z;       // [1, batch, D, L]
  Var z_q;     // [1, batch, D]
  Var a;       // [head, batch, 1, D]: KQ_h z_q
  Var scores;  // [head, batch, 1, L]

  Parts(Var tokens, Var KQ) {
    const Shape t = tokens.shape(), D_by_1 = {1, t[0], t[1]};
    const std::int64_t L = t[2] - 1;
    Z = reshape(slice(tokens, 2, 0, L), {1, t[0], t[1], L});
    z_q = reshape(slice(tokens, 2, L, L + 1), D_by_1);
    a = reshape(matmul(z_q, KQ, false, true), {KQ.shape()[0], t[0], 1, t[1]});
    scores = matmul(a, Z);
  }
  /// Z w for weights w [head, batch, 1, L]: [head, batch, D].
  Var weighted(Var w) const {
    const Var sums = matmul(w, Z, false, true);
    return reshape(sums, sums.shape().without(2));
  }
};

Var decompose(std::span<const Var> in, const Attrs& attrs) {
  const Parts parts(in[0], in[1]);
  const Var c = parts.weighted(context_weights(parts.scores, weights_of(attrs), attrs.f[0]));  // [head, batch, D]
  return sum(matmul(c, in[2], false, true), 0);
}

/// Cotangents on the way back from dy: of the context vectors Z p, and of the scores.
struct BackwardParts : Parts {
  Var p;   // [head, batch, 1, L]
  Var dc;  // [head, batch, 1, D]: OV' dy
  Var ds;  // [head, batch, 1, L]

  BackwardParts(Var tokens, Var KQ, Var OV, Var dy, const Attrs& attrs) : Parts(tokens, KQ) {
    p = context_weights(scores, weights_of(attrs), attrs.f[0]);
    dc = reshape(matmul(reshape(dy, dy.shape().inserted(0, 1)), OV), a.shape());
    ds = scores_cotangent(scores, matmul(dc, Z), weights_of(attrs), attrs.f[0]);
  }
};

Var decompose_grad(std::span<const Var> in, const Attrs& attrs) {
  const BackwardParts b(in[0], in[1], in[2], in[3], attrs);
  const Var dKQ = matmul(b.weighted(b.ds), b.z_q, true);                                        // [head, D, D]
  const Var dOV = matmul(reshape(in[3], in[3].shape().inserted(0, 1)), b.weighted(b.p), true);  // [head, N, D]
  return concat({reshape(dKQ, {dKQ.shape().size()}), reshape(dOV, {dOV.shape().size()})}, 0);
}

Var tokens_cotangent(const VjpArgs& v) {
  const Var KQ = v.in[1];
  const Shape t = v.in[0].shape();
  const BackwardParts b(v.in[0], KQ, v.in[2], v.dy, v.attrs);
  const Var dZ = sum(matmul(b.dc, b.p, true) + matmul(b.a, b.ds, true), 0);  // [batch, D, L]
  const Var dz_q = sum(matmul(b.weighted(b.ds), KQ), 0);                     // [batch, D]
  return concat({dZ, reshape(dz_q, {t[0], t[1], 1})}, 2);
}

std::vector<Var> vjp(const VjpArgs& v) {
  const Shape KQ = v.in[1].shape(), OV = v.in[2].shape();
  const Var packed = query_attention_grad(v.in[0], v.in[1], v.in[2], v.dy, weights_of(v.attrs), v.attrs.f[0]);
  return {tokens_cotangent(v), reshape(slice(packed, 0, 0, KQ.size()), KQ),
          reshape(slice(packed, 0, KQ.size(), KQ.size() + OV.size()), OV)};
}

// ---- As loops

/// One sample under one head: a = KQ z_q, weights p of its columns, and what they came from.
template <class Real>
struct Attended {
  std::vector<Real> a, p, slope;  // slope: f'(s)
  Real norm;
  bool norm_moves = true;  // with the scores

  /// Column l of the sample is z[d * stride + l] over d; the last one is the query.
  Attended(const KernelArgs<Real>& k, const Sizes& n, const Real* z, std::int64_t head) {
    const std::int64_t D = n.features, L = n.context, stride = L + 1;
    const Real* KQ = k.f(1) + head * D * D;
    for (std::int64_t i = 0; i < D; ++i) {
      a.push_back(0);
      for (std::int64_t j = 0; j < D; ++j) a.back() += KQ[i * D + j] * z[j * stride + L];
    }
    for (std::int64_t l = 0; l < L; ++l) {
      p.push_back(0);
      for (std::int64_t i = 0; i < D; ++i) p.back() += a[static_cast<std::size_t>(i)] * z[i * stride + l];
    }
    weigh(k.attrs);
  }

  /// Turns scores, which `p` holds, into weights.
  void weigh(const Attrs& attrs) {
    const ContextWeights weights = weights_of(attrs);
    const Real top = weights == ContextWeights::softmax ? *std::max_element(p.begin(), p.end()) : Real(0);
    norm = 0;
    for (Real& s : p) {
      Real d = 1;
      switch (weights) {
        case ContextWeights::softmax:
          d = s = std::exp(s - top);
          break;
        case ContextWeights::one_plus:
          s += 1;
          break;
        case ContextWeights::relu:
          d = 1 + s > 0 ? 1 : 0, s = 1 + s < 0 ? 0 : 1 + s;
          break;
        case ContextWeights::tanh:
          s = std::tanh(s), d = 1 - s * s, s += 1;
          break;
        case ContextWeights::sigmoid:
          s = 1 / (1 + std::exp(-s)), d = s * (1 - s);
          break;
        case ContextWeights::linear:
          break;
      }
      slope.push_back(d);
      norm += s;
    }
    const Real least = static_cast<Real>(least_mean * static_cast<double>(p.size()));
    if (weights == ContextWeights::linear)
      norm = static_cast<Real>(attrs.f[0]), norm_moves = false;
    else if (weights != ContextWeights::softmax && norm <= least)
      norm = least, norm_moves = false;
    for (Real& f : p) f /= norm;
  }
};

template <class Real>
void reference(const KernelArgs<Real>& k) {
  const Sizes n(k.shape(0), k.shape(1), k.shape(2));
  std::fill_n(k.y(), n.batch * n.outputs, Real(0));
  for (std::int64_t b = 0; b < n.batch; ++b) {
    const Real* z = k.f(0) + b * n.features * (n.context + 1);
    for (std::int64_t h = 0; h < n.heads; ++h) {
      const Attended<Real> at(k, n, z, h);
      for (std::int64_t i = 0; i < n.features; ++i) {
        Real c = 0;
        for (std::int64_t l = 0; l < n.context; ++l)
          c += at.p[static_cast<std::size_t>(l)] * z[i * (n.context + 1) + l];
        for (std::int64_t o = 0; o < n.outputs; ++o)
          k.y()[b * n.outputs + o] += k.f(2)[(h * n.outputs + o) * n.features + i] * c;
      }
    }
  }
}

template <class Real>
void reference_grad(const KernelArgs<Real>& k) {
  const Sizes n(k.shape(0), k.shape(1), k.shape(2));
  const std::int64_t D = n.features, L = n.context, stride = L + 1;
  std::fill_n(k.y(), k.shape().size(), Real(0));
  std::vector<Real> dp(static_cast<std::size_t>(L)), dc(static_cast<std::size_t>(D));
  for (std::int64_t b = 0; b < n.batch; ++b) {
    const Real *z = k.f(0) + b * D * stride, *dy = k.f(3) + b * n.outputs;
    for (std::int64_t h = 0; h < n.heads; ++h) {
      const Attended<Real> at(k, n, z, h);
      const Real* OV = k.f(2) + h * n.outputs * D;
      Real *dKQ = k.y() + h * D * D, *dOV = k.y() + n.heads * D * D + h * n.outputs * D;
      std::fill(dp.begin(), dp.end(), Real(0));
      std::fill(dc.begin(), dc.end(), Real(0));
      for (std::int64_t i = 0; i < D; ++i) {
        for (std::int64_t o = 0; o < n.outputs; ++o) dc[static_cast<std::size_t>(i)] += OV[o * D + i] * dy[o];
        for (std::int64_t l = 0; l < L; ++l)
          dp[static_cast<std::size_t>(l)] += dc[static_cast<std::size_t>(i)] * z[i * stride + l];
      }
      Real mean_dp = 0;
      for (std::int64_t l = 0; l < L && at.norm_moves; ++l)
        mean_dp += at.p[static_cast<std::size_t>(l)] * dp[static_cast<std::size_t>(l)];
      for (std::int64_t i = 0; i < D; ++i) {
        Real c = 0, da = 0;
        for (std::int64_t l = 0; l < L; ++l) {
          const auto at_l = static_cast<std::size_t>(l);
          c += at.p[at_l] * z[i * stride + l];
          da += (dp[at_l] - mean_dp) * at.slope[at_l] / at.norm * z[i * stride + l];
        }
        for (std::int64_t j = 0; j < D; ++j) dKQ[i * D + j] += da * z[j * stride + L];
        for (std::int64_t o = 0; o < n.outputs; ++o) dOV[o * D + i] += dy[o] * c;
      }
    }
  }
}

kernels::QueryAttention call(const KernelArgs<float>& k) {
  const Sizes s(k.shape(0), k.shape(1), k.shape(2));
  const bool linear = weights_of(k.attrs) == ContextWeights::linear;
  return {.weights = weights_of(k.attrs),
          .batch = s.batch,
          .heads = s.heads,
          .features = s.features,
          .context = s.context,
          .outputs = s.outputs,
          .least_norm = static_cast<float>(linear ? k.attrs.f[0] : least_mean * static_cast<double>(s.context)),
          .tokens = k.f(0),
          .KQ = k.f(1),
          .OV = k.f(2)};
}
void cpu(const KernelArgs<float>& k) { kernels::query_attention(call(k), k.y()); }
void cpu_grad(const KernelArgs<float>& k) {
  kernels::query_attention_grad(call(k), k.f(3), k.y(), k.y() + k.shape(1).size());
}

// A sample and head: KQ z_q, the scores, f with the norm (4 a column, as softmax counts), Z p, OV c. Back: the scores
// and f over again, Z p, dp, ds (4 a column), Z ds, and the outer products for dKQ and dOV.
double pairs(const ShapeArgs& a) { return static_cast<double>(a.shape(0)[0]) * static_cast<double>(a.shape(1)[0]); }
double flops(const ShapeArgs& a, const Shape&) {
  const Sizes s(a.shape(0), a.shape(1), a.shape(2));
  const auto D = static_cast<double>(s.features), L = static_cast<double>(s.context),
             N = static_cast<double>(s.outputs);
  return pairs(a) * (2 * D * D + (4 * D + 4) * L + 2 * D * N);
}
double grad_flops(const ShapeArgs& a, const Shape&) {
  const Sizes s(a.shape(0), a.shape(1), a.shape(2));
  const auto D = static_cast<double>(s.features), L = static_cast<double>(s.context),
             N = static_cast<double>(s.outputs);
  return pairs(a) * (4 * D * D + (8 * D + 8) * L + 4 * D * N);
}

/// The constants of a call; `length` 0 becomes L, so that equal calls are equal nodes.
Attrs attributes(Var tokens, ContextWeights weights, double length) {
  const bool linear = weights == ContextWeights::linear;
  const Shape t = tokens.shape();
  const double L = t.rank() == 3 ? static_cast<double>(t[2] - 1) : 0;
  return {.i = {static_cast<std::int64_t>(weights)}, .f = {linear ? (length == 0 ? L : length) : 0}};
}

}  // namespace

extern const OpDef query_attention_op = {.name = "query_attention",
                                         .shape = shape,
                                         .vjp = vjp,
                                         .reference_f32 = reference<float>,
                                         .reference_f64 = reference<double>,
                                         .cpu = cpu,
                                         .decompose = decompose,
                                         .flops = flops};
extern const OpDef query_attention_grad_op = {.name = "query_attention_grad",
                                              .shape = grad_shape,
                                              .reference_f32 = reference_grad<float>,
                                              .reference_f64 = reference_grad<double>,
                                              .cpu = cpu_grad,
                                              .decompose = decompose_grad,
                                              .flops = grad_flops};

Var query_attention(Var tokens, Var KQ, Var OV, ContextWeights weights, double length) {
  return ops::record<query_attention_op>({tokens, KQ, OV}, attributes(tokens, weights, length));
}
Var query_attention_grad(Var tokens, Var KQ, Var OV, Var dy, ContextWeights weights, double length) {
  return ops::record<query_attention_grad_op>({tokens, KQ, OV, dy}, attributes(tokens, weights, length));
}

Var context_weights(Var scores, ContextWeights weights, double length) {
  const auto L = static_cast<double>(scores.shape()[-1]);
  if (weights == ContextWeights::softmax) return softmax(scores);
  if (weights == ContextWeights::linear) return scores / (length == 0 ? L : length);
  const Var f = activation(scores, weights);
  return f / (relu(sum(f, -1, true) - least_mean * L) + least_mean * L);
}

Var query_pattern(Var tokens, Var KQ, ContextWeights weights, double length) {
  return context_weights(Parts(tokens, KQ).scores, weights, length);
}

}  // namespace saltus
