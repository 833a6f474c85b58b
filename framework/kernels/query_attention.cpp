#include "kernels/query_attention.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/query_attention.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "core/arena.h"
#include "kernels/blocks-inl.h"
#include "kernels/exp-inl.h"

// One sample a lane. A group of as many samples as there are lanes is transposed once, so that element (d, l) of all of
// them is one vector; everything after that is elementwise: no sum across lanes, no tail at the end of a row, whatever
// L and D are. Gradients are summed over groups lane by lane, and across lanes once at the end. Absent lanes of the
// last group repeat a sample, with dy = 0.

HWY_BEFORE_NAMESPACE();
namespace saltus::kernels::HWY_NAMESPACE {

constexpr std::size_t lanes = hn::MaxLanes(tag);

HWY_INLINE Vec load(const float* x, std::size_t i) { return hn::Load(tag, x + i * lanes); }
HWY_INLINE void store(Vec v, float* x, std::size_t i) { hn::Store(v, tag, x + i * lanes); }

// ---- Products of one sample's columns with a vector, and sums of its columns

// out[l] = sum_d a[d] z[d * stride + l] for l < n, in vectors.
template <int n>
HWY_INLINE void products_of(const float* a, const float* z, std::size_t D, std::size_t stride, float* out) {
  Vec acc[n];
  for (int i = 0; i < n; ++i) acc[i] = hn::Zero(tag);
  for (std::size_t d = 0; d < D; ++d) {
    const Vec ad = load(a, d);
    for (int i = 0; i < n; ++i) acc[i] = hn::MulAdd(ad, load(z, d * stride + static_cast<std::size_t>(i)), acc[i]);
  }
  for (int i = 0; i < n; ++i) store(acc[i], out, static_cast<std::size_t>(i));
}

void products(const float* a, const float* z, std::size_t D, std::size_t L, float* out) {
  std::size_t l = 0;
  for (; l + 8 <= L; l += 8) products_of<8>(a, z + l * lanes, D, L + 1, out + l * lanes);
  for (; l + 2 <= L; l += 2) products_of<2>(a, z + l * lanes, D, L + 1, out + l * lanes);
  if (l < L) products_of<1>(a, z + l * lanes, D, L + 1, out + l * lanes);
}

// out[d] = scale sum_l w[l] z[d * stride + l] for d < n.
template <int n>
HWY_INLINE void column_sums_of(const float* w, const float* z, std::size_t L, Vec scale, float* out) {
  Vec acc[n];
  for (int i = 0; i < n; ++i) acc[i] = hn::Zero(tag);
  for (std::size_t l = 0; l < L; ++l) {
    const Vec wl = load(w, l);
    for (int i = 0; i < n; ++i) acc[i] = hn::MulAdd(wl, load(z, static_cast<std::size_t>(i) * (L + 1) + l), acc[i]);
  }
  for (int i = 0; i < n; ++i) store(hn::Mul(acc[i], scale), out, static_cast<std::size_t>(i));
}

void column_sums(const float* w, const float* z, std::size_t D, std::size_t L, Vec scale, float* out) {
  std::size_t d = 0;
  for (; d + 6 <= D; d += 6) column_sums_of<6>(w, z + d * (L + 1) * lanes, L, scale, out + d * lanes);
  for (; d + 2 <= D; d += 2) column_sums_of<2>(w, z + d * (L + 1) * lanes, L, scale, out + d * lanes);
  if (d < D) column_sums_of<1>(w, z + d * (L + 1) * lanes, L, scale, out + d * lanes);
}

// ---- Weights

HWY_INLINE Vec add(Vec a, Vec b) { return hn::Add(a, b); }

// step(..., l) over l < n, in four chains so that no step has to wait for the one before.
template <class Step, class Join>
HWY_INLINE Vec fold(std::size_t n, Vec start, Step step, Join join) {
  Vec chain[4] = {start, start, start, start};
  std::size_t l = 0;
  for (; l + 4 <= n; l += 4) {
    for (std::size_t i = 0; i < 4; ++i) chain[i] = step(chain[i], l + i);
  }
  for (; l < n; ++l) chain[0] = step(chain[0], l);
  return join(join(chain[0], chain[1]), join(chain[2], chain[3]));
}

template <class F>
HWY_INLINE Vec apply(float* s, std::size_t L, F f) {
  Vec total = hn::Zero(tag);
  for (std::size_t l = 0; l < L; ++l) {
    const Vec v = f(load(s, l));
    store(v, s, l);
    total = hn::Add(total, v);
  }
  return total;
}

HWY_INLINE Vec exp_below_top(float* s, std::size_t L) {
  const Vec top = fold(
      L, load(s, 0), [s](Vec m, std::size_t l) { return hn::Max(m, load(s, l)); },
      [](Vec a, Vec b) { return hn::Max(a, b); });
  const Vec all = fold(
      L, hn::Zero(tag), [s](Vec sum, std::size_t l) { return hn::Add(sum, load(s, l)); }, add);
  const Vec total = apply(s, L, [top](Vec v) { return exp_of_nonpositive(hn::Sub(v, top)); });
  return hn::Add(total, hn::Sub(all, all));  // NaN where a score is not finite
}

// Scores to f(s) in place; the sum, or what takes its place.
Vec activate(const QueryAttention& q, float* s, std::size_t L) {
  const Vec one = hn::Set(tag, 1.0f), least = hn::Set(tag, q.least_norm);
  if (q.weights == ContextWeights::linear) return least;
  if (q.weights == ContextWeights::softmax) return exp_below_top(s, L);
  Vec total = hn::Zero(tag);
  if (q.weights == ContextWeights::one_plus) total = apply(s, L, [one](Vec v) { return hn::Add(one, v); });
  if (q.weights == ContextWeights::tanh) total = apply(s, L, [one](Vec v) { return hn::Add(one, ieee_tanh(v)); });
  if (q.weights == ContextWeights::sigmoid) {
    total = apply(s, L, [one](Vec v) { return hn::Div(one, hn::Add(one, ieee_exp(hn::Neg(v)))); });
  }
  if (q.weights == ContextWeights::relu) {
    total = apply(s, L, [one](Vec v) {
      const Vec x = hn::Add(one, v);
      return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(tag)), x);
    });
  }
  return hn::IfThenElse(hn::Le(total, least), least, total);
}

