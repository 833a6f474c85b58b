#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "config/reader.h"
#include "core/check.h"
#include "data/linear_regression.h"

namespace saltus {
namespace {

LinearRegressionConfig read(const std::string& yaml) {
  LinearRegressionConfig config;
  read_config_text("task.yaml", yaml, {}, [&config](Fields& f) { config.fields(f); });
  return config;
}

/// The message that refuses the default task with these changes, or "" if they are accepted.
std::string refusal(const std::string& yaml) {
  try {
    read(yaml);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// Refused with the message alone, without the excerpt of the file below it.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

struct Case {
  std::string yaml;
  std::string message;
};

}  // namespace

TEST_CASE("linear_regression accepts the settings of the paper and of its program") {
  CHECK(refusal("{}") == "");
  CHECK(refusal("{covariance: kac_murdock_szego, covariance_decay: -0.5}") == "");
  CHECK(refusal("{covariance: given, input_dim: 2, covariance_matrix: [2, 1, 1, 2]}") == "");
  CHECK(refusal("{input_dim: 6, supports: [0..3, 2..5]}") == "");
  CHECK(refusal("{input_dim: 6, supports: [0..3, 2..5], n_context: 48, beta_std: 1, shared_beta: false, "
                "noise_scaling: support, noisy_query: false}") == "");
  CHECK(refusal("{input_dim: 8, n_context: 16, beta_std: 1, noise_std: 0.5, pool_size: 1048576}") == "");
}

TEST_CASE("the defaults are the paper's: one task of variance 1/d a coefficient and noise variance 0.1") {
  const LinearRegressionConfig config = read("{}");
  CHECK(config.n_tasks() == 1);
  CHECK(config.n_features() == 6);
  CHECK(config.support(0) == std::vector<int>{0, 1, 2, 3, 4});
  CHECK(config.coefficient_std() == Approx(1 / std::sqrt(5.0)));
  CHECK(config.label_noise_std(0) == Approx(std::sqrt(0.1)));
  std::vector<double> identity(25);
  for (std::size_t j = 0; j < 5; ++j) identity[6 * j] = 1;
  CHECK(config.sigma() == identity);
}

TEST_CASE("a support is numbers and inclusive ranges, in any order") {
  const LinearRegressionConfig config = read("{input_dim: 6, supports: [0..3, '5, 1..2', '4', ' 2 .. 2 ,0 ']}");
  CHECK(config.n_tasks() == 4);
  CHECK(config.n_features() == 10);
  CHECK(config.support(0) == std::vector<int>{0, 1, 2, 3});
  CHECK(config.support(1) == std::vector<int>{1, 2, 5});
  CHECK(config.support(2) == std::vector<int>{4});
  CHECK(config.support(3) == std::vector<int>{0, 2});
  CHECK_THROWS_WITH(config.support(4), "task 4 is outside 0..3");
}

TEST_CASE("noise_scaling: support multiplies the noise by the root of the support's size") {
  const LinearRegressionConfig config =
      read("{input_dim: 6, supports: [0..3, '5'], noise_std: 0.5, noise_scaling: support}");
  CHECK(config.label_noise_std(0) == 1.0);
  CHECK(config.label_noise_std(1) == 0.5);
}

TEST_CASE("sigma is what the config says") {
  CHECK(read("{covariance: kac_murdock_szego, input_dim: 3, covariance_decay: 0.5}").sigma() ==
        std::vector<double>{1, 0.5, 0.25, 0.5, 1, 0.5, 0.25, 0.5, 1});
  CHECK(read("{covariance: kac_murdock_szego, input_dim: 3, covariance_decay: -0.5}").sigma() ==
        std::vector<double>{1, -0.5, 0.25, -0.5, 1, -0.5, 0.25, -0.5, 1});
  CHECK(read("{covariance: given, input_dim: 2, covariance_matrix: [2, 1, 1, 3]}").sigma() ==
        std::vector<double>{2, 1, 1, 3});
}

TEST_CASE("a refused covariance is named with the numbers that are wrong") {
  const std::vector<Case> cases = {
      {"covariance_decay: 1", "task.yaml:1:19: error: covariance_decay: 1 is not strictly between -1 and 1"},
      {"covariance_decay: -1.5", "task.yaml:1:19: error: covariance_decay: -1.5 is not strictly between -1 and 1"},
      {"covariance: given",
       "task.yaml:1:13: error: covariance: given needs covariance_matrix, 5 x 5 numbers row by row"},
      {"{input_dim: 1, covariance_matrix: [2]}",
       "task.yaml:1:35: error: covariance_matrix: it has no effect with covariance: isotropic; set covariance: given "
       "or "
       "leave the matrix out"},
      {"{input_dim: 1, covariance: kac_murdock_szego, covariance_matrix: [2]}",
       "task.yaml:1:66: error: covariance_matrix: it has no effect with covariance: kac_murdock_szego; set covariance: "
       "given or leave the matrix out"},
      {"{covariance: given, covariance_matrix: [1, 0, 0, 1]}",
       "task.yaml:1:40: error: covariance_matrix: it has 4 numbers; input_dim 5 needs 25, row by row"},
      {"{covariance: given, input_dim: 2, covariance_matrix: [1, 0.5, 0.25, 1]}",
       "task.yaml:1:54: error: covariance_matrix: it is not symmetric: entry (1, 0) is 0.25, entry (0, 1) is 0.5"},
      {"{covariance: given, input_dim: 2, covariance_matrix: [-1, 0, 0, 1]}",
       "task.yaml:1:54: error: covariance_matrix: it is not positive definite: its leading 1 x 1 block is not"},
      {"{covariance: given, input_dim: 2, covariance_matrix: [1, 1, 1, 1]}",
       "task.yaml:1:54: error: covariance_matrix: it is not positive definite: its leading 2 x 2 block is not"},
      {"{covariance: given, input_dim: 3, covariance_matrix: [1, 2, 0, 2, 1, 0, 0, 0, 1]}",
       "task.yaml:1:54: error: covariance_matrix: it is not positive definite: its leading 2 x 2 block is not"},
      {"covariance: identity",
       "task.yaml:1:13: error: covariance: must be one of isotropic, kac_murdock_szego, given, got 'identity'"},
  };
  for (const Case& c : cases) {
    INFO(c.yaml);
    CHECK(first_line(refusal(c.yaml)) == c.message);
  }
  CHECK(refusal("covariance_decay: 1") == R"(task.yaml:1:19: error: covariance_decay: 1 is not strictly between -1 and 1
  1 | covariance_decay: 1
    |                   ^)");
}

TEST_CASE("a refused support is named with what can be written") {
  const std::string neither = "' is neither a coordinate nor a range; write for example 0..3 or 0,2,4";
  const std::vector<Case> cases = {
      {"supports: [0..4, 0..5]",
       "supports: entry 1, '0..5': coordinate 5 is outside 0..4, the coordinates of input_dim 5"},
      {"supports: ['7']", "supports: entry 0, '7': coordinate 7 is outside 0..4, the coordinates of input_dim 5"},
      {"supports: [3..1]", "supports: entry 0, '3..1': 3..1 runs backwards; write 1..3"},
      {"supports: ['0..2,2']", "supports: entry 0, '0..2,2': coordinate 2 is there twice"},
      {"supports: ['']", "supports: entry 0, '': '" + neither},
      {"supports: ['0,']", "supports: entry 0, '0,': '" + neither},
      {"supports: [0-3]", "supports: entry 0, '0-3': '0-3" + neither},
      {"supports: ['-1']", "supports: entry 0, '-1': '-1" + neither},
      {"supports: [0..1..2]", "supports: entry 0, '0..1..2': '0..1..2" + neither},
      {"supports: [..2]", "supports: entry 0, '..2': '..2" + neither},
      {"supports: [first]", "supports: entry 0, 'first': 'first" + neither},
  };
  for (const Case& c : cases) {
    INFO(c.yaml);
    CHECK(first_line(refusal(c.yaml)) == "task.yaml:1:11: error: " + c.message);
  }
}

TEST_CASE("other numbers out of range are refused") {
  const std::vector<Case> cases = {
      {"n_context: 0", "task.yaml:1:12: error: n_context: must be in [1, 65536], got 0"},
      {"input_dim: 0", "task.yaml:1:12: error: input_dim: must be in [1, 1024], got 0"},
      {"beta_std: 0", "task.yaml:1:11: error: beta_std: must be > 0, got 0"},
      {"noise_std: -0.1", "task.yaml:1:12: error: noise_std: must be >= 0, got -0.1"},
      {"pool_size: -1", "task.yaml:1:12: error: pool_size: must be in [0, 2147483647], got -1"},
      {"{pool_size: 1000000000, input_dim: 64}",
       "task.yaml:1:13: error: pool_size: 1000000000 entries of 64 coefficients are too large a pool: use at most "
       "4194304"},
      {"noise_scaling: sqrt", "task.yaml:1:16: error: noise_scaling: must be one of none, support, got 'sqrt'"},
  };
  for (const Case& c : cases) {
    INFO(c.yaml);
    CHECK(first_line(refusal(c.yaml)) == c.message);
  }
}

TEST_CASE("a regression task built from code holds to the same rules") {
  LinearRegressionConfig config;
  config.supports = {"0..9"};
  CHECK_THROWS_WITH(LinearRegression(config, Seeds{}),
                    "supports: entry 0, '0..9': coordinate 9 is outside 0..4, the coordinates of input_dim 5");
}

}  // namespace saltus
