// What every single sample of linear_regression must satisfy.
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "data/regression_samples.h"
#include "kernels/targets.h"

namespace saltus {
namespace {

const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

/// The paper's multi-task problem: two tasks that overlap in coordinates 2 and 3.
LinearRegressionConfig two_tasks() {
  LinearRegressionConfig config;
  config.input_dim = 6;
  config.supports = {"0..3", "2..5"};
  return config;
}

LinearRegressionConfig pooled(std::int64_t size) {
  LinearRegressionConfig config;
  config.pool_size = size;
  return config;
}

LinearRegressionConfig correlated() {
  LinearRegressionConfig config = two_tasks();
  config.covariance = "kac_murdock_szego";
  config.shared_beta = false;
  config.noise_scaling = "support";
  config.pool_size = 10;
  return config;
}

std::vector<float> values(std::span<const float> x) { return {x.begin(), x.end()}; }

/// beta_n . x_l in float, added up in the order of the coordinates.
float dot(const RegressionSamples& s, int sample, int n, int l) {
  float sum = 0;
  for (int j = 0; j < s.d; ++j) sum += s.beta_of(sample, n)[static_cast<std::size_t>(j)] * s.x(sample, j, l);
  return sum;
}

bool same(const RegressionSamples& a, const RegressionSamples& b) {
  return a.tokens == b.tokens && a.target == b.target && a.beta == b.beta && a.task_id == b.task_id;
}

}  // namespace

TEST_CASE("a regression sample is x rows, y rows, and the query in the last column with its y left open") {
  const LinearRegression task(two_tasks(), seeds);
  const std::vector<SampleField> fields = task.fields();
  REQUIRE(fields.size() == 4);
  CHECK((fields[0].name == "tokens" && fields[0].shape == Shape{8, 41} && fields[0].dtype == DType::f32));
  CHECK((fields[1].name == "target" && fields[1].shape == Shape{2} && fields[1].dtype == DType::f32));
  CHECK((fields[2].name == "beta" && fields[2].shape == Shape{2, 6} && fields[2].dtype == DType::f32));
  CHECK((fields[3].name == "task_id" && fields[3].shape == Shape{} && fields[3].dtype == DType::i32));
  CHECK(fields[0].dims == std::vector<std::string>{"feature", "position"});
  CHECK(fields[2].dims == std::vector<std::string>{"task", "input"});
  CHECK(task.eval_sets() == std::vector<std::string>{"test"});

  const RegressionSamples s = train_samples(task, 200);
  for (float v : s.tokens) REQUIRE(std::isfinite(v));
  for (int i = 0; i < s.size; ++i) {
    REQUIRE(s.entry(i) == 0);
    for (int n = 0; n < 2; ++n) {
      REQUIRE(s.y(i, n, 40) == 0);
      REQUIRE(s.asked(i, n) != 0);
      for (int l = 0; l < 40; ++l) REQUIRE(s.y(i, n, l) != 0);
    }
  }
}

TEST_CASE("without noise every label is beta . x, to the last bit") {
  LinearRegressionConfig config = GENERATE(LinearRegressionConfig{}, two_tasks(), correlated(), pooled(3));
  config.noise_std = 0;
  const LinearRegression task(config, seeds);
  const RegressionSamples s = train_samples(task, 100);
  for (int i = 0; i < s.size; ++i) {
    for (int n = 0; n < s.n_tasks; ++n) {
      for (int l = 0; l < s.length; ++l) REQUIRE(s.y(i, n, l) == dot(s, i, n, l));
      REQUIRE(s.asked(i, n) == dot(s, i, n, s.length));
    }
  }
}

TEST_CASE("noisy_query off takes the noise off the answer and changes nothing else") {
  LinearRegressionConfig config = two_tasks();
  const LinearRegression noisy(config, seeds);
  config.noisy_query = false;
  const LinearRegression clean(config, seeds);
  const RegressionSamples a = train_samples(noisy, 200), b = train_samples(clean, 200);
  CHECK(a.tokens == b.tokens);
  CHECK(a.beta == b.beta);
  for (int i = 0; i < b.size; ++i) {
    for (int n = 0; n < 2; ++n) {
      REQUIRE(b.asked(i, n) == dot(b, i, n, 40));
      REQUIRE(a.asked(i, n) != b.asked(i, n));
      REQUIRE(b.y(i, n, 0) != dot(b, i, n, 0));
    }
  }
}

TEST_CASE("a coefficient is 0 off its task's support, and shared ones agree where supports overlap") {
  LinearRegressionConfig config = two_tasks();
  config.shared_beta = GENERATE(true, false);
  config.pool_size = GENERATE(0, 5);
  const LinearRegression task(config, seeds);
  const RegressionSamples s = train_samples(task, 200);
  for (int i = 0; i < s.size; ++i) {
    const auto first = s.beta_of(i, 0), second = s.beta_of(i, 1);
    for (std::size_t j = 0; j < 6; ++j) {
      REQUIRE((first[j] != 0) == (j <= 3));
      REQUIRE((second[j] != 0) == (j >= 2));
    }
    for (std::size_t j = 2; j <= 3; ++j) REQUIRE((first[j] == second[j]) == config.shared_beta);
  }
}

TEST_CASE("how beta is made leaves x and the noise as they are") {
  LinearRegressionConfig config = two_tasks();
  const RegressionSamples shared = [&] {
    static const LinearRegression task(config, seeds);
    return train_samples(task, 20);
  }();
  config.shared_beta = false;
  config.pool_size = 7;
  const LinearRegression other(config, seeds);
  const RegressionSamples s = train_samples(other, 20);
  for (int i = 0; i < s.size; ++i) {
    for (int j = 0; j < 6; ++j) REQUIRE(values(s.row(i, j)) == values(shared.row(i, j)));
    for (int l = 0; l < 40; ++l) {
      REQUIRE(s.y(i, 1, l) - s.clean(i, 1, l) == Approx(shared.y(i, 1, l) - shared.clean(i, 1, l)).margin(1e-5));
    }
  }
}

TEST_CASE("x, noise and beta of a sample are numbers of their own: none is drawn for two uses") {
  LinearRegressionConfig config = two_tasks();
  config.shared_beta = false;
  config.noise_std = 1;
  config.beta_std = 1e-30;  // so that a label is its noise
  const LinearRegression task(config, seeds);
  const RegressionSamples s = train_samples(task, 10);
  for (int i = 0; i < s.size; ++i) {
    std::vector<float> drawn;
    for (int j = 0; j < 8; ++j) {
      for (int l = 0; l < (j < 6 ? 41 : 40); ++l) drawn.push_back(s.row(i, j)[static_cast<std::size_t>(l)]);
    }
    for (int n = 0; n < 2; ++n) {
      drawn.push_back(s.asked(i, n));
      for (float b : s.beta_of(i, n)) {
        if (b != 0) drawn.push_back(b / 1e-30f);
      }
    }
    REQUIRE(drawn.size() == 8 * 41 + 2 * 4);
    std::sort(drawn.begin(), drawn.end());
    for (std::size_t k = 1; k < drawn.size(); ++k) REQUIRE(drawn[k] - drawn[k - 1] > 5e-7f * std::abs(drawn[k]));
  }
}

TEST_CASE("a pool of M has M betas, the same ones in training and test") {
  const LinearRegression task(pooled(16), seeds);
  CHECK(task.eval_sets() == std::vector<std::string>{"test", "fresh"});
  REQUIRE(task.pool().size() == 16 * 5);
  std::set<std::vector<float>> pool;
  for (std::size_t m = 0; m < 16; ++m) pool.insert(values(task.pool().subspan(m * 5, 5)));
  REQUIRE(pool.size() == 16);
  for (const RegressionSamples& s :
       {train_samples(task, 500), train_samples(task, 500, 9), eval_samples(task, "test", 500)}) {
    std::set<std::vector<float>> seen;
    for (int i = 0; i < s.size; ++i) {
      REQUIRE((s.entry(i) >= 0 && s.entry(i) < 16));
      const auto meant = task.pool().subspan(static_cast<std::size_t>(s.entry(i)) * 5, 5);
      REQUIRE(values(s.beta_of(i)) == values(meant));
      seen.insert(values(meant));
    }
    CHECK(seen == pool);
  }
  const RegressionSamples fresh = eval_samples(task, "fresh", 500);
  std::set<std::vector<float>> outside;
  for (int i = 0; i < fresh.size; ++i) {
    REQUIRE(fresh.entry(i) == -1);
    REQUIRE(pool.count(values(fresh.beta_of(i))) == 0);
    outside.insert(values(fresh.beta_of(i)));
  }
  CHECK(outside.size() == 500);
}

TEST_CASE("a pool grows by more entries: the first ones stay") {
  const LinearRegression small(pooled(4), seeds), large(pooled(64), seeds);
  CHECK(values(small.pool()) == values(large.pool().first(4 * 5)));
}

TEST_CASE("any part of a regression batch is what the whole batch holds there, bit for bit") {
  const LinearRegressionConfig config = GENERATE(LinearRegressionConfig{}, two_tasks(), correlated());
  const LinearRegression task(config, seeds);
  const auto check_part = [](const RegressionSamples& whole, const RegressionSamples& part, int first) {
    const auto from = [first, &whole](const auto& array) {
      return array.begin() + static_cast<std::ptrdiff_t>(array.size()) / whole.size * first;
    };
    CHECK(std::equal(part.tokens.begin(), part.tokens.end(), from(whole.tokens)));
    CHECK(std::equal(part.target.begin(), part.target.end(), from(whole.target)));
    CHECK(std::equal(part.beta.begin(), part.beta.end(), from(whole.beta)));
    CHECK(std::equal(part.task_id.begin(), part.task_id.end(), from(whole.task_id)));
  };
  const RegressionSamples whole = train_samples(task, 128, 77);
  for (int first : {0, 1, 31, 96}) check_part(whole, train_samples(task, 32, 77, first), first);
  check_part(whole, train_samples(task, 1, 77, 127), 127);
  for (const std::string& set : task.eval_sets()) {
    check_part(eval_samples(task, set, 64), eval_samples(task, set, 16, 40), 40);
  }
}

TEST_CASE("a regression batch has the same bits on every instruction set") {
  const LinearRegressionConfig config = GENERATE(LinearRegressionConfig{}, two_tasks(), correlated());
  const LinearRegression task(config, seeds);
  const RegressionSamples reference = train_samples(task, 16);
  tests::on_every_target([&] { CHECK(same(train_samples(task, 16), reference)); });
}

TEST_CASE("every step, sample and set has its own x, noise and beta") {
  const LinearRegression task(pooled(4), seeds);
  std::set<float> x;
  const int n = 64;
  for (const RegressionSamples& s :
       {train_samples(task, n, 0), train_samples(task, n, 1), train_samples(task, n, 4294967295),
        eval_samples(task, "test", n), eval_samples(task, "fresh", n)}) {
    x.insert(s.tokens.begin(), s.tokens.end());
  }
  // A float can come twice by chance among so many; a repeated sample would take away 205 at once.
  CHECK(static_cast<int>(x.size()) > 5 * n * 245 - 100);
}

TEST_CASE("each seed of a regression task changes its own part") {
  const LinearRegressionConfig config = pooled(8);
  const LinearRegression base(config, {.data = 2, .eval = 3, .task = 4}),
      other_data(config, {.data = 9, .eval = 3, .task = 4}), other_eval(config, {.data = 2, .eval = 9, .task = 4}),
      other_task(config, {.data = 2, .eval = 3, .task = 9}),
      other_init(config, {.init = 9, .data = 2, .eval = 3, .task = 4});
  const auto train = [](const LinearRegression& task) { return train_samples(task, 8); };
  const auto test = [](const LinearRegression& task) { return eval_samples(task, "test", 8); };
  CHECK((!same(train(base), train(other_data)) && same(test(base), test(other_data))));
  CHECK((same(train(base), train(other_eval)) && !same(test(base), test(other_eval))));
  CHECK(values(base.pool()) == values(other_data.pool()));
  CHECK(values(base.pool()) == values(other_eval.pool()));
  CHECK(values(base.pool()) != values(other_task.pool()));
  CHECK(train(base).task_id == train(other_task).task_id);
  CHECK((same(train(base), train(other_init)) && same(test(base), test(other_init))));
}

TEST_CASE("the smallest and the odd sizes are whole samples too") {
  LinearRegressionConfig config;
  config.n_context = GENERATE(1, 2, 15, 16, 17, 100);
  config.input_dim = GENERATE(1, 3, 33);
  config.noise_std = 0;
  config.covariance = GENERATE("isotropic", "kac_murdock_szego");
  const LinearRegression task(config, seeds);
  const RegressionSamples s = train_samples(task, 3);
  for (int i = 0; i < s.size; ++i) {
    for (int l = 0; l < s.length; ++l) REQUIRE(s.y(i, 0, l) == dot(s, i, 0, l));
    REQUIRE(s.asked(i) == dot(s, i, 0, s.length));
  }
}

TEST_CASE("a step that does not fit the counter is refused") {
  const LinearRegression task({}, seeds);
  RegressionSamples s(task, 1);
  CHECK_THROWS_WITH(task.sample_train(4294967296, 0, s.batch()),
                    "step 4294967296 is outside 0..2^32-1, which the random numbers are keyed by");
}

}  // namespace saltus
