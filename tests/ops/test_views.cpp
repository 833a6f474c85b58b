#include <catch2/catch.hpp>

#include "graph/eager.h"
#include "graph/plan.h"
#include "ops/ops.h"

using namespace saltus;

TEST_CASE("views of indices are indices: rows of a table by part of a batch's ids") {
  Graph graph;
  const Var table = graph.input("table", {3, 2}), ids = graph.input("ids", {2, 2}, DType::i32);
  const Var part = reshape(slice(ids, 0, 1, 2), {2});
  CHECK(part.dtype() == DType::i32);
  const Var rows = take(table, part);

  Leaves<float> leaves{{{"table", {0, 1, 10, 11, 20, 21}}}, {{"ids", {0, 0, 2, 1}}}};
  const std::vector<float> expected = {20, 21, 10, 11};
  CHECK(evaluate<float>(graph, std::span(&rows, 1), leaves)[0] == expected);
  const Plan plan(graph, std::vector<Plan::Output>{{rows}},
                  [](const std::string&, const Shape&) -> float* { return nullptr; });
  std::ranges::copy(leaves.values["table"], static_cast<float*>(plan.input("table")));
  std::ranges::copy(leaves.indices["ids"], static_cast<std::int32_t*>(plan.input("ids")));
  plan.run();
  CHECK(std::vector<float>(plan.output(0), plan.output(0) + 4) == expected);
}