// The cotangent of the scores in place of dp, that of the weights; slope gives f'(s) from f(s).
template <class Slope>
HWY_INLINE void pull_back(const float* f, float* dp, std::size_t L, Vec mean_dp, Vec inverse_norm, Slope slope) {
  for (std::size_t l = 0; l < L; ++l) {
    store(hn::Mul(hn::Mul(hn::Sub(load(dp, l), mean_dp), inverse_norm), slope(load(f, l))), dp, l);
  }
}

void scores_cotangent(const QueryAttention& q, const float* f, float* dp, std::size_t L, Vec norm, Vec inverse_norm) {
  const Vec one = hn::Set(tag, 1.0f);
  const auto step = [f, dp](Vec sum, std::size_t l) { return hn::MulAdd(load(f, l), load(dp, l), sum); };
  Vec mean_dp = hn::Mul(fold(L, hn::Zero(tag), step, add), inverse_norm);
  if (q.weights == ContextWeights::softmax) return pull_back(f, dp, L, mean_dp, inverse_norm, [](Vec v) { return v; });
  mean_dp =
      hn::IfThenZeroElse(hn::Eq(norm, hn::Set(tag, q.least_norm)), mean_dp);  // a constant norm carries nothing back
  const auto pull = [&](auto slope) { pull_back(f, dp, L, mean_dp, inverse_norm, slope); };
  if (q.weights == ContextWeights::relu)
    return pull([one](Vec v) { return hn::IfThenElseZero(hn::Gt(v, hn::Zero(tag)), one); });
  if (q.weights == ContextWeights::tanh)
    return pull([one](Vec v) { return hn::Mul(v, hn::Sub(hn::Add(one, one), v)); });
  if (q.weights == ContextWeights::sigmoid) return pull([one](Vec v) { return hn::Mul(v, hn::Sub(one, v)); });
  pull([one](Vec) { return one; });
}

