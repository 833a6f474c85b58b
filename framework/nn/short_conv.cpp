#include "nn/short_conv.h"

#include "core/check.h"

namespace saltus {

Var short_conv(Var x, Var weight, Carry& carry, const std::string& name) {
  const std::int64_t n = x.shape()[1], channels = x.shape()[2], width = weight.shape()[1];
  check(weight.shape()[0] == channels, "short_conv: weights {} for {} channels", weight.shape().str(), channels);
  const Var taps = permute(weight, {1, 0});  // [width, channel]
  if (width == 1) return x * reshape(taps, {channels});
  const Var nothing = broadcast_to(x.graph->constant(0), x.shape().with(1, width - 1));
  const Var inputs = concat({carry.begin(name, nothing), x}, 1);  // [batch, width - 1 + position, channel]
  carry.end(name, slice(inputs, 1, n, n + width - 1));
  return depthwise_conv(inputs, taps);
}

}  // namespace saltus
