#include "train/tables.h"

#include <fmt/format.h>

#include <algorithm>

namespace saltus {
namespace {

std::vector<Dim> layer_and_head(const Experiment& e) {
  return {{.name = "layer", .size = e.n_layers}, {.name = "head", .size = e.n_heads}};
}

/// "blocks.3.attn.W_Q" -> {3, "W_Q"}; layer -1 when the name is of another form.
std::pair<int, std::string> attention_weight(const std::string& name) {
  constexpr std::string_view begin = "blocks.", middle = ".attn.";
  const std::size_t dot = name.find(middle);
  if (!name.starts_with(begin) || dot == std::string::npos) return {-1, name};
  return {std::stoi(name.substr(begin.size(), dot - begin.size())), name.substr(dot + middle.size())};
}

/// A task field's values as a constant [probe, ...].
Constant probe_constant(const SampleField& field, int index, const Batch& probes) {
  std::vector<std::string> dims = {"probe"};
  dims.insert(dims.end(), field.dims.begin(), field.dims.end());
  const auto n = static_cast<std::size_t>(probes.size() * field.shape.size());
  if (field.dtype == DType::i32) {
    return {field.name, dims, std::vector<std::int32_t>(probes.i32(index), probes.i32(index) + n), "of the probe batch"};
  }
  return {field.name, dims, std::vector<float>(probes.f32(index), probes.f32(index) + n), "of the probe batch"};
}

void add_dim(std::vector<Dim>& dims, Dim dim) {
  const bool known = std::any_of(dims.begin(), dims.end(), [&](const Dim& d) { return d.name == dim.name; });
  if (!known) dims.push_back(std::move(dim));
}

}  // namespace

std::vector<std::string> add_dims(Table& table, const Measure& measure, std::vector<std::string> first) {
  for (const Dim& dim : measure.dims) {
    add_dim(table.dims, dim);
    first.push_back(dim.name);
  }
  return first;
}

Table train_table() {
  return {.group = "train",
          .variables = {{"loss", {}, ValueType::f64, "mean loss of the batches after the last row's, up to this step's"},
                        {"learning_rate", {}, ValueType::f64, "of this step"},
                        {"grad_norm", {}, ValueType::f64, "l2 norm of this step's gradient, before clipping"}}};
}

Table eval_table(const Experiment& e) {
  Table table{.group = "eval", .dims = {{.name = "evalset", .labels = e.task->eval_sets()}}, .variables = {}};
  for (const Measure& m : e.eval->measures()) table.variables.push_back({m.name, add_dims(table, m, {"evalset"}), ValueType::f64, m.long_name});
  return table;
}

Table progress_table(const Experiment& e) {
  Table table{.group = "progress", .dims = {}, .variables = {}};
  for (const Measure& m : e.progress->measures()) {
    table.variables.push_back({m.name, add_dims(table, m), ValueType::f64, fmt::format("{} (on test set {})", m.long_name, e.progress_set)});
  }
  return table;
}

Table events_table(const Experiment& e) {
  const std::string measure = e.headlines.empty() ? "" : e.headlines[0].set + " " + e.headlines[0].measure;
  const auto column = [&](const char* name, const std::string& meaning) { return Variable{name, {}, ValueType::f64, meaning}; };
  return {.group = "events",
          .growing = "event",
          .growing_long_name = "number of the jump",
          .growing_units = "",
          .variables = {column("step", "step at which " + measure + " was half-way through its jump"),
                        column("before", measure + " before the jump"), column("after", measure + " after the jump"),
                        column("size", "after - before"), column("step_10", "step by which 10% of the way was done"),
                        column("step_90", "step by which 90% of the way was done"), column("width", "step_90 - step_10"),
                        column("plateau_length", "steps up to step_10 within 10% of the jump's size from before"),
                        column("seen_at", "step of the evaluation that made it certain")}};
}

std::vector<StoredWeight> stored_weights(const ParamStore& params) {
  std::vector<StoredWeight> stored;
  for (const ParamSpec& spec : params.specs()) {
    const auto [layer, name] = attention_weight(spec.name);
    const auto found = std::find_if(stored.begin(), stored.end(), [&name = name](const StoredWeight& w) { return w.name == name; });
    if (layer >= 0 && found != stored.end()) {
      found->params.push_back(spec.name);
    } else {
      stored.push_back({name, {spec.name}});
    }
  }
  return stored;
}

Table weights_table(const ParamStore& params) {
  Table table{.group = "weights", .growing = "ckpt_step", .growing_long_name = "optimizer steps taken before the snapshot", .dims = {},
              .variables = {}, .chunk_rows = 1, .late_rows = true};
  for (const StoredWeight& weight : stored_weights(params)) {
    const ParamSpec& spec = params.spec(weight.params[0]);
    Variable variable{weight.name, spec.dims, ValueType::f32, {}};
    for (int i = 0; i < spec.shape.rank(); ++i) add_dim(table.dims, {.name = spec.dims[static_cast<std::size_t>(i)], .size = spec.shape[i]});
    if (attention_weight(weight.params[0]).first >= 0) {
      variable.dims.insert(variable.dims.begin(), "layer");
      add_dim(table.dims, {.name = "layer", .size = static_cast<std::int64_t>(weight.params.size())});
    }
    table.variables.push_back(std::move(variable));
  }
  return table;
}

std::vector<std::vector<float>> weights_row(const ParamStore& params) {
  std::vector<std::vector<float>> row;
  for (const StoredWeight& weight : stored_weights(params)) {
    std::vector<float>& values = row.emplace_back();
    for (const std::string& name : weight.params) {
      const std::span<const float> view = params.view(name);
      values.insert(values.end(), view.begin(), view.end());
    }
  }
  return row;
}

Table attention_table(const Experiment& e, const Batch& probes, const PatternSize& size, const Shape& output) {
  Table table{.group = "attention", .growing = "ckpt_step", .growing_long_name = "optimizer steps taken before the snapshot",
              .dims = {{.name = "probe", .size = probes.size()}}, .variables = {}, .chunk_rows = 1, .late_rows = true};
  if (e.n_layers > 0) {
    for (Dim& dim : layer_and_head(e)) table.dims.push_back(std::move(dim));
    table.dims.push_back({.name = "query", .size = size.queries});
    table.dims.push_back({.name = "key", .size = size.keys});
    table.variables.push_back({"pattern", {"probe", "layer", "head", "query", "key"}, ValueType::f32, "attention of query to key"});
  }
  std::vector<std::string> dims = {"probe"};
  for (int axis = 1; axis < output.rank(); ++axis) {
    dims.push_back(e.output.dims.at(static_cast<std::size_t>(axis - 1)));
    add_dim(table.dims, {.name = dims.back(), .size = output[axis]});
  }
  table.variables.push_back({e.output.tap, dims, ValueType::f32, e.output.long_name});
  const std::vector<SampleField> fields = e.task->fields();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    for (int axis = 0; axis < fields[i].shape.rank(); ++axis) {
      add_dim(table.dims, {.name = fields[i].dims[static_cast<std::size_t>(axis)], .size = fields[i].shape[axis]});
    }
    table.constants.push_back(probe_constant(fields[i], static_cast<int>(i), probes));
  }
  return table;
}