// ---- One group of samples

/// Where a group's vectors lie in the scratch memory.
struct Group {
  std::size_t D, L, N, H;
  float *z, *f, *dp, *a, *c, *dc, *u, *y, *dKQ, *dOV;

  Group(const QueryAttention& q, AlignedBlock& scratch)
      : D(static_cast<std::size_t>(q.features)),
        L(static_cast<std::size_t>(q.context)),
        N(static_cast<std::size_t>(q.outputs)),
        H(static_cast<std::size_t>(q.heads)) {
    const std::size_t vectors = D * (L + 1) + 2 * L + 4 * D + N + H * D * (D + N);
    if (scratch.bytes() < vectors * lanes * sizeof(float)) scratch = AlignedBlock(vectors * lanes * sizeof(float));
    float* next = scratch.floats();
    const auto take = [&next](std::size_t n) {
      float* const at = next;
      next += n * lanes;
      return at;
    };
    z = take(D * (L + 1)), f = take(L), dp = take(L), a = take(D), c = take(D), dc = take(D), u = take(D), y = take(N);
    dKQ = take(H * D * D), dOV = take(H * N * D);
  }

  /// Element d of the query column.
  HWY_INLINE Vec query(std::size_t d) const { return load(z, d * (L + 1) + L); }

  void load_tokens(const QueryAttention& q, std::size_t first) const {
    const float* rows[lanes];
    for (std::size_t r = 0; r < lanes; ++r) {
      rows[r] = q.tokens + std::min(first + r, static_cast<std::size_t>(q.batch) - 1) * D * (L + 1);
    }
    transpose(rows, D * (L + 1), z, lanes);
  }

  /// f(s) of head h in `f`; returns the norm.
  Vec attend(const QueryAttention& q, std::size_t h) const {
    const float* KQ = q.KQ + h * D * D;
    for (std::size_t i = 0; i < D; ++i) {
      Vec sum = hn::Zero(tag);
      for (std::size_t j = 0; j < D; ++j) sum = hn::MulAdd(hn::Set(tag, KQ[i * D + j]), query(j), sum);
      store(sum, a, i);
    }
    products(a, z, D, L, f);
    return activate(q, f, L);
  }
};

void query_attention_impl(const QueryAttention& q, float* y, AlignedBlock& scratch) {
  const Group g(q, scratch);
  const auto batch = static_cast<std::size_t>(q.batch);
  for (std::size_t first = 0; first < batch; first += lanes) {
    g.load_tokens(q, first);
    for (std::size_t o = 0; o < g.N; ++o) store(hn::Zero(tag), g.y, o);
    for (std::size_t h = 0; h < g.H; ++h) {
      const Vec norm = g.attend(q, h);
      column_sums(g.f, g.z, g.D, g.L, hn::Div(hn::Set(tag, 1.0f), norm), g.c);
      for (std::size_t o = 0; o < g.N; ++o) {
        const float* OV = q.OV + (h * g.N + o) * g.D;
        Vec sum = load(g.y, o);
        for (std::size_t d = 0; d < g.D; ++d) sum = hn::MulAdd(hn::Set(tag, OV[d]), load(g.c, d), sum);
        store(sum, g.y, o);
      }
    }
    for (std::size_t r = 0; r < std::min(lanes, batch - first); ++r) {
      for (std::size_t o = 0; o < g.N; ++o) y[(first + r) * g.N + o] = g.y[o * lanes + r];
    }
  }
}

