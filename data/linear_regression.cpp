#include "data/linear_regression.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

#include "kernels/random.h"
#include "kernels/regression.h"

namespace saltus {
namespace {

/// The independent draws of one sample, or of one pool entry.
enum Lane : std::uint32_t { lane_normals, lane_pool_entry, lane_pool_coefficients, lane_drift };

constexpr std::int64_t most_pool_numbers = std::int64_t{1} << 28;  // 1 GiB of coefficients

/// The coordinates that a text such as "0..3, 6" names, rising, or what is wrong with the text.
struct ParsedSupport {
  std::vector<int> coordinates;
  std::string problem;
};

std::string_view trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(" \t"), to = text.find_last_not_of(" \t");
  return from == std::string_view::npos ? std::string_view() : text.substr(from, to - from + 1);
}

/// A whole number >= 0, or -1.
std::int64_t coordinate_of(std::string_view text) {
  std::int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::max<std::int64_t>(value, -1) : -1;
}

ParsedSupport parse_support(std::string_view text, std::int64_t input_dim) {
  ParsedSupport out;
  const auto fail = [](std::string problem) { return ParsedSupport{{}, std::move(problem)}; };
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view part = trimmed(text.substr(at, comma - at));
    at = comma + 1;
    const std::size_t dots = part.find("..");
    const std::int64_t first = coordinate_of(trimmed(part.substr(0, dots)));
    const std::int64_t last = dots == std::string_view::npos ? first : coordinate_of(trimmed(part.substr(dots + 2)));
    if (first < 0 || last < 0) {
      return fail(fmt::format("'{}' is neither a coordinate nor a range; write for example 0..3 or 0,2,4", part));
    }
    if (first > last) return fail(fmt::format("{} runs backwards; write {}..{}", part, last, first));
    if (last >= input_dim) {
      return fail(fmt::format("coordinate {} is outside 0..{}, the coordinates of input_dim {}", last, input_dim - 1,
                              input_dim));
    }
    for (std::int64_t j = first; j <= last; ++j) out.coordinates.push_back(static_cast<int>(j));
  }
  std::sort(out.coordinates.begin(), out.coordinates.end());
  const auto twice = std::adjacent_find(out.coordinates.begin(), out.coordinates.end());
  if (twice != out.coordinates.end()) return fail(fmt::format("coordinate {} is there twice", *twice));
  return out;
}

/// The lower triangle C [d, d] with C C^T = sigma (Cholesky), row-major with zeros above the diagonal.
struct Factor {
  std::vector<double> rows;
  std::int64_t failed_at = -1;  // the first k whose leading (k+1) x (k+1) block of sigma is not positive definite
};

Factor cholesky(const std::vector<double>& sigma, std::int64_t dim) {
  const auto d = static_cast<std::size_t>(dim);
  Factor out{std::vector<double>(d * d)};
  for (std::size_t i = 0; i < d; ++i) {
    double* row = out.rows.data() + i * d;
    for (std::size_t j = 0; j <= i; ++j) {
      const double* other = out.rows.data() + j * d;
      double left = sigma[i * d + j];
      for (std::size_t k = 0; k < j; ++k) left -= row[k] * other[k];
      row[j] = i == j ? std::sqrt(left) : left / other[j];
    }
    if (!(row[i] > 0) || !std::isfinite(row[i])) {
      out.failed_at = static_cast<std::int64_t>(i);
      return out;
    }
  }
  return out;
}

/// The same of the matrix rho^|i-j| in closed form: x_i = rho x_{i-1} + sqrt(1 - rho^2) z_i, a stationary chain.
std::vector<double> kac_murdock_szego_factor(double rho, std::int64_t dim) {
  const auto d = static_cast<std::size_t>(dim);
  std::vector<double> rows(d * d);
  for (std::size_t i = 0; i < d; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      rows[i * d + j] = std::pow(rho, static_cast<double>(i - j)) * (j == 0 ? 1 : std::sqrt((1 - rho) * (1 + rho)));
    }
  }
  return rows;
}

/// What is wrong with covariance_matrix, or "".
std::string matrix_problem(const LinearRegressionConfig& c) {
  const auto d = static_cast<std::size_t>(c.input_dim);
  const std::vector<double>& matrix = c.covariance_matrix;
  if (matrix.size() != d * d) {
    return fmt::format("it has {} numbers; input_dim {} needs {}, row by row", matrix.size(), d, d * d);
  }
  for (std::size_t i = 0; i < d; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (matrix[i * d + j] != matrix[j * d + i]) {
        return fmt::format("it is not symmetric: entry ({}, {}) is {}, entry ({}, {}) is {}", i, j, matrix[i * d + j],
                           j, i, matrix[j * d + i]);
      }
    }
  }
  const std::int64_t failed_at = cholesky(matrix, c.input_dim).failed_at;
  if (failed_at < 0) return "";
  return fmt::format("it is not positive definite: its leading {0} x {0} block is not", failed_at + 1);
}

