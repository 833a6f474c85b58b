#include "kernels/peaks.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "core/arena.h"
#include "kernels/gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/peaks.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/blocks-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saltus::kernels::HWY_NAMESPACE {

/// Twelve sums in registers: more than a multiply-add's latency times the units of any core, less than the registers of
/// AVX2.
constexpr int sums_at_once = 12;

/// x <- a x + b, `times` times for each of the sums; b makes it converge to 1 from anywhere. Returns the operations
/// done; `to` keeps the compiler from leaving them out.
double multiply_adds_impl(std::int64_t times, float* to) {
  using namespace sums;  // NOLINT
  const Tag all;
  const Vec a = hn::Set(all, 0.75f), b = hn::Set(all, 0.25f);
  Vec x[sums_at_once];
#pragma GCC unroll 12
  for (int i = 0; i < sums_at_once; ++i) x[i] = hn::Set(all, static_cast<float>(i));
  for (std::int64_t t = 0; t < times; ++t) {
#pragma GCC unroll 12
    for (int i = 0; i < sums_at_once; ++i) x[i] = hn::MulAdd(a, x[i], b);
  }
  Vec total = hn::Zero(all);
#pragma GCC unroll 12
  for (int i = 0; i < sums_at_once; ++i) total = hn::Add(total, x[i]);
  *to = hn::GetLane(hn::SumOfLanes(all, total));
  return 2.0 * static_cast<double>(times) * sums_at_once * static_cast<double>(hn::Lanes(all));
}

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saltus::kernels {
HWY_EXPORT(multiply_adds_impl);
namespace {

template <class F>
double seconds(const F& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// f() a second, at best: rounds of as many calls as take two milliseconds, and one call at least.
template <class F>
double best_rate(int rounds, const F& f) {
  const double once = seconds(f);
  const auto calls = std::max<std::int64_t>(1, static_cast<std::int64_t>(2e-3 / std::max(once, 1e-9)));
  double best = 1 / once;
  for (int round = 0; round < rounds; ++round) {
    const double taken = seconds([&] {
      for (std::int64_t i = 0; i < calls; ++i) f();
    });
    best = std::max(best, static_cast<double>(calls) / taken);
  }
  return best;
}

}  // namespace

double multiply_add_peak() {
  float kept = 0;
  double operations = 0;
  const double rate = best_rate(5, [&] { operations = HWY_DYNAMIC_DISPATCH(multiply_adds_impl)(10000, &kept); });
  return kept > 0 ? rate * operations : 0;
}

double copy_bandwidth(std::size_t bytes) {
  const AlignedBlock from(bytes), to(bytes);
  std::memset(from.data(), 1, bytes);
  const auto copy = [&] {
    std::memcpy(to.data(), from.data(), bytes);
    asm volatile("" : : "r"(to.data()) : "memory");  // somebody may have read it: no copy can be left out
  };
  copy();
  const int rounds = bytes > std::size_t{1} << 24 ? 2 : 5;
  return best_rate(rounds, copy) * 2 * static_cast<double>(bytes);
}

double product_peak() {
  double best = 0;
  for (const std::int64_t n : {128, 256, 512}) {
    const std::vector<float> a(static_cast<std::size_t>(n * n), 0.5f), b = a;
    std::vector<float> c(a.size());
    const double rate = best_rate(3, [&] {
      gemm({.m = n, .n = n, .k = n, .a = a.data(), .lda = n, .b = b.data(), .ldb = n, .c = c.data(), .ldc = n});
    });
    best = std::max(best, rate * 2 * static_cast<double>(n * n * n));
  }
  return best;
}

std::size_t second_level_cache() {
#ifdef _SC_LEVEL2_CACHE_SIZE
  const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (bytes > 0) return static_cast<std::size_t>(bytes);
#endif
  return std::size_t{1} << 20;
}

}  // namespace saltus::kernels
#endif  // HWY_ONCE
