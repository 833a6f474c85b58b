#pragma once
#include <optional>
#include <span>
#include <vector>

#include "experiments/icl_classification/phenomenology/nested_logits.h"
#include "study/ode.h"

namespace saltus::icl_classification {

/// A start, and how fast each scalar descends the loss: d logits_i / dt = -rate_i d loss / d logits_i. A rate of 0
/// holds its scalar where it starts. With rates of 1 this is gradient flow: one unit of time is an update of learning
/// rates that sum to 1.
struct Descent {
  Logits start = Logits::Zero();
  Logits rates = Logits::Ones();

  /// Six keys: xi, alpha, beta_1 and xi_rate, alpha_rate, beta_1_rate.
  void fields(Fields& f);
};

/// A recorded solution, one entry a time.
struct NestedFlow {
  std::vector<double> times;
  std::vector<Logits> logits;
};

/// Solved at `times`, which rise from 0.
NestedFlow nested_flow(const NestedLogits& model, const Descent& descent, std::span<const double> times,
                       const OdeTolerance& tolerance = {});

/// When the model gets the right label, told by the probability P+ that it gives to it.
struct Transition {
  /// t*: P+ reaches (1 + 1/N) / 2, half-way from a guess among the context's labels to certainty. Infinity where the
  /// start does not move at all; nan where it does but t* is not reached by the time asked for.
  double time;
  Logits logits;  // then; nan without a finite time
  /// P+ reaches 1/N, the most that a guess among the context's labels can have: from here on it tells them apart. nan
  /// where L = N, where every guess is of the context.
  double onset;
  Logits at_onset;
};
Transition transition(const NestedLogits& model, const Descent& descent, double last_time,
                      const OdeTolerance& tolerance = {});

/// t* to leading order in N at a fixed small share or number L - N and a fixed M / N, for positive rates and a start
/// with xi, alpha >= 0 and beta_1 of order 1. Before the jump xi << N and p << 1, so p = e^beta_1 / M and the attention
/// is even, and the flow is, with k = L - N and S = 1 + c / N,
///   xi' = r_xi (k / N + alpha e^beta_1 / M) / (L S),  alpha' = r_alpha xi e^beta_1 / (M N S),
///   beta_1' = r_beta_1 xi alpha e^beta_1 / (M N S).
/// Then beta_1 - r_beta_1 alpha^2 / (2 r_alpha) is conserved, xi^2 is an integral over alpha, and so is the time at
/// which alpha leaves for infinity; what follows lasts o(t*):
///   t* = (M N S / r_alpha) integral of e^-beta_1 / xi d alpha.
/// From the origin with M = N, c = 0 and equal rates that is
///   t* = N^(3/2) L^(1/2) I(L - N),  I(k) = integral_0^inf e^(-a^2/2) / sqrt(k sqrt(2 pi) erf(a / sqrt(2)) + a^2) da,
/// that is (2 pi)^(1/4) N^(3/2) / sqrt(1 - N/L) for L - N >> 1, and I(1) N^2 for L = N + 1. Infinity at the origin with
/// L = N; nan outside what is assumed here, and with per_position.
double asymptotic_transition_time(const NestedLogits& model, const Descent& descent);

}  // namespace saltus::icl_classification
