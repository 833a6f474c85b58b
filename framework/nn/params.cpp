#include "nn/params.h"

#include <algorithm>

#include "core/check.h"
#include "kernels/random.h"

namespace saltus {
namespace {

/// FNV-1a: names to the stream's sample axis.
std::uint32_t hash(std::string_view text) {
  std::uint32_t h = 2166136261u;
  for (char c : text) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
  return h;
}

/// Writes a [..., rows, columns] array as Init::identity or Init::opposed_identity says.
void fill_identity(const Init& init, const Shape& shape, std::span<float> to) {
  const std::int64_t rows = shape[-2], columns = shape[-1], matrices = rows * columns > 0 ? shape.size() / (rows * columns) : 0;
  const std::int64_t positive = init.law == Init::Law::identity ? matrices : (shape[0] + 1) / 2;
  std::fill(to.begin(), to.end(), 0.0f);
  for (std::int64_t m = 0; m < matrices; ++m) {
    for (std::int64_t i = 0; i < std::min(rows, columns); ++i) {
      to[static_cast<std::size_t>((m * rows + i) * columns + i)] = static_cast<float>(m < positive ? init.scale : -init.scale);
    }
  }
}

void fill(const Init& init, const Shape& shape, const Rng& rng, Draw draw, std::span<float> to) {
  const auto scale = static_cast<float>(init.scale);
  switch (init.law) {
    case Init::Law::constant: std::fill(to.begin(), to.end(), scale); break;
    case Init::Law::normal:
      fill_normal(rng, draw, to);
      for (float& x : to) x *= scale;
      break;
    case Init::Law::uniform:
      fill_uniform(rng, draw, to);
      for (float& x : to) x = (2 * x - 1) * scale;
      break;
    case Init::Law::identity:
    case Init::Law::opposed_identity: fill_identity(init, shape, to); break;
  }
}

}  // namespace

Var ParamStore::declare(Graph& graph, std::string_view name, Shape shape, std::vector<std::string> dims, Init init) {
  const auto found = std::find_if(specs_.begin(), specs_.end(), [&](const ParamSpec& s) { return s.name == name; });
  if (found == specs_.end()) {
    check(!initialised_, "parameter '{}' is declared after initialisation", name);
    check(static_cast<int>(dims.size()) == shape.rank(), "parameter '{}' has {} axes but {} axis names", name, shape.rank(), dims.size());
    const bool fits = (init.law != Init::Law::identity || shape.rank() >= 2) && (init.law != Init::Law::opposed_identity || shape.rank() == 3);
    check(fits, "parameter '{}' cannot start as an identity: its shape is {}", name, shape.str());
    specs_.push_back({std::string(name), shape, std::move(dims), init, block_size_});
    block_size_ += static_cast<std::int64_t>(aligned(static_cast<std::size_t>(shape.size()) * 4) / 4);
  } else {
    check(found->shape == shape, "parameter '{}' is declared as {} and as {}", name, found->shape.str(), shape.str());
  }
  return graph.param(std::string(name), shape);
}

void ParamStore::initialise(const Rng& rng) {
  values_ = AlignedBlock(static_cast<std::size_t>(block_size_) * 4);
  initialised_ = true;
  for (const ParamSpec& s : specs_) fill(s.init, s.shape, rng, {.sample = hash(s.name)}, view(s.name));
}

const ParamSpec& ParamStore::spec(std::string_view name) const {
  const auto found = std::find_if(specs_.begin(), specs_.end(), [&](const ParamSpec& s) { return s.name == name; });
  check(found != specs_.end(), "no parameter '{}'", name);
  return *found;
}

std::int64_t ParamStore::count() const {
  std::int64_t n = 0;
  for (const ParamSpec& s : specs_) n += s.shape.size();
  return n;
}

std::span<float> ParamStore::view(std::string_view name) {
  const ParamSpec& s = spec(name);
  return {values_.floats() + s.offset, static_cast<std::size_t>(s.shape.size())};
}

std::span<const float> ParamStore::view(std::string_view name) const {
  const ParamSpec& s = spec(name);
  return {values_.floats() + s.offset, static_cast<std::size_t>(s.shape.size())};
}

}  // namespace saltus