// Adds the outer product of x [n] and y [m] to sums [n, m].
template <class X, class Y>
HWY_INLINE void add_outer(std::size_t n, std::size_t m, X x, Y y, float* sums) {
  for (std::size_t i = 0; i < n; ++i) {
    const Vec xi = x(i);
    for (std::size_t j = 0; j < m; ++j) store(hn::MulAdd(xi, y(j), load(sums, i * m + j)), sums, i * m + j);
  }
}

void backward_head(const QueryAttention& q, const Group& g, std::size_t h) {
  const Vec norm = g.attend(q, h), inverse_norm = hn::Div(hn::Set(tag, 1.0f), norm);
  const float* OV = q.OV + h * g.N * g.D;
  for (std::size_t d = 0; d < g.D; ++d) {
    Vec sum = hn::Zero(tag);
    for (std::size_t o = 0; o < g.N; ++o) sum = hn::MulAdd(hn::Set(tag, OV[o * g.D + d]), load(g.y, o), sum);
    store(sum, g.dc, d);
  }
  products(g.dc, g.z, g.D, g.L, g.dp);
  scores_cotangent(q, g.f, g.dp, g.L, norm, inverse_norm);
  column_sums(g.f, g.z, g.D, g.L, inverse_norm, g.c);
  column_sums(g.dp, g.z, g.D, g.L, hn::Set(tag, 1.0f), g.u);
  add_outer(
      g.D, g.D, [&](std::size_t i) { return load(g.u, i); }, [&](std::size_t j) { return g.query(j); },
      g.dKQ + h * g.D * g.D * lanes);
  add_outer(
      g.N, g.D, [&](std::size_t o) { return load(g.y, o); }, [&](std::size_t d) { return load(g.c, d); },
      g.dOV + h * g.N * g.D * lanes);
}

void query_attention_grad_impl(const QueryAttention& q, const float* dy, float* dKQ, float* dOV,
                               AlignedBlock& scratch) {
  const Group g(q, scratch);
  const auto batch = static_cast<std::size_t>(q.batch);
  const std::size_t n_KQ = g.H * g.D * g.D, n_OV = g.H * g.N * g.D;
  std::fill_n(g.dKQ, (n_KQ + n_OV) * lanes, 0.0f);
  for (std::size_t first = 0; first < batch; first += lanes) {
    g.load_tokens(q, first);
    for (std::size_t o = 0; o < g.N; ++o) {
      for (std::size_t r = 0; r < lanes; ++r) g.y[o * lanes + r] = first + r < batch ? dy[(first + r) * g.N + o] : 0.0f;
    }
    for (std::size_t h = 0; h < g.H; ++h) backward_head(q, g, h);
  }
  for (std::size_t i = 0; i < n_KQ; ++i) dKQ[i] = hn::GetLane(hn::SumOfLanes(tag, load(g.dKQ, i)));
  for (std::size_t i = 0; i < n_OV; ++i) dOV[i] = hn::GetLane(hn::SumOfLanes(tag, load(g.dOV, i)));
}

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saltus::kernels {
namespace {
/// Grows to what the largest call of this thread needs: a plan's calls allocate in its first run only.
AlignedBlock& scratch() {
  thread_local AlignedBlock block;
  return block;
}
}  // namespace

HWY_EXPORT(query_attention_impl);
HWY_EXPORT(query_attention_grad_impl);
void query_attention(const QueryAttention& q, float* y) { HWY_DYNAMIC_DISPATCH(query_attention_impl)(q, y, scratch()); }
void query_attention_grad(const QueryAttention& q, const float* dy, float* dKQ, float* dOV) {
  HWY_DYNAMIC_DISPATCH(query_attention_grad_impl)(q, dy, dKQ, dOV, scratch());
}
}  // namespace saltus::kernels
#endif  // HWY_ONCE
