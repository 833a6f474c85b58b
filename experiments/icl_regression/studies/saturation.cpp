#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "experiments/icl_regression/studies.h"
#include "kernels/random.h"

namespace saltus::icl_regression {
namespace {

struct Settings {
  std::vector<double> scale = {0.5, 0.5, 0.5, 0.5, 0.5, 0.35, 0.35, 0.35};
  std::vector<std::int64_t> n_context = {40, 100, 500, 200, 800, 40, 200, 800},
                            input_dim = {5, 5, 5, 25, 100, 5, 25, 100};
  std::int64_t samples = 10000;
  std::int64_t bins = 100;

  void fields(Fields& f) {
    f.field("scale", scale, "omega (s), one a case", above(0));
    f.field("n_context", n_context, "context length (L) of each case", at_least(1));
    f.field("input_dim", input_dim, "dimension (d) of each case", at_least(1));
    f.field("samples", samples, "draws of X and x_q a case", between(16, 1 << 24));
    f.field("bins", bins, "bins of the histogram over 0 to 1", between(2, 10000));
    f.require(n_context.size() == scale.size() && input_dim.size() == scale.size() && !scale.empty(), "scale",
              fmt::format("one value a case: {} scales, {} lengths, {} dimensions", scale.size(), n_context.size(),
                          input_dim.size()));
  }
};

/// || softmax(s X x_q) ||_2 with X [L, d] and x_q standard normal.
double norm_of(const Rng& rng, std::uint32_t which, std::uint32_t sample, double s, std::size_t length, std::size_t d,
               std::vector<float>& x) {
  x.resize((length + 1) * d);
  fill_normal(rng, {.sample = sample, .step = which}, x);
  const float* query = x.data() + length * d;
  double top = -INFINITY, sum = 0, square = 0;
  std::vector<double> score(length);
  for (std::size_t l = 0; l < length; ++l) {
    for (std::size_t i = 0; i < d; ++i) score[l] += s * x[l * d + i] * query[i];
    top = std::max(top, score[l]);
  }
  for (const double v : score) {
    const double e = std::exp(v - top);
    sum += e;
    square += e * e;
  }
  return std::sqrt(square) / sum;
}

Findings run(const Settings& s, const StudyContext& context) {
  const Rng rng(context.seed, Stream::data);
  const auto bins = static_cast<std::size_t>(s.bins), samples = static_cast<std::size_t>(s.samples);
  std::vector<double> density, quantiles, edges;
  std::vector<std::string> labels, lines;
  for (std::size_t c = 0; c < s.scale.size(); ++c) {
    std::vector<double> norms(samples);
    constexpr std::size_t block = 64;
    context.pool.run(static_cast<int>((samples + block - 1) / block), [&](int task, int) {
      std::vector<float> x;
      const std::size_t first = static_cast<std::size_t>(task) * block;
      for (std::size_t i = first; i < std::min(first + block, samples); ++i) {
        norms[i] = norm_of(rng, static_cast<std::uint32_t>(c), static_cast<std::uint32_t>(i), s.scale[c],
                           static_cast<std::size_t>(s.n_context[c]), static_cast<std::size_t>(s.input_dim[c]), x);
      }
    });
    context.progress(static_cast<double>(c + 1) / static_cast<double>(s.scale.size()));
    std::vector<double> counts(bins);
    for (const double v : norms)
      counts[std::min(bins - 1, static_cast<std::size_t>(v * static_cast<double>(bins)))] +=
          static_cast<double>(bins) / static_cast<double>(samples);
    density.insert(density.end(), counts.begin(), counts.end());
    std::sort(norms.begin(), norms.end());
    for (const double q : {0.05, 0.5, 0.95})
      quantiles.push_back(norms[static_cast<std::size_t>(q * static_cast<double>(samples - 1))]);
    const auto mode = static_cast<double>(std::max_element(counts.begin(), counts.end()) - counts.begin());
    labels.push_back(fmt::format("s={:g} L={} d={}", s.scale[c], s.n_context[c], s.input_dim[c]));
    lines.push_back(fmt::format("{:<20} mode {:.3f}, 5% {:.3f}, median {:.3f}, 95% {:.3f}", labels.back(),
                                (mode + 0.5) / static_cast<double>(bins), quantiles[3 * c], quantiles[3 * c + 1],
                                quantiles[3 * c + 2]));
  }
  for (std::size_t b = 0; b < bins; ++b) edges.push_back((static_cast<double>(b) + 0.5) / static_cast<double>(bins));
  Table table{.group = "saturation",
              .growing = "",
              .dims = {{.name = "case", .labels = labels},
                       {.name = "norm", .long_name = "middle of the bin", .values = edges},
                       {.name = "quantile", .values = {0.05, 0.5, 0.95}}}};
  table.constants = {{"density",
                      {"case", "norm"},
                      density,
                      "probability density of ||softmax(s X x_q)||_2; 1/sqrt(L) is even attention, 1 one position"},
                     {"norm_quantile", {"case", "quantile"}, quantiles, "quantiles of that norm"}};
  return {{std::move(table)}, lines};
}

}  // namespace

Study saturation_study() {
  auto settings = std::make_shared<Settings>();
  return {.settings = [settings](Fields& f) { settings->fields(f); },
          .run = [settings](const StudyContext& c) { return run(*settings, c); }};
}

}  // namespace saltus::icl_regression
