#include <fmt/format.h>

#include "graph/plan.h"

namespace saltus {
namespace {

/// "1.2 K", "3.4 M"
std::string scaled(double x) {
  constexpr const char* suffix[] = {"", " K", " M", " G", " T"};
  int i = 0;
  for (; x >= 1000 && i < 4; ++i) x /= 1000;
  return i == 0 ? fmt::format("{:.0f}", x) : fmt::format("{:.1f}{}", x, suffix[i]);
}

}  // namespace

std::string print(const Plan& plan) {
  // A value is called by the instruction that made it; anything else is a leaf's memory.
  std::map<const void*, int> maker;
  std::string text = fmt::format("{:>4}  {:<22} {:<18} {:<44} {:>9} {:>9}\n", "", "op", "output", "inputs", "bytes", "flops");
  double flops = 0, bytes = 0;
  int at = 0;
  for (const Instruction& ins : plan.instructions()) {
    std::string inputs;
    for (const Operand& in : ins.in) {
      const auto made = maker.find(in.data);
      inputs += fmt::format("{}{}{}", inputs.empty() ? "" : ", ", made == maker.end() ? "" : fmt::format("%{} ", made->second), in.shape->str());
    }
    text += fmt::format("%{:<4} {:<22} {:<18} {:<44} {:>9} {:>9}  {}\n", at, ins.op ? ins.op->name : "copy", ins.out.shape->str(), inputs,
                        scaled(ins.bytes), scaled(ins.flops), ins.scope);
    maker[ins.out.data] = at++;
    flops += ins.flops;
    bytes += ins.bytes;
  }
  text += fmt::format("{} instructions, {}FLOP, {}B moved, arena {}B\n", at, scaled(flops), scaled(bytes),
                      scaled(static_cast<double>(plan.arena_bytes())));
  return text;
}

}  // namespace saltus
