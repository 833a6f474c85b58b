#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/fields.h"
#include "core/rng.h"
#include "data/task.h"
#include "data/text/corpus.h"
#include "data/text/split.h"
#include "data/text/vocabulary.h"

namespace saltus {

/// The knobs of TextClassification.
struct TextConfig {
  std::string corpus = "small_fine_foods";
  std::int64_t max_length = 256;
  std::int64_t min_count = 2;
  std::int64_t max_words = 20000;
  double validation_share = 0.1;
  double test_share = 0.2;
  std::int64_t bucket = 32;

  // Not of the config, but of how a trained model is read again:
  std::string read_at = {};        // the path where the corpus is now; empty: `corpus`
  std::int64_t compare_words = 0;  // of these many first words documents are told apart by; 0: max_length

  void fields(Fields& f);
};

/// Texts whose class is asked. Documents are in buckets of like length, so that short ones need no arrays of the
/// longest.
///
/// Arrays of a sample, in the order of fields(); a bucket's have its own length:
///   tokens i32 [position]  the text's words as Vocabulary numbers them, then padding (0)
///   mask   f32 [position]  1 where there is a word, then 0; never 0 all through
///   label  i32 []          the class
///   dropout_key i32 []     a random number of this step and sample; 0 in test sets
///
/// A training batch is of one bucket, drawn with probability in proportion to its documents of the training part; each
/// sample is drawn uniformly from the bucket, with replacement. So each document is as likely as any other, and the
/// training part of n documents passes by once in n / batch steps on average, but not each document once. Words past
/// max_length are cut off, and documents are duplicates (split.h) when what is left of them is equal. A text without
/// any word is one unknown word.
class TextClassification : public Task {
 public:
  enum Field { tokens_field, mask_field, label_field, key_field };
  enum Set { validation_set, test_set, train_set };

  /// Reads the corpus and splits it, by seeds.task. Throws Error (bad_input) as load_corpus and split_documents do.
  TextClassification(const TextConfig& config, const Seeds& seeds);

  std::vector<SampleField> fields() const override { return bucket_fields(buckets() - 1); }
  int buckets() const override { return static_cast<int>(buckets_.size()); }
  std::vector<SampleField> bucket_fields(int bucket) const override;
  int train_bucket(std::int64_t step) const override;
  /// validation and test, whole, and train: a random choice of the training part, as many as validation has. Each is in
  /// random order (seeds.eval).
  std::vector<std::string> eval_sets() const override { return {"validation", "test", "train"}; }
  std::int64_t eval_samples(int set) const override { return std::ssize(documents(set)); }
  void sample_train(std::int64_t step, int first, const Batch& batch) const override;
  void sample_eval(int set, int first, const Batch& batch) const override;

  const TextConfig& config() const { return config_; }
  /// Its texts are as they were read.
  const Corpus& corpus() const { return corpus_; }
  const std::vector<std::string>& classes() const { return corpus_.classes; }
  int n_classes() const { return static_cast<int>(corpus_.classes.size()); }
  const Vocabulary& vocabulary() const { return *vocabulary_; }
  const Split& split() const { return split_; }
  /// Documents of a test set in its order: indices into corpus().documents.
  std::span<const int> documents(int set) const;
  /// The words of a document as the model sees them: at least one, at most max_length.
  std::span<const std::int32_t> ids(int document) const;
  int label(int document) const { return corpus_.documents[static_cast<std::size_t>(document)].label; }
  /// The ids of any text, as those of a document.
  std::vector<std::int32_t> encode(std::string_view text) const;
  /// Positions in the arrays of a bucket: a multiple of config().bucket, or max_length in the last.
  std::int64_t length_of_bucket(int bucket) const;
  /// Documents of the training part in a bucket: 0 only in the last, if so.
  std::int64_t documents_in_bucket(int bucket) const;

  /// What was lost of one part of the split.
  struct Losses {
    std::int64_t words = 0;      // that the model sees
    std::int64_t unknown = 0;    // of these, without a number
    std::int64_t documents = 0;  // of the part
    std::int64_t cut = 0;        // of these, longer than max_length
    double unknown_share() const { return words > 0 ? static_cast<double>(unknown) / static_cast<double>(words) : 0; }
  };
  Losses losses(std::span<const int> documents) const;

 private:
  struct Bucket {
    std::int64_t length;
    std::vector<int> documents;  // of the training part
  };

  void index_words(std::span<const std::vector<std::string>> words);
  void make_buckets();
  void write(int document, std::int64_t length, std::int32_t key, const Batch& batch, int row) const;
  const Bucket& checked(int bucket) const;

  TextConfig config_;
  Rng data_rng_;
  Corpus corpus_;
  Split split_;
  std::optional<Vocabulary> vocabulary_;
  std::vector<std::int32_t> ids_;       // of all documents, one after the other
  std::vector<std::size_t> begin_;      // [document + 1]: where a document's ids begin
  std::vector<std::int64_t> n_words_;   // [document]: before they were cut
  std::vector<Bucket> buckets_;         // rising in length
  std::vector<std::vector<int>> sets_;  // [Set]: documents
};

}  // namespace saltus
