#include "ops/ops.h"

namespace saltus {

extern const OpDef affine_op, exp_op, log_op, sqrt_op, tanh_op, sigmoid_op, relu_op, silu_op, silu_grad_op, detach_op, again_op;
extern const OpDef add_op, sub_op, mul_op, div_op, gate_op;
extern const OpDef reshape_op, permute_op, broadcast_to_op, slice_op, slice_view_op, pad_op, concat_op;
extern const OpDef sum_op, matmul_op, take_op, scatter_add_op, one_hot_op, softmax_op, softmax_grad_op, log_softmax_op;
extern const OpDef softmax_cross_entropy_op, layer_norm_op, rms_norm_op, query_attention_op, query_attention_grad_op;
extern const OpDef dropout_op, gru_op, gru_states_op, gru_grad_op, embedded_gru_op, embedded_gru_states_op, embedded_gru_grad_op;
extern const OpDef causal_dots_op, causal_apply_op, causal_apply_transposed_op, one_hot_matmul_op, one_hot_matmul_grad_op;
extern const OpDef depthwise_conv_op, depthwise_conv_transposed_op, depthwise_conv_taps_op;

std::span<const OpDef* const> all_ops() {
  static constexpr const OpDef* table[] = {
      &affine_op,  &exp_op,         &log_op,           &sqrt_op,  &tanh_op,       &sigmoid_op, &relu_op,   &silu_op,
      &detach_op,  &again_op,       &silu_grad_op,     &add_op,   &sub_op,        &mul_op,     &div_op,    &gate_op,
      &reshape_op, &permute_op,     &slice_op,         &slice_view_op,
      &pad_op,     &concat_op,      &broadcast_to_op,  &sum_op,   &matmul_op,     &take_op,    &one_hot_op, &scatter_add_op,
      &softmax_op, &log_softmax_op, &softmax_cross_entropy_op,    &layer_norm_op, &rms_norm_op,
      &query_attention_op,          &query_attention_grad_op,
      &dropout_op, &gru_op,         &gru_states_op,    &gru_grad_op,
      &embedded_gru_op,             &embedded_gru_states_op,      &embedded_gru_grad_op,
      &causal_dots_op,              &causal_apply_op,             &causal_apply_transposed_op,
      &one_hot_matmul_op,           &one_hot_matmul_grad_op,      &softmax_grad_op,
      &depthwise_conv_op,           &depthwise_conv_transposed_op, &depthwise_conv_taps_op};
  return table;
}

}  // namespace saltus
