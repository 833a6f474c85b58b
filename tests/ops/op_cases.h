#pragma once
#include <functional>
#include <string>
#include <vector>

#include "ops/ops.h"

/// One row an op: from it the harness (test_ops.cpp) makes gradient checks of order 1 and 2 in double, the fast kernel against the
/// reference, the plan against the eager interpreter bit for bit, and the text of the shape error.
/// To add an op, add a row.
namespace saltus::tests {

struct Operands {
  std::vector<Shape> values;          // f32 operands, filled with normals, or with uniforms in [0.5, 1.5) where `positive`
  bool positive = false;
  std::vector<Shape> indices = {};    // i32 operands, uniform in [0, index_below)
  int index_below = 1;
};

struct OpCase {
  std::string op;  // OpDef::name that the expression records
  std::string what;
  Operands in;
  std::function<Var(const std::vector<Var>& x, const std::vector<Var>& ids)> expression;
  // A call that must be refused, and the words that its message must have.
  std::function<Var(Graph& g)> misuse = nullptr;
  std::string refusal = "";
};

const std::vector<OpCase>& op_cases();

}  // namespace saltus::tests
