#pragma once
#include <span>
#include <vector>

#include "experiments/icl_regression/circuits.h"

namespace saltus::icl_regression {

/// How the attention over L context positions answers to small scores s: p_l = (1 + slope (s_l - mean s)) / L, or, not
/// centred, p_l = slope s_l / L.
struct Linearisation {
  /// C_f of weights f(s_l) / sum_j f(s_j) with f(s) = f(0) (1 + C_f s + ...): 1 for softmax.
  double slope = 1;
  /// Normalised weights are centred, which is what debiases the descent; linear attention's are not.
  bool centred = true;
};

/// The context's correlations [task, input]: 1/L sum_l y_nl (x_l - xbar), or with xbar = 0 where not `centred`.
/// tokens [feature = d+N, position = L+1], the query last.
std::vector<double> context_gradient(const float* tokens, std::int64_t input_dim, std::int64_t n_tasks,
                                     std::int64_t n_context, bool centred);

/// One step of gradient descent from zero on the context's squared error, with preconditioners W:
///   yhat_n = sum_m 1/L sum_l y_ml (x_l - xbar)' W_nm x_q
/// Debiased GD of He et al. 2025, section 4, when the gradient is centred, else GD. W_nn = eta I is the plain learning
/// rate eta. Blocks W_nm with m != n are zero unless a task's answer draws on another task's labels.
struct Descent {
  std::int64_t input_dim = 0, n_tasks = 1;
  std::vector<double> weights;  // W [task (answer), label (task m), input (key), input (query)]

  Descent(std::int64_t inputs, std::int64_t tasks)
      : input_dim(inputs), n_tasks(tasks), weights(static_cast<std::size_t>(tasks * tasks * inputs * inputs), 0) {}
  /// W_nm [input (key), input (query)].
  std::span<double> block(std::int64_t task, std::int64_t label);
  std::span<const double> block(std::int64_t task, std::int64_t label) const;
  /// Answers [task]; gradient [task, input] from context_gradient, query [input].
  std::vector<double> predict(std::span<const double> gradient, std::span<const double> query) const;
};

/// What the heads are to first order in their scores: W_nm = slope sum_h ov^h[n, d+m] M_h, with M_h kq's first d rows
/// and columns. Holds up to the multiple sum_h ov^h[n, d+m] of the labels' mean, which a zero sum removes.
Descent linearised(const Circuits& circuits, double slope = 1);

/// The multiple of `direction` nearest to `w` in least squares: <w, direction> / <direction, direction>; 0 for a zero
/// direction.
double closest_multiple(std::span<const double> w, std::span<const double> direction);

}  // namespace saltus::icl_regression
