#include "experiments/icl_regression/random_features/ridge_solve.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/check.h"
#include "kernels/gemm.h"

namespace saltus::icl_regression {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
constexpr Index rows_a_block = 256;

/// adds columns[j, i] += <left_i, right_j> for left rows [begin, end) and right rows [0, right_end): f32 rows of `size`
/// numbers.
void add_products(const float* left, Index begin, Index end, const float* right, Index right_end, Index size,
                  std::vector<float>& scratch, MatrixXd& columns) {
  scratch.resize(static_cast<std::size_t>((end - begin) * right_end));
  kernels::gemm({.trans_b = true,
                 .m = end - begin,
                 .n = right_end,
                 .k = size,
                 .a = left + begin * size,
                 .lda = size,
                 .b = right,
                 .ldb = size,
                 .c = scratch.data(),
                 .ldc = right_end});
  using Block = Eigen::Map<const Eigen::MatrixXf>;
  columns.block(0, begin, right_end, end - begin) += Block(scratch.data(), right_end, end - begin).cast<double>();
}

}  // namespace

DualRidge::DualRidge(const RandomFeatures& features, const Sequences& train, const Sequences& test)
    : gram_(MatrixXd::Zero(train.samples, train.samples)), cross_(MatrixXd::Zero(train.samples, test.samples)) {
  const Index n = train.samples;
  std::vector<float> train_part, test_part, scratch;
  for (int part = 0; part < features.parts(); ++part) {
    const Index size = features.part_size(part);
    train_part.resize(static_cast<std::size_t>(n * size));
    test_part.resize(static_cast<std::size_t>(test.samples * size));
    features.fill(train, part, train_part.data(), size);
    features.fill(test, part, test_part.data(), size);
    // Only what is on or above the diagonal of the Gram matrix is needed.
    for (Index row = 0; row < n; row += rows_a_block) {
      const Index end = std::min(n, row + rows_a_block);
      add_products(train_part.data(), row, end, train_part.data(), end, size, scratch, gram_);
    }
    for (Index row = 0; row < test.samples; row += rows_a_block) {
      add_products(test_part.data(), row, std::min<Index>(test.samples, row + rows_a_block), train_part.data(), n, size,
                   scratch, cross_);
    }
  }
  diagonal_ = gram_.diagonal();
}

void DualRidge::set_lambda(double lambda) {
  constexpr Index tile = 64;  // a transposition by tiles stays in the cache
  const Index n = gram_.rows();
  for (Index j = 0; j < n; j += tile) {
    for (Index i = j; i < n; i += tile) {
      for (Index b = j; b < std::min(n, j + tile); ++b) {
        for (Index a = std::max(i, b + 1); a < std::min(n, i + tile); ++a) gram_(a, b) = gram_(b, a);
      }
    }
  }
  gram_.diagonal() = diagonal_.array() + lambda;
  const Eigen::LLT<Eigen::Ref<MatrixXd>> in_place(gram_);  // writes on and below the diagonal alone
  check(in_place.info() == Eigen::Success,
        "the Gram matrix of {} samples with lambda {:g} is not positive definite: take a larger lambda", n, lambda);
}

MatrixXd DualRidge::fit(Index n, const MatrixXd& targets) const {
  const auto factor = gram_.topLeftCorner(n, n);
  MatrixXd alpha = targets.topRows(n);
  factor.triangularView<Eigen::Lower>().solveInPlace(alpha);
  factor.triangularView<Eigen::Lower>().adjoint().solveInPlace(alpha);
  return alpha;
}

MatrixXd DualRidge::on_train(const MatrixXd& alpha, Index first, Index count) const {
  check(first >= alpha.rows(), "sample {} took part in the fit on {} samples", first, alpha.rows());
  return gram_.block(0, first, alpha.rows(), count).transpose() * alpha;
}

MatrixXd DualRidge::on_test(const MatrixXd& alpha) const { return cross_.topRows(alpha.rows()).transpose() * alpha; }

PrimalRidge::Features PrimalRidge::all_features(const RandomFeatures& features, const Sequences& sequences) {
  Features out(sequences.samples, features.size());
  Index column = 0;
  for (int part = 0; part < features.parts(); ++part) {
    features.fill(sequences, part, out.data() + column, out.cols());
    column += features.part_size(part);
  }
  return out;
}

PrimalRidge::PrimalRidge(const RandomFeatures& features, const Sequences& train, const Sequences& test)
    : train_(all_features(features, train)), test_(all_features(features, test)) {}

