#include <catch2/catch.hpp>

#include "autodiff/grad.h"
#include "graph/eager.h"
#include "graph/plan.h"
#include "ops/ops.h"

using namespace saltus;

TEST_CASE("no gradient goes through detach, and it costs no instruction") {
  Graph g;
  const Var x = g.input("x", {3});
  const Var y = sum_all(x * detach(x * x));  // as if x^2 were a constant
  const Var dx = grad(y, std::span(&x, 1))[0];
  const Var nothing = grad(sum_all(detach(x)), std::span(&x, 1))[0];
  Leaves<double> leaves;
  leaves.values["x"] = {1, -2, 3};
  const std::vector<Var> wanted = {y, dx, nothing};
  const auto values = evaluate<double>(g, wanted, leaves);
  CHECK(values[0][0] == 1 - 8 + 27);
  CHECK(values[1] == std::vector<double>{1, 4, 9});
  CHECK(values[2] == std::vector<double>{0, 0, 0});

  const std::vector<Plan::Output> outputs = {{exp(detach(x))}};
  CHECK(Plan(g, outputs, nullptr).instructions().size() == 1);
}