std::vector<float> attention_row(const Experiment& e, std::span<const float* const> patterns, std::int64_t probes, const PatternSize& size) {
  const std::int64_t map = size.queries * size.keys;
  std::vector<float> row;
  row.reserve(static_cast<std::size_t>(probes * e.n_layers * e.n_heads * map));
  for (std::int64_t probe = 0; probe < probes; ++probe) {
    for (int layer = 0; layer < e.n_layers; ++layer) {
      for (int head = 0; head < e.n_heads; ++head) {
        const float* from = patterns[static_cast<std::size_t>(layer)] + (head * probes + probe) * map;
        row.insert(row.end(), from, from + map);
      }
    }
  }
  return row;
}

Table references_table(const Experiment& e, std::int64_t samples, ThreadPool& pool) {
  const std::vector<Chunk> chunks = chunks_of(*e.task, samples);
  const SetMeans means = e.references ? reference_means(e, chunks, pool) : SetMeans{};
  Table table{.group = "references", .growing = "", .dims = {{.name = "evalset", .labels = e.task->eval_sets()}}};
  std::size_t at = 0;
  for (const Measure& m : e.references ? e.references->measures() : std::vector<Measure>{}) {
    const auto n = static_cast<std::size_t>(m.size());
    const auto over_sets = [&](const std::vector<std::vector<double>>& by_set) {
      std::vector<double> all;
      for (const std::vector<double>& set : by_set) all.insert(all.end(), set.begin() + static_cast<std::ptrdiff_t>(at), set.begin() + static_cast<std::ptrdiff_t>(at + n));
      return all;
    };
    const std::vector<std::string> dims = add_dims(table, m, {"evalset"});
    table.constants.push_back({m.name, dims, over_sets(means.mean), m.long_name});
    table.constants.push_back({m.name + "_standard_error", dims, over_sets(means.error), "of " + m.name});
    at += n;
  }
  for (const Experiment::Fact& fact : e.facts) {
    table.constants.push_back({fact.measure.name, add_dims(table, fact.measure), fact.values, fact.measure.long_name});
  }
  return table;
}

}  // namespace saltus
