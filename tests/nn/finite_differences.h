#pragma once
#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "autodiff/grad.h"
#include "graph/eager.h"

namespace saltus::tests {

/// n independent normals of mean 0 and standard deviation `std`.
inline std::vector<double> normals(std::int64_t n, std::mt19937& random, double std = 1) {
  std::normal_distribution<double> normal(0, std);
  std::vector<double> out(static_cast<std::size_t>(n));
  for (double& x : out) x = normal(random);
  return out;
}

inline std::vector<double> value(const Graph& graph, Var v, const Leaves<double>& leaves) {
  return evaluate<double>(graph, std::span(&v, 1), leaves)[0];
}

/// The graph's gradient of the scalar f with respect to each leaf of `wrt`, element by element, against central
/// differences in double. Agreement is asked relative to the leaf's largest gradient element; differences of step 1e-5
/// are good to about 1e-9 here, so 1e-6 leaves room for curvature and none for a wrong formula.
inline void check_gradients(Graph& graph, Var f, const std::vector<Var>& wrt, Leaves<double> leaves) {
  const std::vector<std::vector<double>> gradients = evaluate<double>(graph, grad(f, wrt), leaves);
  for (std::size_t i = 0; i < wrt.size(); ++i) {
    const std::string& name = graph.node(wrt[i].id).name;
    double scale = 0;
    for (double g : gradients[i]) scale = std::max(scale, std::abs(g));
    INFO("gradient of " << name << ", largest element " << scale);
    REQUIRE(scale > 1e-6);  // a leaf that nothing depends on would make the comparison empty
    std::vector<double>& x = leaves.values.at(name);
    for (std::size_t j = 0; j < x.size(); ++j) {
      const double x0 = x[j], h = 1e-5;
      x[j] = x0 + h;
      const double up = value(graph, f, leaves)[0];
      x[j] = x0 - h;
      const double down = value(graph, f, leaves)[0];
      x[j] = x0;
      const double difference = (up - down) / (2 * h);
      INFO("element " << j << ": graph " << gradients[i][j] << ", differences " << difference);
      REQUIRE(std::abs(gradients[i][j] - difference) <= 1e-6 * scale);
    }
  }
}

}  // namespace saltus::tests
