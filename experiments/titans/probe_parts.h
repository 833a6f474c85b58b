#pragma once
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "experiments/titans/model.h"
#include "probes/probe.h"

/// What the probes of this folder share.
namespace saltus::titans {

using Tap = std::function<TapValue(const std::string&)>;

constexpr std::int64_t n_roles = 4;

/// "blocks.{layer}.mixer.{what}"; and all of them, layer by layer.
std::string tap_name(std::int64_t layer, const char* what);
std::vector<std::string> of_all_layers(std::int64_t n_layers, std::initializer_list<const char*> what);

/// The axes layer, head, and role (TokenRole).
Dim layers(const ModelConfig& model);
Dim heads(const ModelConfig& model);
Dim roles();
/// An axis of counts: 0, 1, 2, 3..4, 5..8, ... up to the bin that holds `largest`, by their upper ends; and a count's
/// place on it.
Dim bins(const char* name, std::int64_t largest, const char* long_name);
std::size_t bin_of(std::int64_t count);

/// A tap [batch, head, ...] at one sequence and head.
const float* at(const TapValue& tap, std::int64_t b, std::int64_t h);
double mean(const float* x, std::int64_t n);
/// Means of x [position] over the tokens of each role; nan for a role without tokens. `roles` [position].
std::vector<double> by_role(const std::int32_t* roles, std::int64_t length, const float* x);

/// Where a measure's numbers lie in `sums`, which holds those of `measures` one after another.
std::span<double> of_measure(const std::vector<Measure>& measures, const char* name, std::span<double> sums);

}  // namespace saltus::titans
