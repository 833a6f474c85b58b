#include "nn/carry.h"

#include "core/check.h"
#include "ops/ops.h"

namespace saltus {
namespace {

/// x in an array as large as `like`, repeated along the first axis.
Var repeated(Var x, Var like) {
  const Shape &from = x.shape(), &to = like.shape();
  if (from == to) return x;
  check(from.rank() == to.rank() && to[0] % from[0] == 0 && from.with(0, to[0]) == to,
        "carry: what came before ended as {}, of which {} cannot be made by repetition", from.str(), to.str());
  return reshape(broadcast_to(x, from.inserted(0, to[0] / from[0])), to);
}

}  // namespace

Var Carry::begin(const std::string& name, Var initial) {
  const bool in_parts = whole_ && !before_;
  if (const auto last = ended_.find(name); in_parts && last != ended_.end()) return last->second;
  if (before_) {
    const auto found = before_->ended_.find(name);
    check(found != before_->ended_.end(), "carry: '{}' was not carried by what came before", name);
    initial = repeated(found->second, initial);
  }
  check(initial_.emplace(name, initial).second, "carry: '{}' begins twice", name);
  if (whole_) return whole_->begin(name, initial);
  return mode_ == Mode::whole_sequence ? initial : initial.graph->input("carry." + name, initial.shape());
}

void Carry::end(const std::string& name, Var value) {
  const auto found = initial_.find(name);
  check(found != initial_.end(), "carry: '{}' ends without having begun", name);
  check(found->second.shape() == value.shape(), "carry: '{}' begins as {} and ends as {}", name,
        found->second.shape().str(), value.shape().str());
  ended_[name] = value;
  if (before_) return whole_->end(name, value);
  if (whole_ || mode_ == Mode::whole_sequence) return;
  const Scope outermost(*value.graph,
                        value.graph->constant(0).id);  // the tap's name is the same wherever it is recorded
  value.graph->tap("carry." + name, value);
}

void Carry::join() {
  for (const auto& [name, value] : ended_) whole_->end(name, value);
}

}  // namespace saltus
