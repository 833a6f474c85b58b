#pragma once
#include <cstdint>

#include "data/drifting_regression.h"
#include "experiments/titans/model.h"

namespace saltus::titans {

/// What a token of the regression model holds: the sequence is x_1, y_1, x_2, y_2, ..., x_T, y_T, as in Garg et al.
/// (2022, arXiv 2208.01066).
enum class RegressionToken { x, y };

/// Records the model for `batch` sequences of DriftingRegression and returns the squared error over E y^2, averaged
/// over sequences, pairs and outputs: 1 for who answers 0. Tokens are x W_x and y W_y + b_y, b_y being what is left of
/// a y's size when the token is normalised; then the network of model.h, whose rows at x_t are the answers. So the
/// answer to x_t has seen t - 1 pairs.
///
/// Inputs: x [batch, pair, input], y [batch, pair, output].
/// Taps: predictions [batch, pair, output], and those of blocks.h, whose positions are the 2T tokens.
Var record_regression(Graph& graph, ParamStore& params, const ModelConfig& model, const DriftingRegressionConfig& task,
                      std::int64_t batch, Purpose purpose);

}  // namespace saltus::titans
