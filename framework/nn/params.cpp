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

}  // namespace

Var ParamStore::declare(Graph& graph, std::string_view name, Shape shape, std::vector<std::string> dims, Init init) {
  const auto found = std::find_if(specs_.begin(), specs_.end(), [&](const ParamSpec& s) { return s.name == name; });
  if (found == specs_.end()) {
    check(!initialised_, "parameter '{}' is declared after initialisation", name);
    check(static_cast<int>(dims.size()) == shape.rank(), "parameter '{}' has {} axes but {} axis names", name, shape.rank(), dims.size());
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
  for (const ParamSpec& s : specs_) {
    const std::span<float> to = view(s.name);
    if (s.init.std != 0) {
      fill_normal(rng, {.sample = hash(s.name)}, to);
      for (float& x : to) x *= static_cast<float>(s.init.std);
    } else {
      std::fill(to.begin(), to.end(), static_cast<float>(s.init.value));
    }
  }
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