double PrimalRidge::mean_square() const {
  return train_.cast<double>().squaredNorm() / static_cast<double>(train_.rows());
}

MatrixXd PrimalRidge::fit(Index n, const MatrixXd& targets) const {
  const Index size = train_.cols();
  MatrixXd moments = lambda_ * MatrixXd::Identity(size, size), sums = MatrixXd::Zero(size, targets.cols());
  Features product(size, size);
  for (Index row = 0; row < n; row += rows_a_block) {
    const auto block = train_.middleRows(row, std::min(rows_a_block, n - row));
    kernels::gemm({.trans_a = true,
                   .m = size,
                   .n = size,
                   .k = block.rows(),
                   .a = block.data(),
                   .lda = size,
                   .b = block.data(),
                   .ldb = size,
                   .c = product.data(),
                   .ldc = size});
    moments += product.cast<double>();
    sums += block.transpose().cast<double>() * targets.middleRows(row, block.rows());
  }
  const Eigen::LLT<MatrixXd> factor(moments);
  check(factor.info() == Eigen::Success,
        "the moments of {} features with lambda {:g} are not positive definite: take a larger lambda", size, lambda_);
  return factor.solve(sums);
}

MatrixXd PrimalRidge::on_train(const MatrixXd& v, Index first, Index count) const {
  return train_.middleRows(first, count).cast<double>() * v;
}

MatrixXd PrimalRidge::on_test(const MatrixXd& v) const { return test_.cast<double>() * v; }

namespace {

template <class Ridge>
RidgeRisks search_lambda(Ridge ridge, const MatrixXd& train_targets, const MatrixXd& test_targets,
                         const std::vector<std::int64_t>& n_train, const LambdaSearch& search) {
  const auto sizes = static_cast<Index>(n_train.size()), n_targets = train_targets.cols();
  RidgeRisks out{Eigen::ArrayXXd(sizes, n_targets), Eigen::ArrayXXd(sizes, n_targets)};
  Eigen::ArrayXXd best = Eigen::ArrayXXd::Constant(sizes, n_targets, std::numeric_limits<double>::infinity());
  const double unit = ridge.mean_square();
  for (const double lambda : search.grid) {
    ridge.set_lambda(lambda * unit);
    for (Index at = 0; at < sizes; ++at) {
      const Index n = n_train[static_cast<std::size_t>(at)];
      const Index kept = n - std::clamp<Index>(static_cast<Index>(search.held_out * static_cast<double>(n)), 1, n - 1);
      const MatrixXd held_out =
          ridge.on_train(ridge.fit(kept, train_targets), kept, n - kept) - train_targets.middleRows(kept, n - kept);
      const MatrixXd errors = ridge.on_test(ridge.fit(n, train_targets)) - test_targets;
      for (Index t = 0; t < n_targets; ++t) {
        const double score = held_out.col(t).squaredNorm();
        if (score >= best(at, t)) continue;
        best(at, t) = score;
        out.lambda(at, t) = lambda;
        out.test_risk(at, t) = errors.col(t).squaredNorm() / static_cast<double>(errors.rows());
      }
    }
  }
  return out;
}

/// Whether the multiplications of the dual form, which factors once a penalty, are fewer than those of the primal,
/// which does so for every fit.
bool dual_is_cheaper(double samples, double features, double fits, double penalties) {
  const double dual = samples * samples * (features + penalties * samples / 3);
  const double primal = fits * penalties * features * features * (samples + features / 3);
  return dual < primal;
}

}  // namespace

RidgeRisks ridge_risks(const RandomFeatures& features, const Sequences& train, const MatrixXd& train_targets,
                       const Sequences& test, const MatrixXd& test_targets, const std::vector<std::int64_t>& n_train,
                       const LambdaSearch& search) {
  check(!n_train.empty() && *std::min_element(n_train.begin(), n_train.end()) >= 2 &&
            *std::max_element(n_train.begin(), n_train.end()) <= train.samples,
        "n_train must lie between 2 and the {} training samples", train.samples);
  const bool dual = dual_is_cheaper(static_cast<double>(train.samples), static_cast<double>(features.size()),
                                    2 * static_cast<double>(n_train.size()), static_cast<double>(search.grid.size()));
  return dual ? search_lambda(DualRidge(features, train, test), train_targets, test_targets, n_train, search)
              : search_lambda(PrimalRidge(features, train, test), train_targets, test_targets, n_train, search);
}

}  // namespace saltus::icl_regression
