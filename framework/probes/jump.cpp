#include "probes/jump.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace saltus {
namespace {

constexpr std::size_t max_points = 128;  // knots are searched in pairs: 8,000 small least-squares fits

struct Series {
  std::vector<double> x, y;
  std::size_t size() const { return x.size(); }
};

/// At most max_points points, each the mean of neighbouring ones.
Series thinned(std::span<const double> x, std::span<const double> y) {
  const std::size_t n = std::min(x.size(), max_points);
  Series out;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t begin = i * x.size() / n, end = (i + 1) * x.size() / n;
    double sx = 0, sy = 0;
    for (std::size_t j = begin; j < end; ++j) sx += x[j], sy += y[j];
    out.x.push_back(sx / static_cast<double>(end - begin));
    out.y.push_back(sy / static_cast<double>(end - begin));
  }
  return out;
}

/// Sums over points i.. of 1, x, x^2, y, xy.
struct Moments {
  double n = 0, x = 0, xx = 0, y = 0, xy = 0;
  /// Of (x - a)(x - b).
  double product(double a, double b) const { return xx - (a + b) * x + a * b * n; }
  /// Of (x - a) y.
  double with_y(double a) const { return xy - a * y; }
};

using Vec4 = std::array<double, 4>;

/// Solves the symmetric positive definite 4 x 4 system by elimination; false when it is singular.
bool solve(std::array<Vec4, 4> m, Vec4 r, Vec4& out) {
  for (std::size_t i = 0; i < 4; ++i) {
    if (m[i][i] < 1e-12) return false;
    for (std::size_t j = i + 1; j < 4; ++j) {
      const double f = m[j][i] / m[i][i];
      for (std::size_t k = i; k < 4; ++k) m[j][k] -= f * m[i][k];
      r[j] -= f * r[i];
    }
  }
  for (std::size_t i = 4; i-- > 0;) {
    out[i] = r[i];
    for (std::size_t k = i + 1; k < 4; ++k) out[i] -= m[i][k] * out[k];
    out[i] /= m[i][i];
  }
  return true;
}

/// y ~ c0 + c1 x + c2 max(x - x_a, 0) + c3 max(x - x_b, 0), and what the fit explains of sum y^2 (larger is better).
struct Fit {
  std::size_t a = 0, b = 0;
  Vec4 c{};
  double explained = -1;
};

Fit fit_knots(const Series& s, const std::vector<Moments>& from, std::size_t a, std::size_t b) {
  const double xa = s.x[a], xb = s.x[b];
  const Moments &all = from[0], &ma = from[a], &mb = from[b];
  const std::array<Vec4, 4> m = {Vec4{all.n, all.x, ma.x - xa * ma.n, mb.x - xb * mb.n},
                                 Vec4{all.x, all.xx, ma.product(0, xa), mb.product(0, xb)},
                                 Vec4{ma.x - xa * ma.n, ma.product(0, xa), ma.product(xa, xa), mb.product(xa, xb)},
                                 Vec4{mb.x - xb * mb.n, mb.product(0, xb), mb.product(xa, xb), mb.product(xb, xb)}};
  const Vec4 r = {all.y, all.xy, ma.with_y(xa), mb.with_y(xb)};
  Fit fit{a, b};
  if (!solve(m, r, fit.c)) return fit;
  fit.explained = 0;
  for (std::size_t i = 0; i < 4; ++i) fit.explained += fit.c[i] * r[i];
  return fit;
}

Fit best_fit(const Series& s, std::size_t calm) {
  std::vector<Moments> from(s.size() + 1);
  for (std::size_t i = s.size(); i-- > 0;) {
    from[i] = from[i + 1];
    from[i].n += 1;
    from[i].x += s.x[i];
    from[i].xx += s.x[i] * s.x[i];
    from[i].y += s.y[i];
    from[i].xy += s.x[i] * s.y[i];
  }
  Fit best;
  for (std::size_t a = calm; a + calm + 1 < s.size(); ++a) {
    for (std::size_t b = a + 1; b + calm < s.size(); ++b) {
      const Fit fit = fit_knots(s, from, a, b);
      if (fit.explained > best.explained) best = fit;
    }
  }
  return best;
}

double residual(const Series& s, const Fit& fit) {
  double sum = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const double x = s.x[i], e = s.y[i] - fit.c[0] - fit.c[1] * x - fit.c[2] * std::max(x - s.x[fit.a], 0.0) - fit.c[3] * std::max(x - s.x[fit.b], 0.0);
    sum += e * e;
  }
  return std::sqrt(sum / static_cast<double>(s.size()));
}

/// The crossings of 10, 50 and 90 per cent of the way from before to after, by linear interpolation: the first that reaches the half,
/// the last of 10 per cent before it, the first of 90 per cent after it. Noise on the calm stretches so does not count.
struct Crossings {
  std::span<const double> x, y;
  double before, after;

  double way(std::size_t i) const { return (y[i] - before) / (after - before); }
  /// Between points i - 1 and i.
  double at(std::size_t i, double share) const {
    const double u = way(i - 1), v = way(i);
    return x[i - 1] + (v == u ? 1 : std::clamp((share - u) / (v - u), 0.0, 1.0)) * (x[i] - x[i - 1]);
  }
  std::size_t first_from(std::size_t i, double share) const {
    while (i + 1 < x.size() && way(i) < share) ++i;
    return i;
  }
  std::size_t last_up_to(std::size_t i, double share) const {
    while (i > 1 && way(i - 1) >= share) --i;
    return i;
  }
};

double plateau_length(std::span<const double> x, std::span<const double> y, double before, double after, double step_10) {
  const double band = 0.1 * std::abs(after - before);
  std::size_t i = static_cast<std::size_t>(std::lower_bound(x.begin(), x.end(), step_10) - x.begin());
  while (i > 0 && std::abs(y[i - 1] - before) <= band) --i;
  return std::max(0.0, step_10 - x[std::min(i, x.size() - 1)]);
}

}  // namespace

std::optional<Jump> find_jump(std::span<const double> steps, std::span<const double> values, const JumpCriteria& criteria) {
  const auto calm = static_cast<std::size_t>(criteria.calm_points);
  if (steps.size() < 2 * calm + 3) return std::nullopt;
  Series s = thinned(steps, values);
  const double x0 = s.x.front(), span = s.x.back() - x0;
  for (double& x : s.x) x = (x - x0) / span;
  const Fit fit = best_fit(s, calm);
  if (fit.explained < 0) return std::nullopt;

  const double slope_1 = fit.c[1], slope_2 = slope_1 + fit.c[2], slope_3 = slope_2 + fit.c[3];
  const double before = fit.c[0] + slope_1 * s.x[fit.a], after = before + slope_2 * (s.x[fit.b] - s.x[fit.a]);
  const double size = std::abs(after - before);
  const bool large = size >= criteria.min_size && size > criteria.size_over_noise * residual(s, fit);
  const bool steep = std::abs(slope_2) > criteria.steepness * std::max(std::abs(slope_1), std::abs(slope_3));
  if (!large || !steep) return std::nullopt;

  const Crossings way{steps, values, before, after};
  const std::size_t half = way.first_from(1, 0.5);
  Jump jump{way.at(half, 0.5), before, after, way.at(way.last_up_to(half, 0.1), 0.1), way.at(way.first_from(half, 0.9), 0.9), 0};
  jump.plateau_length = plateau_length(steps, values, before, after, jump.step_10);
  return jump;
}

}  // namespace saltus