/// Calls require(ok, key, message) for every rule between the keys.
template <class Require>
void check_rules(const LinearRegressionConfig& c, const Require& require) {
  const bool given = c.covariance == "given", has_matrix = !c.covariance_matrix.empty();
  require(std::abs(c.covariance_decay) < 1, "covariance_decay",
          fmt::format("{} is not strictly between -1 and 1", c.covariance_decay));
  require(!given || has_matrix, "covariance",
          fmt::format("given needs covariance_matrix, {0} x {0} numbers row by row", c.input_dim));
  require(given || !has_matrix, "covariance_matrix",
          fmt::format("it has no effect with covariance: {}; set covariance: given or leave the matrix "
                      "out",
                      c.covariance));
  if (given && has_matrix) {
    const std::string problem = matrix_problem(c);
    require(problem.empty(), "covariance_matrix", problem);
  }
  for (std::size_t n = 0; n < c.supports.size(); ++n) {
    const std::string problem = parse_support(c.supports[n], c.input_dim).problem;
    require(problem.empty(), "supports", fmt::format("entry {}, '{}': {}", n, c.supports[n], problem));
  }
  const std::int64_t numbers_each = c.n_tasks() * std::max<std::int64_t>(c.input_dim, 1);
  require(c.pool_size <= most_pool_numbers / numbers_each, "pool_size",
          fmt::format("{} entries of {} coefficients are too large a pool: use at most {}", c.pool_size, numbers_each,
                      most_pool_numbers / numbers_each));
  require(c.drift == 0 || c.pool_size == 0, "drift",
          fmt::format("drift {} takes beta away from the entries of a pool: set pool_size 0 instead of {}, or drift 0",
                      c.drift, c.pool_size));
}

}  // namespace

void LinearRegressionConfig::fields(Fields& f) {
  f.field("n_context", n_context, "pairs (x, y) before the query (L)", between(1, 65536));
  f.field("input_dim", input_dim, "covariates (d)", between(1, 1024));
  f.choice("covariance", covariance, {"isotropic", "kac_murdock_szego", "given"},
           "covariance of x (Sigma): the identity; covariance_decay^|i-j|; or covariance_matrix");
  f.field("covariance_decay", covariance_decay, "correlation of neighbours with kac_murdock_szego (rho), in (-1, 1)");
  f.field("covariance_matrix", covariance_matrix,
          "Sigma with covariance: given: d x d numbers row by row, symmetric and positive definite");
  f.field("beta_std", beta_std, "standard deviation of a coefficient; null is the paper's 1/sqrt(d)", above(0));
  f.field("noise_std", noise_std, "standard deviation of the label noise (sigma)", at_least(0));
  f.choice("noise_scaling", noise_scaling, {"none", "support"},
           "support: task n's noise is noise_std sqrt(|S_n|), as in the authors' multi-task program");
  f.field("noisy_query", noisy_query, "the label that is asked carries noise too; false: it is beta . x alone");
  f.field(
      "supports", supports,
      "what each of several tasks reads (S_n): inclusive ranges or numbers from 0, such as [0..3, \"2,4,5\"]; [] is "
      "one task that reads all");
  f.field("shared_beta", shared_beta,
          "tasks share one beta, each restricted to its support, as in the paper; false: one each, as in the authors' "
          "program");
  f.field("pool_size", pool_size,
          "draw beta out of a fixed pool of so many (Raventos et al. 2023: M); 0: a fresh one each sequence",
          between(0, std::numeric_limits<std::int32_t>::max()));
  f.field("drift", drift,
          "rate at which beta walks from pair to pair: beta <- sqrt(1-q^2) beta + q fresh one, the query's the last; 0 "
          "holds it (q)",
          between(0, 1));
  check_rules(*this, [&f](bool ok, const char* key, const std::string& message) { f.require(ok, key, message); });
}

double LinearRegressionConfig::coefficient_std() const {
  return beta_std.value_or(1 / std::sqrt(static_cast<double>(input_dim)));
}

double LinearRegressionConfig::label_noise_std(int task) const {
  return noise_scaling == "support" ? noise_std * std::sqrt(static_cast<double>(support(task).size())) : noise_std;
}

std::vector<int> LinearRegressionConfig::support(int task) const {
  check(task >= 0 && task < n_tasks(), "task {} is outside 0..{}", task, n_tasks() - 1);
  const std::string text =
      supports.empty() ? fmt::format("0..{}", input_dim - 1) : supports[static_cast<std::size_t>(task)];
  const ParsedSupport parsed = parse_support(text, input_dim);
  check(parsed.problem.empty(), "supports: entry {}, '{}': {}", task, text, parsed.problem);
  return parsed.coordinates;
}

