#pragma once
#include <cstdint>

/// Measures of one attention pattern that make sense for any model: a pattern is [query, key], row-major, every row a distribution
/// over the keys j <= i. Indices are 0-based.
namespace saltus::measures {

/// Mean over queries i >= 1 of p[i][i-1]: attention to the previous token.
double previous_token(const float* pattern, std::int64_t tokens);

/// Entropy of one row in nats; 0 log 0 = 0.
double entropy(const float* row, std::int64_t keys);

/// Mean entropy over all queries, in nats.
double mean_entropy(const float* pattern, std::int64_t tokens);

}  // namespace saltus::measures
