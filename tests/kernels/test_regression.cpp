#include <catch2/catch.hpp>
#include <vector>

#include "core/rng.h"
#include "kernels/random.h"
#include "kernels/regression.h"
#include "kernels/targets.h"

using namespace saltus;
using saltus::tests::on_every_target;

TEST_CASE("combine_rows adds rounded products in the order of the rows, whatever the length and the instruction set") {
  std::vector<float> numbers(8192);
  fill_normal(Rng(1, Stream::data), {}, numbers);
  const float *base = numbers.data(), *weights = base + 100, *rows = base + 200;
  on_every_target([&] {
    for (std::size_t n_rows : {0u, 1u, 5u, 20u}) {
      for (std::size_t n = 0; n <= 90; ++n) {
        const std::size_t stride = n + 3;
        std::vector<float> y(n + 1, -7.0f);  // one guard behind the end, which must survive
        kernels::combine_rows(base, 0.3f, rows, stride, n_rows, weights, y.data(), n);
        REQUIRE(y[n] == -7.0f);
        for (std::size_t i = 0; i < n; ++i) {
          float expected = 0.3f * base[i];
          for (std::size_t r = 0; r < n_rows; ++r) expected += weights[r] * rows[r * stride + i];
          REQUIRE(y[i] == expected);
        }
      }
    }
  });
}
