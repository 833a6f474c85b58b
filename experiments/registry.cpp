#include "experiments/registry.h"

#include "experiments/icl_classification/phenomenology/studies.h"
#include "experiments/icl_classification/system.h"
#include "experiments/icl_regression/random_features/study.h"
#include "experiments/icl_regression/studies.h"
#include "experiments/icl_regression/system.h"
#include "experiments/lama/studies/cost.h"
#include "experiments/lama/system.h"
#include "experiments/markov_chains/system.h"
#include "experiments/titans/system.h"

namespace saltus {

SystemTable systems() {
  static constexpr SystemEntry table[] = {
      {"icl_classification", "abrupt learning of an induction head in a two-layer attention-only network (Reddy 2024)", icl_classification::system},
      {"icl_minimal", "the same task by an induction head of three numbers and a classifier (Reddy 2024)", icl_classification::minimal_system},
      {"icl_split", "binary labels by an MLP that memorises plus attention that copies (Nguyen & Reddy 2024)", icl_classification::split_system},
      {"icl_regression", "one layer of attention on in-context linear regression (He et al. 2025)", icl_regression::system},
      {"icl_regression_deep", "a decoder of several layers on in-context linear regression (Garg et al. 2022)", icl_regression::deep_system},
      {"titans_recall", "multi-query associative recall by memories that learn at test time and their rivals (Behrouz et al. 2024)", titans::recall_system},
      {"titans_needle", "a key and its value in filler, by the same models", titans::needle_system},
      {"titans_copy", "selective copying, by the same models", titans::copy_system},
      {"titans_tracking", "parity and permutations, by the same models", titans::tracking_system},
      {"titans_regression", "regression in context on coefficients that drift, by the same models", titans::regression_system},
      {"lama", "text classification by low-rank multi-head attention over a GRU (Mehta et al. 2019) and its rivals", lama::system},
      {"markov_chains", "Markov chains in context: from unigrams to bigrams (Edelman et al. 2024)", markov_chains::system},
  };
  return table;
}

StudyTable studies() {
  static constexpr StudyEntry table[] = {
      {"icl_classification.landscape", "the loss of three nested logits over (xi, alpha), with gradient flow on it (Reddy 2024)", icl_classification::landscape_study},
      {"icl_classification.trajectories", "the three logits and their progress measures against time, of named cases", icl_classification::trajectories_study},
      {"icl_classification.transition_times", "when the three logits jump, against the number of pairs: exponents and asymptotes", icl_classification::transition_times_study},
      {"icl_regression.flow", "the reduced dynamics of omega and mu: sign matching, zero sum, homogeneity", icl_regression::flow_study},
      {"icl_regression.loss_surface", "the loss of two heads over (omega, mu) against its approximation", icl_regression::loss_surface_study},
      {"icl_regression.saddle_flow", "linear attention's descent from saddle to saddle (Y. Zhang et al. 2025)", icl_regression::saddle_flow_study},
      {"icl_regression.estimators", "risks of two heads, gradient descent, one head and ridge against context length", icl_regression::estimators_study},
      {"icl_regression.random_features", "random-feature attention against a random-feature MLP: test risk and sample size (Fu et al. 2023)",
       icl_regression::random_features_study},
      {"icl_regression.saturation", "how concentrated attention is: norms of softmax(s X x_q)", icl_regression::saturation_study},
      {"lama.cost", "what low-rank multi-head attention and its rivals cost: parameters against heads, time of inference against length", lama::cost_study},
  };
  return table;
}

}  // namespace saltus
