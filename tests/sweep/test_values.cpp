#include <catch2/catch.hpp>

#include "config/reader.h"
#include "core/check.h"
#include "sweep/values.h"

namespace saltus {
namespace {

std::vector<std::string> values_of(const std::string& text) {
  std::vector<std::string> texts;
  for (const ConfigNode& value : swept_values(override_value({"key", text, "here"}, 0))) {
    texts.push_back(value.kind == ConfigNode::Kind::null ? "(null)" : value.text);
  }
  return texts;
}

std::string refusal_of(const std::string& text) {
  try {
    values_of(text);
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::bad_input);
    return e.what();
  }
  return "accepted";
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("range is Python's: the end is not part of it") {
  CHECK(values_of("range(0,4)") == Texts{"0", "1", "2", "3"});
  CHECK(values_of("range(1, 9, 2)") == Texts{"1", "3", "5", "7"});
  CHECK(values_of("range(1,8,2)") == Texts{"1", "3", "5", "7"});
  CHECK(values_of("range(3,-2,-2)") == Texts{"3", "1", "-1"});
  CHECK(values_of("range(9007199254740993,9007199254740995)") == Texts{"9007199254740993", "9007199254740994"});
}

TEST_CASE("a range of fractions has the values that one writes down, and no more for rounding") {
  CHECK(values_of("range(0,0.5,0.1)") == Texts{"0", "0.1", "0.2", "0.3", "0.4"});
  CHECK(values_of("range(0,0.3,0.1)") == Texts{"0", "0.1", "0.2"});
  CHECK(values_of("range(0,0.35,0.1)") == Texts{"0", "0.1", "0.2", "0.3"});
  CHECK(values_of("range(1,0,-0.25)") == Texts{"1", "0.75", "0.5", "0.25"});
  CHECK(values_of("range(-0.5,0.6,0.5)") == Texts{"-0.5", "0", "0.5"});
}

TEST_CASE("log has both ends and equal factors between") {
  CHECK(values_of("log(1e-4,1e-1,4)") == Texts{"0.0001", "0.001", "0.01", "0.1"});
  CHECK(values_of("log(1,1000,4)") == Texts{"1", "10", "100", "1000"});
  CHECK(values_of("log(8,1,4)") == Texts{"8", "4", "2", "1"});
  CHECK(values_of("log(1,10,3)") == Texts{"1", "3.16227766017", "10"});
}

TEST_CASE("a..b counts integers, both ends included") {
  CHECK(values_of("0..3") == Texts{"0", "1", "2", "3"});
  CHECK(values_of("-1..1") == Texts{"-1", "0", "1"});
  CHECK(values_of("5..5") == Texts{"5"});
}

TEST_CASE("commas, lists, and what is one value") {
  CHECK(values_of("1,2, 4") == Texts{"1", "2", "4"});
  CHECK(values_of("sgd,adam") == Texts{"sgd", "adam"});
  CHECK(values_of("null,0.5") == Texts{"(null)", "0.5"});
  CHECK(values_of("[1, 'a,b']") == Texts{"1", "a,b"});
  CHECK(values_of("7") == Texts{"7"});
  CHECK(values_of("'a,b'") == Texts{"a,b"});
  CHECK(values_of("'0..3'") == Texts{"0..3"});
  CHECK(values_of("../data") == Texts{"../data"});
  CHECK(values_of("1.5") == Texts{"1.5"});
}

TEST_CASE("malformed values are refused by name") {
  CHECK(refusal_of("range(1)") == "here: 'range(1)': write range(a,b) or range(a,b,step)");
  CHECK(refusal_of("range(0,8,0)") == "here: 'range(0,8,0)': the step must not be 0");
  CHECK(refusal_of("range(8,0)") == "here: 'range(8,0)': stands for no value at all");
  CHECK(refusal_of("range(0,8") == "here: 'range(0,8': the ')' is missing");
  CHECK(refusal_of("range(0,x)") == "here: 'range(0,x)': expected a number, got text 'x'");
  CHECK(refusal_of("log(0,1,4)") == "here: 'log(0,1,4)': both ends must be > 0");
  CHECK(refusal_of("log(1,2,1)") == "here: 'log(1,2,1)': n must be at least 2: both ends are among the values");
  CHECK(refusal_of("log(1,2,2.5)") == "here: 'log(1,2,2.5)': expected an integer, got number 2.5");
  CHECK(refusal_of("log(1,2)") == "here: 'log(1,2)': write log(a,b,n)");
  CHECK(refusal_of("3..1") == "here: '3..1': stands for no value at all");
  CHECK(refusal_of("0..100000") == "here: '0..100000': stands for more than 100000 values");
  CHECK(refusal_of("0..9223372036854775807") ==
        "here: '0..9223372036854775807': numbers this large cannot be counted through");
  CHECK(refusal_of("1,,2") == "here: '1,,2': a value is missing between two commas");
  CHECK(refusal_of("[]") == "here: this list of values is empty");
  CHECK(refusal_of("[{a: 1}]") ==
        "here: a swept value is a number, a text, a list or null; keys that move together go below 'zip:'");
}

}  // namespace saltus
