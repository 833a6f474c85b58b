#pragma once
#include <map>
#include <string>

#include "graph/graph.h"

namespace saltus {

/// What a recurrent model hands from one stretch of a sequence to the next. Recording a whole sequence, every carried
/// value is its initial one. Recording one stretch of a stream, it is the graph input "carry.<name>", and what comes
/// out at the end is the tap "carry.<name>": whoever runs the plan copies the taps to the inputs between stretches.
class Carry {
 public:
  enum class Mode { whole_sequence, stretch };
  explicit Carry(Mode mode = Mode::whole_sequence) : mode_(mode) {}
  Carry(const Carry&) = delete;
  Carry& operator=(const Carry&) = delete;

  /// For what is recorded in parts, one after another by the same code: a value begins a part where it ended the one
  /// before, and the first where `whole` says. join() then ends every value in `whole`, which must outlive this.
  static Carry in_parts(Carry& whole) { return Carry(whole, nullptr); }
  void join();
  /// For what follows something that is the same for all sequences, recorded with `before`: the initial values of
  /// `whole` are those that ended it, again and again where it was recorded for fewer rows. `whole` must outlive this.
  static Carry after(const Carry& before, Carry& whole) { return Carry(whole, &before); }

  Mode mode() const { return mode_; }
  /// The value at the beginning of this recording; `initial` is what it is at the beginning of the sequence.
  Var begin(const std::string& name, Var initial);
  /// The value at the end of this recording; of the same shape.
  void end(const std::string& name, Var value);
  /// Of every carried value, its initial one: what a stream starts from.
  const std::map<std::string, Var>& initial() const { return initial_; }

 private:
  Carry(Carry& whole, const Carry* before) : mode_(whole.mode_), whole_(&whole), before_(before) {}

  Mode mode_;
  Carry* whole_ = nullptr;
  const Carry* before_ = nullptr;
  std::map<std::string, Var> initial_, ended_;
};

}  // namespace saltus