std::vector<double> LinearRegressionConfig::sigma() const {
  if (covariance == "given") return covariance_matrix;
  const auto d = static_cast<std::size_t>(input_dim);
  const double decay = covariance == "isotropic" ? 0 : covariance_decay;
  std::vector<double> out(d * d);
  for (std::size_t i = 0; i < d; ++i) {
    for (std::size_t j = 0; j < d; ++j) {
      out[i * d + j] = std::pow(decay, static_cast<double>(i > j ? i - j : j - i));
    }
  }
  return out;
}

LinearRegression::LinearRegression(const LinearRegressionConfig& config, const Seeds& seeds)
    : config_(config),
      data_rng_(seeds.data, Stream::data),
      eval_rng_(seeds.eval, Stream::eval),
      coefficient_std_(static_cast<float>(config.coefficient_std())) {
  check_rules(config, [](bool ok, const char* key, const std::string& message) { check(ok, "{}: {}", key, message); });
  for (int n = 0; n < config.n_tasks(); ++n) {
    supports_.push_back(config.support(n));
    noise_std_.push_back(static_cast<float>(config.label_noise_std(n)));
  }
  std::vector<double> factor;
  if (config.covariance == "kac_murdock_szego") {
    factor = kac_murdock_szego_factor(config.covariance_decay, config.input_dim);
  } else if (config.covariance == "given") {
    factor = cholesky(config.covariance_matrix, config.input_dim).rows;
  }
  factor_.assign(factor.begin(), factor.end());

  const Rng task_rng(seeds.task, Stream::task);
  const auto numbers_each = static_cast<std::size_t>(config.n_tasks() * config.input_dim);
  std::vector<float> normals(coefficients_drawn());
  pool_.resize(static_cast<std::size_t>(config.pool_size) * numbers_each);
  for (std::size_t m = 0; m < static_cast<std::size_t>(config.pool_size); ++m) {
    fill_normal(task_rng, {.sample = static_cast<std::uint32_t>(m), .lane = lane_pool_coefficients}, normals);
    write_coefficients(normals.data(), pool_.data() + m * numbers_each);
  }
}

std::vector<SampleField> LinearRegression::fields() const {
  return {{"tokens", Shape{config_.n_features(), config_.n_context + 1}, DType::f32, {"feature", "position"}},
          {"target", Shape{config_.n_tasks()}, DType::f32, {"task"}},
          {"beta", Shape{config_.n_tasks(), config_.input_dim}, DType::f32, {"task", "input"}},
          {"task_id", Shape{}, DType::i32, {}}};
}

std::vector<std::string> LinearRegression::eval_sets() const {
  return pool_.empty() ? std::vector<std::string>{"test"} : std::vector<std::string>{"test", "fresh"};
}

void LinearRegression::sample_train(std::int64_t step, int first, const Batch& batch) const {
  check(std::in_range<std::uint32_t>(step), "step {} is outside 0..2^32-1, which the random numbers are keyed by",
        step);
  sample(data_rng_, static_cast<std::uint32_t>(step), !pool_.empty(), first, batch);
}

void LinearRegression::sample_eval(int set, int first, const Batch& batch) const {
  const bool fresh = eval_sets().at(static_cast<std::size_t>(set)) == "fresh";
  sample(eval_rng_, static_cast<std::uint32_t>(set), !pool_.empty() && !fresh, first, batch);
}

/// Standard normals that the coefficients of one sample are made of.
std::size_t LinearRegression::coefficients_drawn() const {
  return static_cast<std::size_t>(config_.input_dim * (config_.shared_beta ? 1 : config_.n_tasks()));
}

/// beta [task, input] out of coefficients_drawn() standard normals.
void LinearRegression::write_coefficients(const float* normals, float* beta) const {
  const auto d = static_cast<std::size_t>(config_.input_dim);
  std::fill_n(beta, supports_.size() * d, 0.0f);
  for (const std::vector<int>& support : supports_) {
    for (int j : support) beta[j] = coefficient_std_ * normals[j];
    beta += d;
    if (!config_.shared_beta) normals += d;
  }
}

/// x [input, position] out of as many standard normals: each column is multiplied by the covariance's factor.
void LinearRegression::write_covariates(const float* normals, float* x) const {
  const auto d = static_cast<std::size_t>(config_.input_dim), width = static_cast<std::size_t>(config_.n_context + 1);
  if (factor_.empty()) {
    std::copy_n(normals, d * width, x);
    return;
  }
  for (std::size_t i = 0; i < d; ++i) {
    const float* weights = factor_.data() + i * d;
    kernels::combine_rows(normals + i * width, weights[i], normals, width, i, weights, x + i * width, width);
  }
}

