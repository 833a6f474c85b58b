#pragma once
#include "experiments/lama/model.h"

namespace saltus::lama {

/// What a pooling makes of texts.
struct Pooled {
  Var S;        // [batch, head, d_model]: the vectors that the classifier sees
  Var pattern;  // [head, batch, query, key]: weights of the words, each query's sum is 1; empty without attention
  Var penalty;  // scalar: mean over texts of |A A' - I|^2 (Frobenius); empty but for `structured`
};

/// The pooling of model.h: H [batch, length, d_model], the encoded words h_t, mask [batch, length]. Padding gets no
/// weight.
///
/// All but mean, max and transformer give every word a score f_tj a head j, and
///   A_j = softmax over words of f_j,  S = A H.
/// lama, lama_ctx (Mehta et al. 2019, arXiv 1912.00835, figure 1; `temperature` is ours): u_t = tanh(h_t W + b),
///   z_tj = sum over the rank columns i of head j of (c P)_i (u_t Q)_i,  f_t = l2norm(tanh z_t) / temperature,
///   l2norm(f) = f / sqrt(sum over heads of f^2 + 1e-16), left out with one head, whose sign alone it would leave;
///   P, Q [d_model, head x rank], head by head. lama: c is a parameter; lama_ctx: c is the mean of h_t over the text.
/// bilinear: the same with z_tj = c W_j u_t', which lama_ctx factorises, c as there, W [head, d_model, d_model].
/// han (Yang et al. 2016, section 2.2): f_t = u_t . w, one head.
/// structured (Lin et al. 2017, arXiv 1703.03130, eqs. 6 to 8): f_t = tanh(h_t W_s1) W_s2.
/// transformer: transformer.h. mean, max: over the text's words, S of one head.
Pooled pool(Graph& graph, ParamStore& params, const ModelConfig& model, Var H, Var mask);

/// Mean over a text's words of x [batch, length, d] -> [batch, d].
Var mean_of_words(Var x, Var mask);
/// 0 for a word and -1e9 for padding: what is added to scores before a softmax; the shape of mask.
Var padding_scores(Var mask);

}  // namespace saltus::lama
