#pragma once
#include <fmt/format.h>

#include <vector>

#include "experiments/titans/memory.h"
#include "nn/finite_differences.h"

namespace saltus::tests {

using Statement = titans::MemoryOutput (*)(const titans::MemoryInputs&, const titans::MemoryState&,
                                           const std::vector<Var>&, const titans::MemoryOptions&);

struct MemorySizes {
  std::size_t depth = 1;
  std::int64_t rows = 2, length = 11, d = 3, hidden = 4;
};

/// A memory's inputs as leaves of a graph, all drawn at random: q, k, v, gates well inside their ranges, and M_0, M and
/// S of their own.
struct MemoryCase {
  MemorySizes sizes;
  Graph graph;
  titans::MemoryInputs in;
  titans::MemoryState state;
  std::vector<Var> initial;
  std::vector<Var> leaves_in_graph;
  Leaves<double> leaves;

  explicit MemoryCase(const MemorySizes& s) : sizes(s) {
    std::mt19937 random(23);
    const Shape tokens = {s.rows, s.length, s.d}, gates = {s.rows, s.length};
    for (auto [name, to] : {std::pair{"q", &in.q}, {"k", &in.k}, {"v", &in.v}})
      *to = leaf(name, tokens, normals(tokens.size(), random, 0.7));
    in.theta = leaf("theta", gates, uniforms(gates.size(), random, 0.05, 0.25));
    in.eta = leaf("eta", gates, uniforms(gates.size(), random, 0.1, 0.9));
    in.alpha = leaf("alpha", gates, uniforms(gates.size(), random, 0.02, 0.4));
    for (std::size_t l = 0; l < s.depth; ++l) {
      const Shape W = {s.rows, l == 0 ? s.d : s.hidden, l + 1 == s.depth ? s.d : s.hidden};
      initial.push_back(leaf(fmt::format("initial.{}", l), W, normals(W.size(), random, 0.5)));
      state.M.push_back(leaf(fmt::format("M.{}", l), W, normals(W.size(), random, 0.5)));
      state.S.push_back(leaf(fmt::format("S.{}", l), W, normals(W.size(), random, 0.1)));
    }
  }
  MemoryCase(const MemoryCase&) = delete;
  MemoryCase& operator=(const MemoryCase&) = delete;

  std::vector<double>& values(const std::string& name) { return leaves.values.at(name); }

  /// The output, then M and S of each layer.
  static std::vector<Var> all_of(const titans::MemoryOutput& o) {
    std::vector<Var> all = {o.out};
    all.insert(all.end(), o.state.M.begin(), o.state.M.end());
    all.insert(all.end(), o.state.S.begin(), o.state.S.end());
    return all;
  }

  /// A scalar in which every element of the output and of the end state has a weight of its own.
  Var scalar(const titans::MemoryOutput& o) {
    std::mt19937 random(5);
    Var total;
    for (Var x : all_of(o)) {
      const Var part = sum_all(x * graph.constant(normals(x.shape().size(), random), x.shape()));
      total = total ? total + part : part;
    }
    return total;
  }

  std::vector<std::vector<double>> evaluated(std::span<const Var> wanted) const {
    return evaluate<double>(graph, wanted, leaves);
  }

 private:
  Var leaf(const std::string& name, const Shape& shape, std::vector<double> x) {
    leaves.values[name] = std::move(x);
    leaves_in_graph.push_back(graph.input(name, shape));
    return leaves_in_graph.back();
  }
  static std::vector<double> uniforms(std::int64_t n, std::mt19937& random, double from, double to) {
    std::uniform_real_distribution<double> uniform(from, to);
    std::vector<double> out(static_cast<std::size_t>(n));
    for (double& x : out) x = uniform(random);
    return out;
  }
};

/// The largest difference between two arrays of arrays, in units of the larger of 1 and the first one's largest
/// element.
inline double difference(const std::vector<std::vector<double>>& a, const std::vector<std::vector<double>>& b) {
  double worst = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    double scale = 1;
    for (double x : a[i]) scale = std::max(scale, std::abs(x));
    for (std::size_t j = 0; j < a[i].size(); ++j) {
      const double off = std::abs(a[i][j] - b[i].at(j)) / scale;
      worst = std::isnan(off) ? std::numeric_limits<double>::infinity() : std::max(worst, off);
    }
  }
  return worst;
}

}  // namespace saltus::tests
