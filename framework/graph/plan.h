#pragma once
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/arena.h"
#include "graph/graph.h"

namespace saltus {

/// One kernel call of a plan, every pointer resolved.
struct Instruction {
  const OpDef* op;  // null for a copy to an output's destination
  void (*kernel)(const KernelArgs<float>&);
  std::vector<Operand> in;
  Operand out;
  Attrs attrs;
  std::string scope;
  double flops;  // the op's own count
  double bytes;  // operands read and output written, once each
  struct Range {
    std::size_t offset, bytes;
  };
  std::vector<Range> dying;  // arena memory that nothing reads after this instruction
};

/// A recorded graph compiled for one set of shapes: only what the outputs need, equal nodes computed once, a flat list of kernel
/// calls over one arena whose memory is reused as values die. run() does nothing else: no allocation, no look-up, no branch.
class Plan {
 public:
  struct Output {
    Var value;
    float* to = nullptr;  // where to leave it; null: in the plan's own memory
  };
  /// Gives the memory of a parameter, which stays where it is for the plan's life.
  using ParamLookup = std::function<float*(const std::string& name, const Shape& shape)>;

  /// Throws Error listing every op that has no kernel. With `scratch` the plan keeps what one run needs in memory that other plans use too:
  /// its outputs are valid until any of them runs. A block that is too small is refused: compile the largest plan first.
  Plan(const Graph& graph, std::span<const Output> outputs, const ParamLookup& params, std::shared_ptr<AlignedBlock> scratch = nullptr);

  void run() const;
  /// run() over an arena filled with NaN, where memory is filled with NaN again as soon as its value is dead: a value that depends
  /// on memory it does not own comes out as NaN.
  void run_poisoned();
  /// Runs again and describes the first value that is not finite, "matmul in blocks.0.attn makes nan at element 3 of [32, 128]"; empty when
  /// all are. For reports of divergence.
  std::string first_nonfinite() const;

  /// The memory of an input (f32 or i32), to be written before run(); null when the outputs do not depend on it.
  void* input(std::string_view name) const;
  /// Output i, valid until the next run().
  const float* output(std::size_t i) const { return static_cast<const float*>(outputs_[i]); }

  std::span<const Instruction> instructions() const { return instructions_; }
  std::size_t arena_bytes() const { return scratch_begin_ + scratch_bytes_; }
  const std::shared_ptr<AlignedBlock>& scratch() const { return scratch_; }

 private:
  struct Compiler;

  std::byte* in_arena(std::size_t offset) const { return offset < scratch_begin_ ? lasting_.data() + offset : scratch_->data() + (offset - scratch_begin_); }

  // The arena in two blocks: inputs and constants, which live from run to run, and from scratch_begin_ on what lives within one.
  AlignedBlock lasting_;
  std::shared_ptr<AlignedBlock> scratch_;
  std::size_t scratch_begin_ = 0, scratch_bytes_ = 0;
  std::vector<Instruction> instructions_;
  std::map<std::string, void*, std::less<>> inputs_;
  std::vector<void*> outputs_;
  std::vector<std::unique_ptr<Shape>> shapes_;  // operands point here
};

/// The instruction list as a table: operands, shapes, bytes and flops, and the totals; the data flow of a step on one page.
std::string print(const Plan& plan);

}  // namespace saltus
