#pragma once
#include <vector>

#include "data/icl_classification.h"
#include "train/system.h"

namespace saltus::icl_classification {

/// Gives an experiment the task, its loss and accuracy on the test sets, the set that progress is measured on (`ic`;
/// `iid` where the target is never in the context), headlines and guess_levels.
void set_up_task(Experiment& e, const IclClassificationConfig& config, const Seeds& seeds);

/// Accuracies of those who read a part of a sequence only, [evalset, guess], nan where there is no formula:
///   any_label      names a label at random: 1/L
///   context_label  names one of the context's labels at random, each counted once: 1/G in bursts of distinct labels
///   target_alone   knows the classes' labels, but not the context: what is most often right in training
///   labels_alone   knows them, and reads the context's labels, but not its items: with several maps, each of which it
///                  takes for possible if its answer is not shown already
/// Here G = N/B classes in a context. For labels_alone let the n maps be equally likely and the target be of a class
/// outside a burst of distinct labels, drawn uniformly. A map whose answer the context shows leaves one class fewer for
/// the target, so the best is to name an answer that is not shown, if there is one: right with probability
/// (K - L P) / (n (K - G)), where P = prod_{i<n} (G - i)/(L - i) is the probability that all n are shown.
Experiment::Fact guess_levels(const IclClassificationConfig& config);

}  // namespace saltus::icl_classification