/// y [task, position] out of the covariates, the coefficients and as many standard normals; the query's go to target.
void LinearRegression::write_labels(const float* x, const float* beta, float* noise, float* y, float* target) const {
  const auto d = static_cast<std::size_t>(config_.input_dim), width = static_cast<std::size_t>(config_.n_context + 1);
  for (std::size_t n = 0; n < noise_std_.size(); ++n, beta += d, noise += width, y += width) {
    if (!config_.noisy_query) noise[width - 1] = 0;
    kernels::combine_rows(noise, noise_std_[n], x, width, d, beta, y, width);
    target[n] = std::exchange(y[width - 1], 0.0f);
  }
}

/// What a walking beta needs, made once a call.
struct LinearRegression::Walk {
  std::vector<float> normals;       // [position, coefficient drawn]: the walk's steps, last position first
  std::vector<float> step, change;  // [task, input]: fresh coefficients, and beta_l - beta of the query
};

/// Adds (beta_l - beta) . x_l to the context's labels y [task, position], which write_labels made of the query's beta.
/// The walk is a stationary Gaussian chain and so the same backwards, from the query to the first pair: every rate has
/// the query, its answer, x and the noise of no drift.
void LinearRegression::add_drift(const float* x, const float* beta, Walk& walk, float* y) const {
  const auto d = static_cast<std::size_t>(config_.input_dim), width = static_cast<std::size_t>(config_.n_context + 1);
  const double q = config_.drift;
  // 1 - sqrt(1 - q^2) without the cancellation at small q.
  const auto shrink = static_cast<float>(q * q / (1 + std::sqrt((1 - q) * (1 + q)))), rate = static_cast<float>(q);
  std::fill(walk.change.begin(), walk.change.end(), 0.0f);
  const float* normals = walk.normals.data();
  for (std::size_t l = width - 1; l-- > 0; normals += coefficients_drawn()) {
    write_coefficients(normals, walk.step.data());
    for (std::size_t n = 0; n < supports_.size(); ++n) {
      for (int j : supports_[n]) {
        const std::size_t at = n * d + static_cast<std::size_t>(j);
        walk.change[at] += rate * walk.step[at] - shrink * (beta[at] + walk.change[at]);
        y[n * width + l] += walk.change[at] * x[static_cast<std::size_t>(j) * width + l];
      }
    }
  }
}

/// One sample takes one run of standard normals: d rows for the covariates, N for the label noise, then those for the
/// coefficients. In this order sequences keep their x and their noise whatever says how beta is made. The steps of a
/// walk are a run of their own.
void LinearRegression::sample(const Rng& rng, std::uint32_t step, bool from_pool, int first, const Batch& batch) const {
  const auto d = static_cast<std::size_t>(config_.input_dim), width = static_cast<std::size_t>(config_.n_context + 1);
  const std::size_t n_tasks = supports_.size(), n_tokens = (d + n_tasks) * width, n_coefficients = n_tasks * d;
  const std::size_t drawn = n_tokens + (from_pool ? 0 : coefficients_drawn());
  std::vector<float> normals((drawn + 31) / 32 * 32);  // whole vectors of fill_normal
  Walk walk;
  if (config_.drift > 0) {
    walk.normals.resize((static_cast<std::size_t>(config_.n_context) * coefficients_drawn() + 31) / 32 * 32);
    walk.step.resize(n_coefficients);
    walk.change.resize(n_coefficients);
  }
  float *x = batch.f32(tokens_field), *target = batch.f32(target_field), *beta = batch.f32(beta_field);
  for (int i = 0; i < batch.size(); ++i, x += n_tokens, target += n_tasks, beta += n_coefficients) {
    const auto number = static_cast<std::uint32_t>(first + i);
    fill_normal(rng, {.sample = number, .step = step, .lane = lane_normals}, normals);
    std::int32_t entry = pool_.empty() ? 0 : -1;
    if (from_pool) {
      RngCursor cursor(rng, number, step, lane_pool_entry);
      entry = static_cast<std::int32_t>(cursor.below(static_cast<std::uint32_t>(config_.pool_size)));
      std::copy_n(pool_.data() + static_cast<std::size_t>(entry) * n_coefficients, n_coefficients, beta);
    } else {
      write_coefficients(normals.data() + n_tokens, beta);
    }
    batch.i32(task_id_field)[i] = entry;
    write_covariates(normals.data(), x);
    // Isotropic covariates are read where they were drawn: their copies are still on the way to the cache.
    const float* covariates = factor_.empty() ? normals.data() : x;
    write_labels(covariates, beta, normals.data() + d * width, x + d * width, target);
    if (config_.drift > 0) {
      fill_normal(rng, {.sample = number, .step = step, .lane = lane_drift}, walk.normals);
      add_drift(covariates, beta, walk, x + d * width);
    }
  }
}

}  // namespace saltus
