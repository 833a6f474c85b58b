#include <catch2/catch.hpp>
#include <cmath>

#include "probes/classification.h"

using namespace saltus;

namespace {

/// Sums of loss and accuracy over rows of hand-written logits.
std::vector<double> sums(std::vector<float> logits, std::vector<std::int32_t> labels) {
  const auto batch_size = static_cast<std::int64_t>(labels.size());
  const Shape shape = {batch_size, static_cast<std::int64_t>(logits.size()) / batch_size};
  const int label_field = 2;
  const Batch batch(static_cast<int>(batch_size), {nullptr, nullptr, labels.data()});
  const ClassificationProbe probe(label_field);
  std::vector<double> out(probe.measures().size());
  probe.accumulate(
      batch,
      [&](const std::string& name) {
        CHECK(name == "logits");
        return TapValue{logits.data(), shape};
      },
      out);
  return out;
}

}  // namespace

TEST_CASE("a classifier's loss is the cross-entropy in nats, summed over the batch") {
  const float log2 = std::log(2.0f);
  // Probabilities 1/4, 1/4, 1/2 and 2/3, 1/6, 1/6.
  const std::vector<double> s = sums({0, 0, log2, 2 * log2, 0, 0}, {2, 1});
  CHECK(s[0] == Approx(std::log(2) + std::log(6)).epsilon(1e-6));
}

TEST_CASE("equal logits cost ln C") {
  CHECK(sums({0, 0, 0, 0, 0}, {3})[0] == Approx(std::log(5)));
  CHECK(sums({-3, -3}, {0})[0] == Approx(std::log(2)));
}

TEST_CASE("the loss of huge logits is finite and exact") {
  CHECK(sums({1000, 0}, {1})[0] == Approx(1000));
  CHECK(sums({1000, 0}, {0})[0] == 0);
  CHECK(sums({-1e30f, 1e30f}, {1})[0] == 0);
}

TEST_CASE("accuracy counts rows whose largest logit is the label's") {
  CHECK(sums({1, 2, 3,   //
              3, 2, 1,   //
              1, 3, 2},  //
             {2, 0, 0})[1] == 2);
}

TEST_CASE("ties go to the lower index") {
  CHECK(sums({1, 5, 5}, {1})[1] == 1);
  CHECK(sums({1, 5, 5}, {2})[1] == 0);
  CHECK(sums({0, 0}, {0})[1] == 1);
}

TEST_CASE("the classification probe reads the logits and gives one number a measure") {
  const ClassificationProbe probe(0);
  CHECK(probe.taps() == std::vector<std::string>{"logits"});
  REQUIRE(probe.measures().size() == 2);
  CHECK(probe.measures()[0].name == "loss");
  CHECK(probe.measures()[1].name == "accuracy");
  for (const Measure& m : probe.measures()) CHECK(m.size() == 1);
}
