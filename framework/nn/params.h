#pragma once
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/arena.h"
#include "core/rng.h"
#include "graph/graph.h"

namespace saltus {

/// How a parameter starts.
struct Init {
  enum class Law { constant, normal, uniform, identity, opposed_identity };
  Law law = Law::constant;
  double scale = 0;

  /// Every element is `value`.
  static Init constant(double value) { return {Law::constant, value}; }
  /// Every element independently normal with mean 0.
  static Init normal(double std) { return {Law::normal, std}; }
  /// Every element independently uniform in [-bound, bound). With bound = 1 / sqrt(fan in): PyTorch's nn.Linear.
  static Init uniform(double bound) { return {Law::uniform, bound}; }
  /// `scale` on the diagonal of the last two axes, which may differ in length; 0 elsewhere.
  static Init identity(double scale) { return {Law::identity, scale}; }
  /// As identity, of a [head, row, column] array, with -scale for the second half of the heads; a middle one is positive.
  static Init opposed_identity(double scale) { return {Law::opposed_identity, scale}; }
};

/// One named parameter: a view of the flat block.
struct ParamSpec {
  std::string name;                // "blocks.0.attn.W_Q"
  Shape shape;
  std::vector<std::string> dims;   // the axes' names, as run.h5 shows them
  Init init;
  std::int64_t offset;             // in floats, from the block's start; a multiple of 16
};

/// All parameters of a model as one flat block with named views, so that an optimizer is one loop and a checkpoint one write.
/// Gradients and optimizer moments are blocks of the same layout. The gaps that alignment leaves hold zeros.
class ParamStore {
 public:
  /// Declares a parameter and gives it to the graph being recorded. Recording the same model again (for another batch size or
  /// purpose) finds the parameter that is there; another shape under the same name throws.
  Var declare(Graph& graph, std::string_view name, Shape shape, std::vector<std::string> dims, Init init);

  /// Allocates the block and draws every parameter: its numbers depend on the seed and on its own name only, so that adding or
  /// resizing one leaves the others as they were. Nothing can be declared afterwards.
  void initialise(const Rng& rng);

  const std::deque<ParamSpec>& specs() const { return specs_; }
  const ParamSpec& spec(std::string_view name) const;
  /// Number of parameters, gaps not counted.
  std::int64_t count() const;
  /// Floats in the flat block, gaps included.
  std::int64_t block_size() const { return block_size_; }

  float* values() { return values_.floats(); }
  const float* values() const { return values_.floats(); }
  std::span<float> view(std::string_view name);
  std::span<const float> view(std::string_view name) const;
  /// The view's place in another block of the same layout.
  float* in_block(std::string_view name, float* block) const { return block + spec(name).offset; }

 private:
  std::deque<ParamSpec> specs_;
  std::int64_t block_size_ = 0;
  AlignedBlock values_;
  bool initialised_ = false;
};

}  // namespace saltus
