#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "experiments/titans/model.h"

/// The models of titans a second time: plain loops in double, from the equations in the headers of experiments/titans
/// and the papers they name. Nothing of the program is used but a config's numbers and a ParamStore's names, so that
/// what the two statements share can only be the equations. A token goes through the whole model before the next one
/// is looked at: what comes later cannot be seen.
namespace saltus::tests::second {

using Row = std::vector<double>;
using Matrix = std::vector<Row>;  // [in][out]
using Mixer = titans::MixerConfig;

double sigmoid(double x);
double silu(double x);
Row silu(Row x);
double dot(const Row& a, const Row& b);
Row plus(Row a, const Row& b);
Row minus(Row a, const Row& b);
Row scaled(Row a, double factor);
/// element by element
Row hadamard(Row a, const Row& b);
/// x W
Row times(const Row& x, const Matrix& W);
/// x / |x|
Row unit(const Row& x);
/// x / sqrt(mean of squares) * gain
Row rms_normed(const Row& x, const Row& gain);
/// The pair (x_i, x_{i + d/2}) turned by the angle position 10000^(-2i/d).
Row turned(Row x, std::int64_t position);
/// Elements [h d, h d + d).
Row head_of(const Row& x, std::size_t h, std::size_t d);
void append(Row& to, const Row& x);

/// A model's parameters by name.
class Parameters {
 public:
  explicit Parameters(const ParamStore& store);
  /// One with one axis.
  Row row(const std::string& name) const;
  /// One with two axes, or the matrix of head h of one with three.
  Matrix matrix(const std::string& name, std::size_t h = 0) const;

 private:
  struct Array {
    std::size_t columns, rows;  // the last two axes
    Row values;
  };
  std::map<std::string, Array> arrays_;
};

/// Whatever takes one token's vector after another and remembers what it has to.
class Step {
 public:
  Step() = default;
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  virtual ~Step() = default;
  virtual Row next(const Row& u) = 0;
};

/// u W, then a causal convolution of each channel where the config has one: y_t = sum_j c_j x_{t - width + 1 + j}.
class Projection : public Step {
 public:
  Projection(const Parameters& p, const std::string& name, const std::string& part, const Mixer& m);
  Row next(const Row& u) override;
  const Matrix& weight() const { return W_; }

 private:
  Matrix W_, kernel_;  // kernel [channel][width], or empty
  std::vector<Row> seen_;
};

/// What a token asks, writes under, and writes, one row a head: q and k = unit(SiLU(projection)), v = projection.
class QueryKeyValue {
 public:
  QueryKeyValue(const Parameters& p, const std::string& name, const Mixer& m);
  struct Heads {
    Matrix q, k, v;
  };
  Heads next(const Row& u);

 private:
  std::size_t heads_, d_;
  Projection Q_, K_, V_;
};

/// sigmoid(u w + b), one number a head.
class Gate {
 public:
  Gate(const Parameters& p, const std::string& name, const std::string& part);
  Row of(const Row& u) const;

 private:
  Matrix w_;
  Row b_;
};

/// (RMSNorm of each head * SiLU(u W_G)) W_O
class ReadOut {
 public:
  ReadOut(const Parameters& p, const std::string& name, const Mixer& m);
  Row of(const Row& u, const Matrix& heads) const;

 private:
  Row gain_;
  Matrix W_G_, W_O_;  // W_G empty: no gate
};

/// The memory of one head: layers of weights with SiLU between them, x + net(x) with a residual.
struct Network {
  std::vector<Matrix> layers;
  bool residual = false;

  Row of(const Row& x) const;
  /// d |M(k) - v|^2 / dW of every layer.
  std::vector<Matrix> gradient(const Row& k, const Row& v) const;
};

/// The long-term memory of a block: each head has its weights M, its surprise S, and the weights that gradients of the
/// current chunk are taken at.
class LongMemory {
 public:
  LongMemory(const Parameters& p, const std::string& name, const Mixer& m);
  /// Writes token x; what each head then reads (or read before).
  Matrix written(const Row& x);
  /// The next token is the first of a chunk.
  void begin_chunk() { place_ = 0; }
  const std::vector<Network>& heads() const { return M_; }
  const ReadOut& read_out() const { return read_out_; }

 private:
  void write(std::size_t h, const std::vector<Matrix>& gradient, double theta, double eta, double alpha);

  Mixer m_;
  QueryKeyValue qkv_;
  Gate theta_;
  std::vector<Gate> eta_, alpha_;  // one or none
  ReadOut read_out_;
  std::int64_t place_ = 0;  // in the chunk
  std::vector<Network> initial_, M_, at_chunk_start_;
  std::vector<std::vector<Matrix>> S_;
};

/// The memory alone, after the persistent vectors, which are chunks of their own.
std::unique_ptr<Step> memory_alone(const Parameters& p, const std::string& name, const Mixer& m);
/// Softmax attention to a learned prefix and to all tokens so far, or the last `m.window` of them.
std::unique_ptr<Step> attention(const Parameters& p, const std::string& name, const Mixer& m, bool window);
/// linear_attention, deltanet, gated_deltanet
std::unique_ptr<Step> matrix_memory(const Parameters& p, const std::string& name, const Mixer& m);
/// ttt_linear, ttt_mlp
std::unique_ptr<Step> ttt(const Parameters& p, const std::string& name, const Mixer& m);
std::unique_ptr<Step> gru(const Parameters& p, const std::string& name, const Mixer& m);
/// What block `layer` does to exchange information between tokens: all of the above, and mac, mag and mal.
std::unique_ptr<Step> mixing(const Parameters& p, std::int64_t layer, const titans::ModelConfig& model);

/// softmax(scores), and the sum of values with these weights.
Row softmax(Row scores);
Row weighted_sum(const Row& weights, const Matrix& values);

/// The logits of one sequence, [position][token].
Matrix logits(const ParamStore& store, const titans::ModelConfig& model, std::span<const std::int32_t> tokens);
/// -log softmax(logits)[target], the mean of a sequence by its weights.
double loss(const Matrix& logits, std::span<const std::int32_t> target, std::span<const double> weight);

}  // namespace saltus::tests::second
