#include "experiments/icl_regression/random_features/features.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "kernels/gemm.h"
#include "kernels/random.h"
#include "kernels/vector.h"

namespace saltus::icl_regression {
namespace {

enum Lane : std::uint32_t { lane_head, lane_neuron };

constexpr std::int64_t heads_a_part =
    64;  // about a thousand features: one inner dimension of the Gram matrix's products
constexpr std::int64_t rows_a_block = 128;

/// x~ of every position: [position, dim + 1].
void append_ones(const Sequences& s, std::int64_t sample, float* out) {
  for (std::int64_t p = 0; p <= s.n_keys; ++p, out += s.dim + 1) {
    std::copy_n(s.sample(sample) + p * s.dim, s.dim, out);
    out[s.dim] = 1;
  }
}

}  // namespace

const char* name_of(FeatureModel model) {
  return model == FeatureModel::rfa ? "rfa" : model == FeatureModel::brfa ? "brfa" : "rfmlp";
}

RandomFeatures::RandomFeatures(const FeatureShape& shape, const Rng& rng, std::uint32_t repetition) : shape_(shape) {
  check(shape.dim >= 1 && shape.n_keys >= 1 && shape.n_heads >= 1,
        "random features need dim {}, n_keys {} and n_heads {} of 1 or more", shape.dim, shape.n_keys, shape.n_heads);
  const bool mlp = shape.model == FeatureModel::rfmlp;
  const std::int64_t width = shape.dim + 1;
  const auto units = static_cast<std::size_t>(mlp ? size() : shape.n_heads);
  const auto each = static_cast<std::size_t>(mlp ? (shape.n_keys + 1) * shape.dim + 1 : width * width);
  weights_.resize(units * each);
  for (std::size_t u = 0; u < units; ++u) {
    fill_normal(rng,
                {.sample = static_cast<std::uint32_t>(u), .step = repetition, .lane = mlp ? lane_neuron : lane_head},
                {weights_.data() + u * each, each});
  }
  const auto scale = static_cast<float>(mlp ? std::sqrt(0.5) : 0.5);
  for (float& w : weights_) w *= scale;
  if (shape.model != FeatureModel::brfa) return;
  for (std::size_t m = 0; m < units; ++m) {
    for (std::int64_t c = 0; c < shape.dim; ++c) {
      weights_[m * each + static_cast<std::size_t>(c * width + c)] += static_cast<float>(shape.query_key_mean);
    }
  }
}

int RandomFeatures::parts() const { return static_cast<int>((shape_.n_heads + heads_a_part - 1) / heads_a_part); }

std::int64_t RandomFeatures::part_size(int part) const {
  return std::min(heads_a_part, shape_.n_heads - part * heads_a_part) * (shape_.dim + 1);
}

void RandomFeatures::fill(const Sequences& sequences, int part, float* out, std::int64_t stride) const {
  check(sequences.dim == shape_.dim && sequences.n_keys == shape_.n_keys,
        "features of {} keys of dimension {} were given {} of dimension {}", shape_.n_keys, shape_.dim,
        sequences.n_keys, sequences.dim);
  const std::int64_t width = shape_.dim + 1, first = part * heads_a_part;
  if (shape_.model == FeatureModel::rfmlp) {
    fill_neurons(sequences, first * width, part_size(part), out, stride);
  } else {
    fill_attention(sequences, first, part_size(part) / width, out, stride);
  }
}

void RandomFeatures::fill_attention(const Sequences& s, std::int64_t first, std::int64_t count, float* out,
                                    std::int64_t stride) const {
  const std::int64_t width = s.dim + 1, positions = s.n_keys + 1;
  std::vector<float> tokens(static_cast<std::size_t>(rows_a_block * positions * width));  // [row, position, x~]
  std::vector<float> queries(
      static_cast<std::size_t>(rows_a_block * count * width));             // [row, head, key coordinate]: W_m' x~_0
  std::vector<float> pattern(static_cast<std::size_t>(count * s.n_keys));  // [head, key]
  const auto scale =
      static_cast<float>(1 / (static_cast<double>(s.n_keys) * std::sqrt(static_cast<double>(shape_.n_heads))));
  for (std::int64_t start = 0; start < s.samples; start += rows_a_block) {
    const std::int64_t rows = std::min(rows_a_block, s.samples - start);
    for (std::int64_t r = 0; r < rows; ++r) append_ones(s, start + r, tokens.data() + r * positions * width);
    kernels::gemm({.trans_b = true,
                   .m = rows,
                   .n = count * width,
                   .k = width,
                   .a = tokens.data(),
                   .lda = positions * width,
                   .b = weights_.data() + first * width * width,
                   .ldb = width,
                   .c = queries.data(),
                   .ldc = count * width});
    for (std::int64_t r = 0; r < rows; ++r) {
      const float* keys = tokens.data() + (r * positions + 1) * width;
      kernels::gemm({.trans_b = true,
                     .m = count,
                     .n = s.n_keys,
                     .k = width,
                     .a = queries.data() + r * count * width,
                     .lda = width,
                     .b = keys,
                     .ldb = width,
                     .c = pattern.data(),
                     .ldc = s.n_keys});
      kernels::relu(pattern.data(), pattern.data(), pattern.size());
      kernels::affine(pattern.data(), pattern.data(), pattern.size(), scale, 0);
      kernels::gemm({.m = count,
                     .n = width,
                     .k = s.n_keys,
                     .a = pattern.data(),
                     .lda = s.n_keys,
                     .b = keys,
                     .ldb = width,
                     .c = out + (start + r) * stride,
                     .ldc = width});
    }
  }
}

void RandomFeatures::fill_neurons(const Sequences& s, std::int64_t first, std::int64_t count, float* out,
                                  std::int64_t stride) const {
  const std::int64_t inputs = (s.n_keys + 1) * s.dim, width = inputs + 1;
  std::vector<float> z(static_cast<std::size_t>(rows_a_block * width), 1.0f);
  const auto shrink = static_cast<float>(1 / std::sqrt(static_cast<double>(s.n_keys + 1)));
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(size())));
  for (std::int64_t start = 0; start < s.samples; start += rows_a_block) {
    const std::int64_t rows = std::min(rows_a_block, s.samples - start);
    for (std::int64_t r = 0; r < rows; ++r) {
      kernels::affine(s.sample(start + r), z.data() + r * width, static_cast<std::size_t>(inputs), shrink, 0);
    }
    kernels::gemm({.trans_b = true,
                   .m = rows,
                   .n = count,
                   .k = width,
                   .a = z.data(),
                   .lda = width,
                   .b = weights_.data() + first * width,
                   .ldb = width,
                   .c = out + start * stride,
                   .ldc = stride});
    for (std::int64_t r = 0; r < rows; ++r) {
      float* row = out + (start + r) * stride;
      kernels::relu(row, row, static_cast<std::size_t>(count));
      kernels::affine(row, row, static_cast<std::size_t>(count), scale, 0);
    }
  }
}

}  // namespace saltus::icl_regression
