#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"
#include "experiments/icl_regression/random_features/targets.h"

/// Frozen random features phi(x_0; x_1..x_N): the models are linear in them, f = <v, phi>.
namespace saltus::icl_regression {

enum class FeatureModel { rfa, brfa, rfmlp };
const char* name_of(FeatureModel model);

struct FeatureShape {
  FeatureModel model = FeatureModel::rfa;
  std::int64_t dim = 0, n_keys = 0;
  std::int64_t n_heads = 0;   // M; rfmlp has n_heads (dim + 1) neurons, as many trained parameters
  double query_key_mean = 1;  // of brfa
};

/// With x~ = (x, 1) and relu:
///   rfa    phi_{m c} = M^-1/2 (1/N) sum_i relu(x~_0' W_m x~_i) x~_{i c},  W_m [dim + 1, dim + 1] iid N(0, 1/4)
///   brfa   the same, with query_key_mean diag(I_dim, 0) added to every W_m
///   rfmlp  phi_k = K^-1/2 relu(<w_k, z>),  z = (vec(x_0, ..., x_N) / sqrt(N + 1), 1),  w_k iid N(0, 1/2)
/// For unit vectors |x~|^2 = |z|^2 = 2, so that what relu sees has variance 1 and |phi|^2 is of order 1 whatever the
/// sizes. Head m and neuron k depend on (rng, repetition, m) and (rng, repetition, k) alone; rfa and brfa share their
/// noise.
class RandomFeatures {
 public:
  RandomFeatures(const FeatureShape& shape, const Rng& rng, std::uint32_t repetition);

  std::int64_t size() const { return shape_.n_heads * (shape_.dim + 1); }
  /// Attention: W_m transposed, [head, key coordinate, query coordinate]; rfmlp: [neuron, coordinate of z].
  std::span<const float> weights() const { return weights_; }

  /// Features come in parts of some heads or neurons each, for there may be too many to hold at once.
  int parts() const;
  std::int64_t part_size(int part) const;
  /// Writes part `part` of every sample's features: out is [sample, part_size(part)], rows `stride` apart. In f32.
  void fill(const Sequences& sequences, int part, float* out, std::int64_t stride) const;

 private:
  void fill_attention(const Sequences& s, std::int64_t first, std::int64_t count, float* out,
                      std::int64_t stride) const;
  void fill_neurons(const Sequences& s, std::int64_t first, std::int64_t count, float* out, std::int64_t stride) const;

  FeatureShape shape_;
  std::vector<float> weights_;
};

}  // namespace saltus::icl_regression
