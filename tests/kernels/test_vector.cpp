#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/targets.h"
#include "kernels/update.h"
#include "kernels/vector.h"

using namespace saltus;
using saltus::tests::on_every_target;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

float one(void (*loop)(const float*, float*, std::size_t), float x) {
  loop(&x, &x, 1);
  return x;
}

std::vector<float> normals(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

}  // namespace

TEST_CASE("exp, log, tanh, sigmoid and relu give IEEE's answers at the edges, so that divergence shows") {
  on_every_target([] {
    CHECK(one(kernels::exp, -infinity) == 0);
    CHECK(one(kernels::exp, 88.72f) == Approx(std::exp(88.72)).epsilon(1e-5));
    CHECK(one(kernels::exp, 88.73f) == infinity);
    CHECK(one(kernels::exp, 200) == infinity);
    CHECK(one(kernels::exp, infinity) == infinity);
    CHECK(std::isnan(one(kernels::exp, not_a_number)));
    CHECK(one(kernels::log, 0) == -infinity);
    CHECK(std::isnan(one(kernels::log, -1)));
    CHECK(std::isnan(one(kernels::log, not_a_number)));
    CHECK(one(kernels::log, infinity) == infinity);
    CHECK(std::isnan(one(kernels::tanh, not_a_number)));
    CHECK(one(kernels::tanh, 50) == 1);
    CHECK(one(kernels::sigmoid, -200) == 0);
    CHECK(one(kernels::sigmoid, 200) == 1);
    CHECK(std::isnan(one(kernels::sigmoid, not_a_number)));
    CHECK(std::isnan(one(kernels::relu, not_a_number)));
    CHECK(std::isnan(one(kernels::relu, -not_a_number)));
    CHECK((one(kernels::relu, -3) == 0 && one(kernels::relu, 3) == 3));
  });
}

TEST_CASE("elementwise functions are within 4e-7, relative, of libm in double over their useful range") {
  on_every_target([] {
    for (float x = -20; x < 20; x += 0.0137f) {
      CHECK(one(kernels::exp, x) == Approx(std::exp(static_cast<double>(x))).epsilon(4e-7));
      CHECK(one(kernels::tanh, x) == Approx(std::tanh(static_cast<double>(x))).epsilon(4e-7));
      CHECK(one(kernels::log, std::exp(x)) ==
            Approx(std::log(static_cast<double>(std::exp(x)))).epsilon(4e-7).margin(1e-7));
    }
  });
}

TEST_CASE("an elementwise result does not depend on where the element stands") {
  on_every_target([] {
    const std::vector<float> x = normals(100, 1);
    std::vector<float> whole(100), part(100);
    kernels::exp(x.data(), whole.data(), 100);
    for (std::size_t first : {1u, 7u, 33u}) {
      kernels::exp(x.data() + first, part.data(), 100 - first);
      CHECK(std::equal(part.begin(), part.begin() + static_cast<std::ptrdiff_t>(100 - first),
                       whole.begin() + static_cast<std::ptrdiff_t>(first)));
    }
  });
}

TEST_CASE("a NaN anywhere in a softmax row makes the whole row NaN") {
  on_every_target([] {
    std::vector<float> x = normals(19, 2);
    x[7] = not_a_number;
    std::vector<float> y(19);
    kernels::softmax_rows(x.data(), y.data(), 1, 19, 0);
    for (float v : y) CHECK(std::isnan(v));
  });
}

TEST_CASE("causal softmax rows see exactly the keys up to their own position") {
  on_every_target([] {
    const std::size_t n = 17;
    const std::vector<float> x(n * n, 0.0f);
    std::vector<float> y(n * n, not_a_number);
    kernels::softmax_rows(x.data(), y.data(), n, n, n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j)
        CHECK(y[i * n + j] == Approx(j <= i ? 1.0f / static_cast<float>(i + 1) : 0.0f));
    }
  });
}

TEST_CASE("small_gemm equals plain loops for every size around its blocks, transposed or not, adding or not") {
  on_every_target([] {
    for (std::int64_t m : {1, 2, 5, 7, 17, 67}) {
      for (std::int64_t n : {1, 3, 4, 15, 16, 23, 34, 70}) {
        for (std::int64_t k : {1, 3, 19, 133}) {
          for (int flags = 0; flags < 8; ++flags) {
            const std::vector<float> a = normals(static_cast<std::size_t>(m * k), 3),
                                     b = normals(static_cast<std::size_t>(k * n), 4);
            std::vector<float> c(static_cast<std::size_t>(m * n), 0.5f);
            kernels::Gemm g{.trans_a = (flags & 1) != 0, .trans_b = (flags & 2) != 0, .m = m, .n = n, .k = k};
            g.a = a.data(), g.b = b.data(), g.c = c.data();
            g.lda = g.trans_a ? m : k, g.ldb = g.trans_b ? k : n, g.ldc = n;
            g.accumulate = (flags & 4) != 0;
            kernels::small_gemm(g);
            double worst = 0;
            for (std::int64_t i = 0; i < m; ++i) {
              for (std::int64_t j = 0; j < n; ++j) {
                double want = g.accumulate ? 0.5 : 0;
                for (std::int64_t p = 0; p < k; ++p) {
                  want += static_cast<double>(a[static_cast<std::size_t>(g.trans_a ? p * m + i : i * k + p)]) *
                          static_cast<double>(b[static_cast<std::size_t>(g.trans_b ? j * k + p : p * n + j)]);
                }
                worst = std::max(worst, std::abs(want - static_cast<double>(c[static_cast<std::size_t>(i * n + j)])));
              }
            }
            INFO("m " << m << " n " << n << " k " << k << " flags " << flags);
            REQUIRE(worst < 5e-5);
          }
        }
      }
    }
  });
}

TEST_CASE("the large product agrees with the small one") {
  on_every_target([] {
    const std::int64_t m = 6, n = 300, k = 230;  // B has more elements than small_gemm is given
    const std::vector<float> a = normals(static_cast<std::size_t>(m * k), 5),
                             b = normals(static_cast<std::size_t>(k * n), 6);
    std::vector<float> large(static_cast<std::size_t>(m * n)), small(large);
    kernels::Gemm g{
        .m = m, .n = n, .k = k, .a = a.data(), .lda = k, .b = b.data(), .ldb = n, .c = large.data(), .ldc = n};
    kernels::gemm(g);
    g.c = small.data();
    kernels::small_gemm(g);
    for (std::size_t i = 0; i < large.size(); ++i) REQUIRE(large[i] == Approx(small[i]).margin(1e-4));
  });
}

TEST_CASE("a flat update gives the same bits however the block is cut") {
  on_every_target([] {
    const std::size_t n = 101;
    const std::vector<float> g = normals(n, 7);
    std::vector<float> whole = normals(n, 8), cut = whole;
    kernels::sgd_update(whole.data(), g.data(), n, 0.999f, 0.1f);
    kernels::sgd_update(cut.data(), g.data(), 13, 0.999f, 0.1f);
    kernels::sgd_update(cut.data() + 13, g.data() + 13, n - 13, 0.999f, 0.1f);
    CHECK(whole == cut);
  });
}
