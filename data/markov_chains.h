#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/fields.h"
#include "core/rng.h"
#include "data/dirichlet.h"
#include "data/task.h"

namespace saltus {

/// The knobs of MarkovChains; data/README.md explains the task.
struct MarkovChainsConfig {
  std::int64_t states = 3;
  std::int64_t order = 1;
  std::int64_t length = 100;
  double concentration = 1;
  std::string rows = "dirichlet";
  std::string start = "stationary";
  std::optional<double> shifted_concentration = 0.2;

  void fields(Fields& f);

  /// What the next state depends on: the last `order` states. states^order of them.
  std::int64_t contexts() const { return order == 1 ? states : states * states; }
  /// Whether chains can be made in which the most frequent state is never the likeliest next one.
  bool unigram_can_mislead() const { return rows == "dirichlet" && order == 1 && states >= 3 && concentration >= 0.1; }
};

/// Markov chains in context (Edelman et al. 2024, arXiv 2402.11004): every sequence is of a chain of its own, drawn
/// from a prior, and after every state the next is asked.
///
/// Arrays of a sample, in the order of fields():
///   tokens      i32 [position]         the states, 0..states-1
///   target      i32 [position]         the state after each
///   transition  f32 [context, state]   the chain: probabilities of the next state; context c is the last state, and of
///                                      order 2 (the last but one) states + (the last)
class MarkovChains : public Task {
 public:
  enum Field { tokens_field, target_field, transition_field };

  /// That each key is in its range was checked where it was read.
  MarkovChains(const MarkovChainsConfig& config, const Seeds& seeds);

  std::vector<SampleField> fields() const override;
  /// iid: as in training. shifted: rows of shifted_concentration. unigram_misleads: chains in which the most frequent
  /// state is in no row the likeliest.
  std::vector<std::string> eval_sets() const override;
  void sample_train(std::int64_t step, int first, const Batch& batch) const override;
  void sample_eval(int set, int first, const Batch& batch) const override;
  const MarkovChainsConfig& config() const { return config_; }

 private:
  enum class Prior { train, shifted, misleading };
  struct Scratch;
  void draw_chain(RngCursor& cursor, Prior prior, Scratch& s) const;
  void find_stationary(Scratch& s) const;
  void draw_misleading_chain(RngCursor& cursor, Scratch& s) const;
  void write_sequence(Scratch& s, std::int32_t* tokens, std::int32_t* target) const;
  void sample(const Rng& rng, std::uint32_t step, Prior prior, int first, const Batch& batch) const;

  MarkovChainsConfig config_;
  Rng data_rng_, eval_rng_;
  Dirichlet prior_, shifted_;
};

}  // namespace saltus
