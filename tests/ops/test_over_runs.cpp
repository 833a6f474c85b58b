#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <random>

#include "autodiff/grad.h"
#include "autodiff/runs.h"
#include "graph/plan.h"
#include "ops/op_cases.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

constexpr std::size_t n_runs = 3;

/// A row of the table with a constant of the run's own: the expression and its gradients.
struct Recorded {
  Graph graph;
  std::vector<Var> outputs;

  Recorded(const OpCase& c, double scale) {
    std::vector<Var> x, ids;
    for (std::size_t i = 0; i < c.in.values.size(); ++i)
      x.push_back(graph.input(fmt::format("x{}", i), c.in.values[i]));
    for (std::size_t i = 0; i < c.in.indices.size(); ++i)
      ids.push_back(graph.input(fmt::format("ids{}", i), c.in.indices[i], DType::i32));
    const Var y = c.expression(x, ids);
    outputs = grad(sum_all(y * y * graph.constant(scale) + y), x);
    outputs.push_back(y);
  }
};

void fill(const OpCase& c, const Plan& plan, std::size_t run, std::size_t place) {
  std::mt19937 random(static_cast<unsigned>(run) + 5);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < c.in.values.size(); ++i) {
    auto* to = static_cast<float*>(plan.input(fmt::format("x{}", i)));
    const auto n = static_cast<std::size_t>(c.in.values[i].size());
    for (std::size_t j = 0; to && j < n; ++j)
      to[place * n + j] = c.in.positive ? 0.5f + std::abs(normal(random)) : normal(random);
  }
  for (std::size_t i = 0; i < c.in.indices.size(); ++i) {
    auto* to = static_cast<std::int32_t*>(plan.input(fmt::format("ids{}", i)));
    const auto n = static_cast<std::size_t>(c.in.indices[i].size());
    for (std::size_t j = 0; to && j < n; ++j)
      to[place * n + j] = static_cast<std::int32_t>(random() % static_cast<unsigned>(c.in.index_below));
  }
}

std::vector<Plan::Output> all_of(std::span<const Var> outputs) { return {outputs.begin(), outputs.end()}; }

float* no_parameters(const std::string&, const Shape&) { return nullptr; }

}  // namespace

TEST_CASE("every op gives each of several runs the bits that it gives the run alone") {
  for (const OpCase& c : op_cases()) {
    DYNAMIC_SECTION(c.op << " " << c.what) {
      std::deque<Recorded> runs;
      std::vector<const Graph*> graphs;
      for (std::size_t r = 0; r < n_runs; ++r)
        graphs.push_back(&runs.emplace_back(c, 0.5 + static_cast<double>(r)).graph);
      if (structure(*graphs[0]).empty()) {
        // No axis is left for the runs.
        bool full = false;
        for (int id = 0; id < graphs[0]->size(); ++id) full |= graphs[0]->node(id).shape.rank() == Shape::max_rank;
        REQUIRE(full);
        return;
      }
      Graph together;
      const std::vector<Var> outputs = over_runs(together, graphs, runs[0].outputs);
      const Plan plan(together, all_of(outputs), no_parameters);
      for (std::size_t r = 0; r < n_runs; ++r) fill(c, plan, r, r);
      plan.run();
      for (std::size_t r = 0; r < n_runs; ++r) {
        const Plan alone(runs[r].graph, all_of(runs[r].outputs), no_parameters);
        fill(c, alone, r, 0);
        alone.run();
        for (std::size_t i = 0; i < outputs.size(); ++i) {
          const Shape& shape = runs[r].outputs[i].shape();
          INFO("run " << r << ", output " << i << " of " << shape.str());
          REQUIRE(outputs[i].shape() == shape.inserted(0, n_runs));
          const auto n = static_cast<std::size_t>(shape.size());
          CHECK(std::memcmp(plan.output(i) + r * n, alone.output(i), n * sizeof(float)) == 0);
        }
      }
    }
  }
}

TEST_CASE("graphs with another node are not alike, those with other constants are") {
  const auto record = [](Graph& g, double constant, bool more) {
    const Var x = g.input("x", {2}) * g.constant(constant);
    return more ? exp(x) : x;
  };
  Graph a, b, c;
  const Var x = record(a, 1, false);
  record(b, 2, false), record(c, 1, true);
  CHECK(structure(a) == structure(b));
  CHECK(structure(a) != structure(c));
  Graph together;
  CHECK_THROWS_WITH(over_runs(together, std::vector<const Graph*>{&a, &c}, std::vector{x}),
                    "only runs that are alike can be put together");
}
