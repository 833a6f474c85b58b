#include <catch2/catch.hpp>
#include <cmath>

#include "core/check.h"
#include "sweep/merge.h"

namespace saltus {
namespace {

/// A table of eval with one measure on these sets.
Table sets(std::vector<std::string> labels) {
  return validated({{.group = "eval",
                     .dims = {{.name = "evalset", .labels = std::move(labels)}},
                     .variables = {{"loss", {"evalset"}}}}})[0];
}

/// A table of progress with one measure in so many layers and heads.
Table heads(std::int64_t layers, std::int64_t n) {
  return validated({{.group = "progress",
                     .dims = {{"layer", layers}, {"head", n}},
                     .variables = {{"induction", {"layer", "head"}}}}})[0];
}

std::string shown(const std::vector<double>& values) {
  std::string text;
  for (const double value : values)
    text += (text.empty() ? "" : " ") + (std::isnan(value) ? "-" : std::to_string(static_cast<int>(value)));
  return text;
}

}  // namespace

TEST_CASE("steps of several runs are merged in order, and each run has gaps at the others'") {
  const std::vector<std::int64_t> a = {0, 10, 20, 30}, b = {0, 15, 30, 45};
  const Table table = sets({"ic"});
  MergedTable merged;
  merge(merged, table, a, "run a");
  merge(merged, table, b, "run b");
  CHECK(merged.steps == std::vector<std::int64_t>{0, 10, 15, 20, 30, 45});
  CHECK(shown(spread(merged, table.variables[0], table, a, std::vector<double>{1, 2, 3, 4})) == "1 2 - 3 4 -");
  CHECK(shown(spread(merged, table.variables[0], table, b, std::vector<double>{5, 6, 7, 8})) == "5 - 6 - 7 8");
}

TEST_CASE("the numbers of layers and heads may differ") {
  const std::vector<std::int64_t> steps = {0};
  MergedTable merged;
  merge(merged, heads(1, 3), steps, "run a");
  merge(merged, heads(2, 2), steps, "run b");
  CHECK(dim_of(merged.table, "layer").size == 2);
  CHECK(dim_of(merged.table, "head").size == 3);
  const Variable& induction = merged.table.variables[0];
  CHECK(shown(spread(merged, induction, heads(1, 3), steps, std::vector<double>{1, 2, 3})) == "1 2 3 - - -");
  CHECK(shown(spread(merged, induction, heads(2, 2), steps, std::vector<double>{1, 2, 3, 4})) == "1 2 - 3 4 -");
}

TEST_CASE("labels are matched by name") {
  const std::vector<std::int64_t> steps = {0, 1};
  MergedTable merged;
  merge(merged, sets({"iid", "ic"}), steps, "run a");
  merge(merged, sets({"ic", "iw"}), steps, "run b");
  CHECK(dim_of(merged.table, "evalset").labels == std::vector<std::string>{"iid", "ic", "iw"});
  CHECK(shown(spread(merged, merged.table.variables[0], sets({"ic", "iw"}), steps, std::vector<double>{1, 2, 3, 4})) ==
        "- 1 2 - 3 4");
}

TEST_CASE("variables that only some runs have are there") {
  Table more = sets({"ic"});
  more.variables.push_back({"accuracy", {"evalset"}});
  MergedTable merged;
  merge(merged, sets({"ic"}), std::vector<std::int64_t>{0}, "run a");
  merge(merged, more, std::vector<std::int64_t>{0}, "run b");
  REQUIRE(merged.table.variables.size() == 2);
  CHECK(merged.table.variables[1].name == "accuracy");
}

TEST_CASE("one name for two things is refused") {
  const std::vector<std::int64_t> steps = {0};
  MergedTable merged;
  merge(merged, heads(1, 1), steps, "run a");
  Table flat = heads(1, 1);
  flat.variables[0].dims = {"layer"};
  CHECK_THROWS_WITH(merge(merged, flat, steps, "run b"),
                    "run b: progress: induction is measured along [layer], and along [layer, head] in other runs");

  Table labelled = heads(1, 1);
  labelled.dims[0].labels = {"first"};
  CHECK_THROWS_WITH(merge(merged, labelled, steps, "run b"),
                    "run b: progress: layer has labels in some runs and numbers in others");
}

}  // namespace saltus
