#pragma once
#include <Eigen/Dense>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/rng.h"

/// Functions of a query x_0 and a set of keys x_1..x_N for a layer of attention to learn (Fu, Guo, Bai and Mei 2023).
namespace saltus::icl_regression {

/// Inputs: x is [sample, position = n_keys + 1, dim], the query first; every vector is uniform on the unit sphere.
struct Sequences {
  std::int64_t samples = 0, n_keys = 0, dim = 0;
  std::vector<float> x;

  const float* sample(std::int64_t i) const { return x.data() + i * (n_keys + 1) * dim; }
};

/// Sample i depends on (rng, repetition, i) alone, so that a longer draw begins with a shorter one.
Sequences draw_sequences(const Rng& rng, std::uint32_t repetition, std::int64_t samples, std::int64_t n_keys,
                         std::int64_t dim);

/// What tells one function of a family from another.
struct Directions {
  Eigen::VectorXd beta;      // [dim], uniform on the unit sphere
  Eigen::MatrixXd rotation;  // S [dim, dim], uniform among the orthogonal matrices
};
Directions draw_directions(const Rng& rng, std::uint32_t repetition, std::int64_t dim);

/// Families of raw functions, with s_i = <x_0, x_i> and t_i = <S x_0, x_i>:
///   key_power       (1/N) sum_i <beta, x_i>^a               the query does not matter
///   weighted_power  (1/N) sum_i s_i^a <beta, x_i>
///   rotated_power   (1/N) sum_i t_i^a <beta, x_i>           the same for zero-mean query-key weights, not for biased
///   ones threshold       (1/N) sum_i [s_i >= a / sqrt(d)] <beta, x_i> cosine          (1/N) sum_i cos(a sqrt(d) s_i)
///   <beta, x_i>
/// 1/sqrt(d) is the standard deviation of s_i.
enum class TargetFamily { key_power, weighted_power, rotated_power, threshold, cosine };

struct Target {
  TargetFamily family;
  double parameter;  // a
};

/// "weighted_power q=2"
std::string name_of(const Target& target);

/// E g(<u, x>) for a fixed unit vector u and x uniform on the unit sphere of R^dim, dim >= 2: an integral over the
/// angle between them. A jump of g costs an error of 1e-4 sqrt(dim) at most.
double sphere_mean(std::int64_t dim, const std::function<double(double)>& g);

/// Mean and variance of the raw function over inputs and directions.
struct Moments {
  double mean, variance;
};
Moments raw_moments(const Target& target, std::int64_t n_keys, std::int64_t dim);

/// The least risk of a linear function of all inputs, for a target of variance 1: what lies below it took more than
/// linear regression. The function's projections on x_0 and on every x_i, which are independent and isotropic, are
/// taken from 1.
double linear_risk(const Target& target, std::int64_t n_keys, std::int64_t dim);

/// The function on every sample, less its mean and divided by its standard deviation: answering 0 has a risk of 1.
Eigen::VectorXd target_values(const Target& target, const Sequences& sequences, const Directions& directions);

}  // namespace saltus::icl_regression
