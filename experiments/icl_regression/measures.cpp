#include "experiments/icl_regression/measures.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/check.h"

namespace saltus::icl_regression {
namespace {

double largest(std::span<const double> x) {
  double top = 0;
  for (const double v : x) top = std::max(top, std::abs(v));
  return top;
}

double square(double x) { return x * x; }

/// The mean of `of` over the heads that `in` names, 0 when it names none.
double mean_over(const std::vector<bool>& in, std::span<const double> of) {
  double sum = 0, count = 0;
  for (std::size_t h = 0; h < of.size(); ++h) {
    if (!in[h]) continue;
    sum += of[h];
    ++count;
  }
  return count == 0 ? 0 : sum / count;
}

double count(const std::vector<bool>& in) { return static_cast<double>(std::count(in.begin(), in.end(), true)); }

/// Heads that are no dummies and whose omega has the sign of `sign`.
double count_of_sign(std::span<const double> omega, std::span<const double> mu, double sign) {
  const std::vector<bool> dummy = dummy_heads(omega, mu);
  double n = 0;
  for (std::size_t h = 0; h < omega.size(); ++h) n += !dummy[h] && omega[h] * sign > 0;
  return n;
}

/// Omega*_n = the identity on S_n, for every task.
std::vector<double> identity_on_supports(const LinearRegressionConfig& task) {
  const std::int64_t d = task.input_dim;
  std::vector<double> all(static_cast<std::size_t>(task.n_tasks() * d * d), 0);
  for (int n = 0; n < task.n_tasks(); ++n) {
    for (const int j : task.support(n)) all[static_cast<std::size_t>((n * d + j) * d + j)] = 1;
  }
  return all;
}

}  // namespace

std::vector<bool> dummy_heads(std::span<const double> omega, std::span<const double> mu) {
  const double top_omega = largest(omega), top_mu = largest(mu);
  std::vector<bool> dummy;
  for (std::size_t h = 0; h < omega.size(); ++h) {
    const bool still_key = omega[h] == 0 || std::abs(omega[h]) < 0.2 * top_omega;
    const bool still_value = mu[h] == 0 || std::abs(mu[h]) < 0.05 * top_mu;
    dummy.push_back(still_key && still_value);
  }
  return dummy;
}

double sign_match(std::span<const double> omega, std::span<const double> mu) {
  std::vector<bool> working = dummy_heads(omega, mu);
  working.flip();
  std::vector<double> matches;
  for (std::size_t h = 0; h < omega.size(); ++h) matches.push_back(omega[h] * mu[h] > 0);
  return mean_over(working, matches);
}

double zero_sum_residual(std::span<const double> mu) {
  double sum = 0, size = 0;
  for (const double m : mu) {
    sum += m;
    size += std::abs(m);
  }
  return size == 0 ? 0 : std::abs(sum) / size;
}

double homogeneity(std::span<const double> omega, std::span<const double> mu) {
  std::vector<bool> working = dummy_heads(omega, mu);
  working.flip();
  std::vector<double> size, deviation;
  for (const double w : omega) size.push_back(std::abs(w));
  const double mean = mean_over(working, size);
  for (const double s : size) deviation.push_back(square(s - mean));
  return mean == 0 ? 0 : std::sqrt(mean_over(working, deviation)) / mean;
}

double moment(std::span<const double> omega, std::span<const double> mu, int k) {
  double sum = 0;
  for (std::size_t h = 0; h < omega.size(); ++h) sum += mu[h] * std::pow(omega[h], k);
  return sum;
}

bool same_sign_trap(std::span<const double> omega, std::span<const double> mu) {
  return omega.size() > 1 && (count_of_sign(omega, mu, 1) == 0) != (count_of_sign(omega, mu, -1) == 0);
}

double effective_learning_rate(std::span<const double> omega, std::span<const double> mu, double slope) {
  return slope * moment(omega, mu, 1);
}

CircuitProbe::CircuitProbe(const LinearRegressionConfig& task, std::int64_t n_heads, const Linearisation& linearisation,
                           std::vector<double> preconditioner)
    : task_(task),
      n_heads_(n_heads),
      linearisation_(linearisation),
      preconditioner_(preconditioner.empty() ? identity_on_supports(task) : std::move(preconditioner)) {
  const auto numbers = static_cast<std::size_t>(task.n_tasks() * task.input_dim * task.input_dim);
  check(preconditioner_.size() == numbers, "preconditioner has {} numbers, not n_tasks x input_dim x input_dim = {}",
        preconditioner_.size(), numbers);
}

std::vector<std::string> CircuitProbe::taps() const { return {"blocks.0.attn.KQ", "blocks.0.attn.OV", "prediction"}; }

std::span<const double> CircuitProbe::preconditioner(std::int64_t task) const {
  const auto size = static_cast<std::size_t>(task_.input_dim * task_.input_dim);
  return std::span(preconditioner_).subspan(static_cast<std::size_t>(task) * size, size);
}

CircuitProbe::Measured CircuitProbe::per_head(const std::string& name, const std::string& long_name,
                                              const Circuits& circuits, double (*of)(const HeadCircuits&)) const {
  std::vector<double> values;
  for (std::int64_t h = 0; h < circuits.n_heads; ++h) values.push_back(of(circuits.head(h)));
  return {{name, long_name, {{.name = "head", .size = n_heads_}}}, std::move(values)};
}

std::vector<CircuitProbe::Measured> CircuitProbe::of_each_head(const Circuits& circuits) const {
  std::vector<Measured> all = {
      per_head("kq_diagonal_ratio", "norm of the diagonal over that of M = KQ[:d, :d]", circuits, kq_diagonal_ratio),
      per_head("kq_diagonal_variance", "variance over squared mean of M's diagonal", circuits, kq_diagonal_variance),
      per_head("kq_off_diagonal_sup", "largest entry of M off the diagonal, without sign", circuits,
               kq_off_diagonal_sup),
      per_head("kq21_norm", "norm of KQ[d:, :d], by which a key's labels would score", circuits, kq21_norm),
      per_head("ov_last_ratio", "norm of the entries that carry task n's label to answer n over the norm of OV",
               circuits, ov_last_ratio)};
  // The authors' filter for dummy heads in their tables of pattern measures.
  std::vector<bool> diagonal;
  for (const double ratio : all[0].values) diagonal.push_back(ratio > 0.7);
  const auto mean = [&](const char* name, std::size_t of) {
    return Measured{{name, all[of].measure.long_name + "; mean over heads with kq_diagonal_ratio > 0.7, 0 without one"},
                    {mean_over(diagonal, all[of].values)}};
  };
  std::vector<Measured> means = {{{"n_diagonal_heads", "heads with kq_diagonal_ratio > 0.7"}, {count(diagonal)}},
                                 mean("kq_diagonal_ratio_mean", 0),
                                 mean("kq_diagonal_variance_mean", 1),
                                 mean("ov_last_ratio_mean", 4)};
  all.insert(all.end(), means.begin(), means.end());
  return all;
}

CircuitProbe::Measured CircuitProbe::preconditioner_multiples(const Circuits& circuits) const {
  const Descent own = linearised(circuits, linearisation_.slope);
  std::vector<double> multiples;
  for (std::int64_t n = 0; n < task_.n_tasks(); ++n) {
    multiples.push_back(closest_multiple(own.block(n, n), preconditioner(n)));
  }
  const std::vector<Dim> dims =
      task_.n_tasks() == 1 ? std::vector<Dim>{} : std::vector<Dim>{{.name = "task", .size = task_.n_tasks()}};
  return {{"preconditioner_multiple", "multiple of Omega* nearest to C_f times the heads' sum of mu M", dims},
          multiples};
}

std::vector<CircuitProbe::Measured> CircuitProbe::of_weights(const Circuits& circuits) const {
  const Measured o = per_head("omega", "mean of the diagonal of M = KQ[:d, :d]", circuits,
                              [](const HeadCircuits& c) { return omega(c); });
  const Measured m = per_head("mu", "OV's last entry", circuits, [](const HeadCircuits& c) { return mu(c); });
  const std::vector<bool> dummy = dummy_heads(o.values, m.values);
  std::vector<double> cosines, distances;
  for (std::int64_t h = 0; h < circuits.n_heads; ++h) {
    std::vector<double> block = kq_block(circuits.head(h));
    cosines.push_back(cosine(block, preconditioner(0)));
    if (cosines.back() < 0) std::transform(block.begin(), block.end(), block.begin(), std::negate<>());
    distances.push_back(normalised_distance(block, preconditioner(0)));
  }
  const std::vector<Dim>& heads = o.measure.dims;
  std::vector<Measured> all = {
      o,
      m,
      {{"dummy", "1: |omega| < 0.2 max |omega| and |mu| < 0.05 max |mu|", heads}, {dummy.begin(), dummy.end()}},
      {{"preconditioner_cosine", "cosine of M and the preconditioner Omega*", heads}, cosines},
      {{"preconditioner_distance",
        "distance of M and Omega*, each over its norm, and M with the sign that brings it nearer", heads},
       distances},
      {{"sign_match", "share of non-dummy heads whose omega and mu have one sign"}, {sign_match(o.values, m.values)}},
      {{"zero_sum", "|sum of mu| / sum of |mu|"}, {zero_sum_residual(m.values)}},
      {{"homogeneity", "standard deviation over mean of |omega|, of non-dummy heads"},
       {homogeneity(o.values, m.values)}},
      {{"n_dummy", "dummy heads"}, {count(dummy)}},
      {{"n_positive", "non-dummy heads with omega > 0"}, {count_of_sign(o.values, m.values, 1)}},
      {{"n_negative", "non-dummy heads with omega < 0"}, {count_of_sign(o.values, m.values, -1)}},
      {{"trapped", "1: two heads or more, and all that are no dummies have one sign of omega"},
       {static_cast<double>(same_sign_trap(o.values, m.values))}},
      {{"effective_learning_rate", "C_f <mu, omega>, the learning rate of the heads' joint step"},
       {effective_learning_rate(o.values, m.values, linearisation_.slope)}},
      preconditioner_multiples(circuits),
      {{"moment_0", "<mu, 1>, which vanishes on the solution manifold"}, {moment(o.values, m.values, 0)}},
      {{"moment_2", "<mu, omega^2>, which vanishes on the solution manifold"}, {moment(o.values, m.values, 2)}}};
  const std::vector<Measured> shapes = of_each_head(circuits);
  all.insert(all.end(), shapes.begin(), shapes.end());
  return all;
}

std::vector<Measure> CircuitProbe::measures() const {
  std::vector<Measure> all;
  for (const Measured& m : of_weights(Circuits(n_heads_, task_.input_dim, task_.n_tasks()))) all.push_back(m.measure);
  const std::string descent = linearisation_.centred ? "dgd" : "gd";
  all.push_back({"distance_to_" + descent,
                 "E (yhat - yhat_" + descent + ")^2 with the multiple of Omega* nearest to the heads' sum of mu M"});
  all.push_back({"distance_to_own_" + descent,
                 "E (yhat - yhat_" + descent + ")^2 with the heads' own preconditioner, the sum of mu M"});
  all.push_back({"prediction_power", "E yhat^2, to divide the distances by"});
  return all;
}

void CircuitProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                              std::span<double> sums) const {
  const Circuits circuits = circuits_of(tap("blocks.0.attn.KQ"), tap("blocks.0.attn.OV"));
  std::size_t at = 0;
  for (const Measured& m : of_weights(circuits)) {
    for (const double value : m.values) sums[at++] += value * batch.size();
  }
  const std::int64_t d = task_.input_dim, tasks = task_.n_tasks(), context = task_.n_context;
  const Descent own = linearised(circuits, linearisation_.slope);
  const std::vector<double> multiples = preconditioner_multiples(circuits).values;
  Descent expected(d, tasks);
  for (std::int64_t n = 0; n < tasks; ++n) {
    const double multiple = multiples[static_cast<std::size_t>(n)];
    std::transform(preconditioner(n).begin(), preconditioner(n).end(), expected.block(n, n).begin(),
                   [multiple](double x) { return multiple * x; });
  }
  const float* prediction = tap("prediction").data;
  std::vector<double> query(static_cast<std::size_t>(d));
  for (int b = 0; b < batch.size(); ++b) {
    const float* tokens = batch.f32(LinearRegression::tokens_field) + b * (d + tasks) * (context + 1);
    for (std::int64_t j = 0; j < d; ++j) query[static_cast<std::size_t>(j)] = tokens[j * (context + 1) + context];
    const std::vector<double> gradient = context_gradient(tokens, d, tasks, context, linearisation_.centred);
    const std::vector<double> by_theory = expected.predict(gradient, query), by_itself = own.predict(gradient, query);
    for (std::size_t n = 0; n < by_theory.size(); ++n) {
      const double answer = prediction[b * tasks + static_cast<std::int64_t>(n)], outputs = static_cast<double>(tasks);
      sums[at] += square(answer - by_theory[n]) / outputs;
      sums[at + 1] += square(answer - by_itself[n]) / outputs;
      sums[at + 2] += square(answer) / outputs;
    }
  }
}

}  // namespace saltus::icl_regression
