#pragma once
#include <fmt/core.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace saltus {

/// Element type of an array. Computation is f32 (f64 in reference kernels only); i32 holds indices and labels.
enum class DType : std::uint8_t { f32, i32 };

/// Sizes of an array's axes, row-major, by value; rank 0 is a scalar.
class Shape {
 public:
  static constexpr int max_rank = 5;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span<const std::int64_t>(dims.begin(), dims.size())) {}
  /// Throws when there are more than max_rank axes or a size is negative.
  explicit Shape(std::span<const std::int64_t> dims);

  int rank() const { return rank_; }
  /// Size of axis `i`; negative `i` counts from the last axis. Throws when out of range.
  std::int64_t operator[](int i) const { return dims_[static_cast<std::size_t>(axis(i))]; }
  /// `i` as a non-negative axis. Throws when out of range.
  int axis(int i) const;
  std::int64_t size() const;
  std::span<const std::int64_t> dims() const { return {dims_.data(), static_cast<std::size_t>(rank_)}; }

  /// This shape with axis `i` set to `n`.
  Shape with(int i, std::int64_t n) const;
  /// This shape without axis `i`.
  Shape without(int i) const;
  /// This shape with an axis of size `n` inserted before axis `i` (0..rank).
  Shape inserted(int i, std::int64_t n) const;

  bool operator==(const Shape& other) const = default;
  /// "[128, 17, 128]"
  std::string str() const;

 private:
  std::array<std::int64_t, max_rank> dims_{};  // unused axes stay 0, so that == is memberwise
  std::int8_t rank_ = 0;
};

/// The shape two operands broadcast to under NumPy's rule; throws when they do not, naming both.
Shape broadcast(const Shape& a, const Shape& b);

}  // namespace saltus

/// Shapes are given to check() as they are: kernels check shapes at every call, and a text made there would cost more than they do.
template <>
struct fmt::formatter<saltus::Shape> : fmt::formatter<fmt::string_view> {
  fmt::format_context::iterator format(const saltus::Shape& shape, fmt::format_context& context) const;
};
