#include "experiments/icl_regression/multi_task_measures.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include "core/check.h"

namespace saltus::icl_regression {
namespace {

double square(double x) { return x * x; }

/// omega^h [head, input].
std::vector<std::vector<double>> diagonals(const Circuits& circuits) {
  std::vector<std::vector<double>> all;
  for (std::int64_t h = 0; h < circuits.n_heads; ++h) all.push_back(kq_diagonal(circuits.head(h)));
  return all;
}

double mean_over(const std::vector<double>& values, const std::vector<int>& block) {
  double sum = 0;
  for (const int j : block) sum += values[static_cast<std::size_t>(j)];
  return sum / static_cast<double>(block.size());
}

/// Row n of [task, input].
std::vector<double> weights_of_task(const std::vector<double>& weights, const Supports& supports, std::size_t n) {
  const auto inputs = static_cast<std::ptrdiff_t>(weights.size() / supports.size());
  const auto first = weights.begin() + static_cast<std::ptrdiff_t>(n) * inputs;
  return {first, first + inputs};
}

/// For two tasks: S_1 \ S*, S*, S_2 \ S*.
struct OverlapBlocks {
  std::vector<int> first, both, second;

  explicit OverlapBlocks(const Supports& supports) {
    const std::vector<int>&one = supports.at(0), &two = supports.at(1);
    std::set_difference(one.begin(), one.end(), two.begin(), two.end(), std::back_inserter(first));
    std::set_intersection(one.begin(), one.end(), two.begin(), two.end(), std::back_inserter(both));
    std::set_difference(two.begin(), two.end(), one.begin(), one.end(), std::back_inserter(second));
  }
  bool complete() const { return !first.empty() && !both.empty() && !second.empty(); }
};

}  // namespace

std::vector<double> label_weights(const Circuits& circuits, double slope) {
  const Descent descent = linearised(circuits, slope);
  const auto d = static_cast<std::size_t>(circuits.input_dim);
  std::vector<double> weights;
  for (std::int64_t n = 0; n < circuits.n_tasks; ++n) {
    for (std::int64_t m = 0; m < circuits.n_tasks; ++m) {
      for (std::size_t j = 0; j < d; ++j) weights.push_back(descent.block(n, m)[j * d + j]);
    }
  }
  return weights;
}

std::vector<double> effective_weights(const Circuits& circuits, double slope) {
  const std::vector<double> of_labels = label_weights(circuits, slope);
  std::vector<double> weights;
  for (std::int64_t n = 0; n < circuits.n_tasks; ++n) {
    const auto own = of_labels.begin() + n * (circuits.n_tasks + 1) * circuits.input_dim;
    weights.insert(weights.end(), own, own + circuits.input_dim);
  }
  return weights;
}

double cross_label_share(const Circuits& circuits) {
  double own = 0, all = 0;
  for (const double w : effective_weights(circuits)) own += square(w);
  for (const double w : label_weights(circuits)) all += square(w);
  return all == 0 ? 0 : std::sqrt(std::max(0.0, all - own) / all);
}

std::vector<double> task_head_allocation(const Circuits& circuits) {
  const auto tasks = static_cast<std::size_t>(circuits.n_tasks);
  std::vector<double> share, total(tasks, 0);
  for (std::int64_t h = 0; h < circuits.n_heads; ++h) {
    double reach = 0;
    for (const double w : kq_diagonal(circuits.head(h))) reach += std::abs(w);
    for (std::size_t n = 0; n < tasks; ++n) {
      share.push_back(std::abs(mu(circuits.head(h), static_cast<std::int64_t>(n))) * reach);
      total[n] += share.back();
    }
  }
  for (std::size_t i = 0; i < share.size(); ++i) share[i] = total[i % tasks] == 0 ? 0 : share[i] / total[i % tasks];
  return share;
}

std::vector<bool> dummy_heads(const Circuits& circuits) {
  std::vector<double> omega_size, mu_size;
  for (std::int64_t h = 0; h < circuits.n_heads; ++h) {
    double squares = 0, top = 0;
    for (const double w : kq_diagonal(circuits.head(h))) squares += square(w) / static_cast<double>(circuits.input_dim);
    for (const double m : ov_diagonal(circuits.head(h))) top = std::max(top, std::abs(m));
    omega_size.push_back(std::sqrt(squares));
    mu_size.push_back(top);
  }
  return dummy_heads(omega_size, mu_size);
}

std::vector<double> zero_sum_residuals(const Circuits& circuits) {
  std::vector<double> residuals;
  for (std::int64_t n = 0; n < circuits.n_tasks; ++n) {
    std::vector<double> of_task;
    for (std::int64_t h = 0; h < circuits.n_heads; ++h) of_task.push_back(mu(circuits.head(h), n));
    residuals.push_back(zero_sum_residual(of_task));
  }
  return residuals;
}

Supports supports_of(const LinearRegressionConfig& task) {
  Supports supports;
  for (int n = 0; n < task.n_tasks(); ++n) supports.push_back(task.support(n));
  return supports;
}

std::vector<std::vector<int>> support_blocks(const Supports& supports, std::int64_t input_dim) {
  std::map<std::vector<bool>, std::size_t> block_of;  // by which tasks read a coordinate
  std::vector<std::vector<int>> blocks;
  for (int j = 0; j < input_dim; ++j) {
    std::vector<bool> readers;
    for (const std::vector<int>& support : supports)
      readers.push_back(std::binary_search(support.begin(), support.end(), j));
    const auto [place, is_new] = block_of.emplace(readers, blocks.size());
    if (is_new) blocks.emplace_back();
    blocks[place->second].push_back(j);
  }
  return blocks;
}

double block_constancy_residual(const Circuits& circuits, const std::vector<std::vector<int>>& blocks) {
  double apart = 0, size = 0;
  for (const std::vector<double>& omegas : diagonals(circuits)) {
    for (const std::vector<int>& block : blocks) {
      const double mean = mean_over(omegas, block);
      for (const int j : block) {
        apart += square(omegas[static_cast<std::size_t>(j)] - mean);
        size += square(omegas[static_cast<std::size_t>(j)]);
      }
    }
  }
  return size == 0 ? 0 : std::sqrt(apart / size);
}

std::vector<double> effective_learning_rates(const std::vector<double>& effective_weights, const Supports& supports) {
  std::vector<double> rates;
  for (std::size_t n = 0; n < supports.size(); ++n)
    rates.push_back(mean_over(weights_of_task(effective_weights, supports, n), supports[n]));
  return rates;
}

std::vector<double> support_residuals(const std::vector<double>& effective_weights, const Supports& supports) {
  const std::vector<double> rates = effective_learning_rates(effective_weights, supports);
  std::vector<double> residuals;
  for (std::size_t n = 0; n < supports.size(); ++n) {
    const std::vector<double> w = weights_of_task(effective_weights, supports, n);
    double apart = 0, size = 0;
    for (std::size_t j = 0; j < w.size(); ++j) {
      const bool in = std::binary_search(supports[n].begin(), supports[n].end(), static_cast<int>(j));
      apart += square(w[j] - (in ? rates[n] : 0));
      size += square(w[j]);
    }
    residuals.push_back(size == 0 ? 1 : std::sqrt(apart / size));
  }
  return residuals;
}

bool has_overlap_blocks(const Supports& supports) { return supports.size() == 2 && OverlapBlocks(supports).complete(); }

double overlap_residual(const Circuits& circuits, const Supports& supports) {
  check(has_overlap_blocks(supports),
        "overlap_residual is for two tasks that share coordinates and have some of their own");
  const OverlapBlocks blocks(supports);
  const auto heads = static_cast<double>(circuits.n_heads);
  std::vector<double> values;
  double mean = 0, squares = 0, variance = 0;
  for (const std::vector<double>& omegas : diagonals(circuits)) {
    const double f = mean_over(omegas, blocks.first), b = mean_over(omegas, blocks.both),
                 s = mean_over(omegas, blocks.second);
    values.push_back(b - f - s);
    mean += values.back() / heads;
    squares += (square(f) + square(b) + square(s)) / (3 * heads);
  }
  for (const double v : values) variance += square(v - mean) / heads;
  return squares == 0 ? 0 : std::sqrt(variance / squares);
}

MultiTaskProbe::MultiTaskProbe(const LinearRegressionConfig& task, std::int64_t n_heads,
                               const Linearisation& linearisation, std::vector<double> preconditioner)
    : CircuitProbe(task, n_heads, linearisation, std::move(preconditioner)), supports_(supports_of(task)) {}

std::vector<CircuitProbe::Measured> MultiTaskProbe::of_weights(const Circuits& circuits) const {
  const Dim head{.name = "head", .size = n_heads_}, task{.name = "task", .size = task_.n_tasks()},
      input{.name = "input", .size = task_.input_dim};
  const std::vector<double> weights = effective_weights(circuits, linearisation_.slope);
  const std::vector<bool> dummy = dummy_heads(circuits);
  std::vector<double> omegas, mus, cosines;
  for (std::int64_t h = 0; h < circuits.n_heads; ++h) {
    const std::vector<double> o = kq_diagonal(circuits.head(h)), m = ov_diagonal(circuits.head(h)),
                              block = kq_block(circuits.head(h));
    omegas.insert(omegas.end(), o.begin(), o.end());
    mus.insert(mus.end(), m.begin(), m.end());
    for (std::int64_t n = 0; n < task_.n_tasks(); ++n) cosines.push_back(cosine(block, preconditioner(n)));
  }
  std::vector<Measured> all = {
      {{"kq_diagonal", "omega: the diagonal of M = KQ[:d, :d]", {head, input}}, omegas},
      {{"ov_task", "mu: OV[n, d+n], the head's weight for answer n", {head, task}}, mus},
      {{"effective_weights", "C_f sum over heads of mu_n omega_j: what coordinate j says on task n", {task, input}},
       weights},
      {{"label_weights",
        "C_f sum over heads of OV[n, d+m] omega_j: what task m's labels say on task n at coordinate j",
        {task, {.name = "label", .size = task_.n_tasks(), .long_name = "task whose labels are read"}, input}},
       label_weights(circuits, linearisation_.slope)},
      {{"cross_label_share", "norm of the label weights with m != n over that of all"}, {cross_label_share(circuits)}},
      {{"task_head_allocation", "the head's share in sum over heads and j of |mu_n omega_j|", {head, task}},
       task_head_allocation(circuits)},
      {{"dummy", "1: rms omega < 0.2 and max |mu_n| < 0.05 of the largest head's", {head}},
       {dummy.begin(), dummy.end()}},
      {{"n_dummy", "dummy heads"}, {static_cast<double>(std::count(dummy.begin(), dummy.end(), true))}},
      {{"preconditioner_cosine", "cosine of M and task n's preconditioner", {head, task}}, cosines},
      {{"effective_learning_rate", "mean of task n's effective weights over S_n", {task}},
       effective_learning_rates(weights, supports_)},
      preconditioner_multiples(circuits),
      {{"zero_sum", "|sum of mu_n| / sum of |mu_n|", {task}}, zero_sum_residuals(circuits)},
      {{"block_constancy", "distance of omega from its means over coordinates that the same tasks read, over its norm"},
       {block_constancy_residual(circuits, support_blocks(supports_, task_.input_dim))}},
      {{"support_residual", "sine of the angle of the effective weights and the indicator of S_n", {task}},
       support_residuals(weights, supports_)}};
  if (has_overlap_blocks(supports_)) {
    all.push_back(
        {{"overlap_residual", "spread over heads of omega on S* minus S_1 \\ S* minus S_2 \\ S*, over the blocks' rms"},
         {overlap_residual(circuits, supports_)}});
  }
  const std::vector<Measured> shapes = of_each_head(circuits);
  all.insert(all.end(), shapes.begin(), shapes.end());
  return all;
}

}  // namespace saltus::icl_regression
