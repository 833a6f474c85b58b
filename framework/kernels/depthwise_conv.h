#pragma once
#include <cstdint>

namespace saltus::kernels {

/// One sequence of n rows, of `channels` elements each, and a convolution of every channel with `width` weights of its
/// own: w [width, channel], y [n, channel], x [n + width - 1, channel].
struct DepthwiseConv {
  std::int64_t n, width, channels;
};

/// y_t = sum_j w_j x_{t + j}
void depthwise_conv(const DepthwiseConv& size, const float* x, const float* w, float* y);
/// x_s = sum_j w_j y_{s - j}, over the rows that y has.
void depthwise_conv_transposed(const DepthwiseConv& size, const float* y, const float* w, float* x);
/// w_j = sum_t y_t x_{t + j}
void depthwise_conv_taps(const DepthwiseConv& size, const float* x, const float* y, float* w);

}  // namespace saltus::kernels
