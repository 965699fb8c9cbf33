// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/expression.hpp"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <utility>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/monitor/alerts/expression_names.hpp"

namespace perf::monitor::alerts {

ExpressionError::ExpressionError(std::size_t offset, const std::string& message,
                                 std::string suggestion)
    : ConfigError(message), offset_(offset), suggestion_(std::move(suggestion)) {}
ExpressionError::~ExpressionError() = default;

namespace {

constexpr int kDeepest = 32;

constexpr bool IsLetter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}
constexpr bool IsDigit(char c) noexcept { return c >= '0' && c <= '9'; }

/// Recursive descent over one text.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  ExpressionPtr Run() {
    if (text_.size() > kLongestExpression) Fail(0, "an expression has at most 4096 bytes");
    ExpressionPtr whole = Sum(0);
    Skip();
    if (at_ < text_.size()) {
      const bool compares = std::string_view("<>=!").find(text_[at_]) != std::string_view::npos;
      Fail(at_, compares ? "comparisons belong to the levels of the rule, not to its expression"
                         : fmt::format("'{}' does not belong here", Excerpt(Rest(), 20)));
    }
    return whole;
  }

 private:
  [[noreturn]] static void Fail(std::size_t at, const std::string& message,
                                std::string_view suggestion = {}) {
    throw ExpressionError(at, message, std::string(suggestion));
  }
  std::string_view Rest() const { return text_.substr(at_); }
  void Skip() {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string::npos) {
      ++at_;
    }
  }
  bool Take(char c) {
    Skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void Expect(char c, std::string_view where) {
    if (!Take(c)) Fail(at_, fmt::format("expected '{}' {}", c, where));
  }
  std::string_view Word() {
    Skip();
    const std::size_t start = at_;
    if (at_ < text_.size() && IsLetter(text_[at_])) {
      while (at_ < text_.size() && (IsLetter(text_[at_]) || IsDigit(text_[at_]))) ++at_;
    }
    return text_.substr(start, at_ - start);
  }

  ExpressionPtr Sum(int depth) { return Chain(depth, "+-", true); }
  ExpressionPtr Chain(int depth, std::string_view ops, bool sum) {
    const auto operand = [&] { return sum ? Chain(depth, "*/", false) : Factor(depth); };
    ExpressionPtr left = operand();
    for (;;) {
      Skip();
      if (at_ >= text_.size() || ops.find(text_[at_]) == std::string_view::npos) return left;
      Expression both;
      both.kind = Expression::Kind::kBinary;
      both.op = text_[at_++];
      both.left = std::move(left);
      both.right = operand();
      // Also bounds the depth of the tree of a long chain.
      if (++operators_ > 64) Fail(at_, "an expression has at most 64 operators");
      left = std::make_shared<const Expression>(std::move(both));
    }
  }

  ExpressionPtr Factor(int depth) {
    if (depth > kDeepest) Fail(at_, "an expression nests at most 32 times");
    Skip();
    if (Take('(')) {
      ExpressionPtr inner = Sum(depth + 1);
      Expect(')', "to close the parenthesis");
      return inner;
    }
    if (at_ < text_.size() &&
        (IsDigit(text_[at_]) || text_[at_] == '.' || text_[at_] == '-' || text_[at_] == '+')) {
      Expression number;
      number.number = Number();
      return std::make_shared<const Expression>(std::move(number));
    }
    const std::size_t start = at_;
    const std::string_view word = Word();
    if (word.empty()) Fail(start, "expected a metric, a function, a number or '('");
    if (const auto aggregation = FindAggregation(word)) return Aggregate(*aggregation, depth);
    Skip();
    if (at_ < text_.size() && text_[at_] == '(') return Call(word, start, depth);
    Expression instant;
    instant.kind = Expression::Kind::kInstant;
    instant.selector = Select(word, start);
    Skip();
    if (at_ < text_.size() && text_[at_] == '[') {
      Fail(at_, "a window needs a function around it, as in rate(metric[5m])");
    }
    return std::make_shared<const Expression>(std::move(instant));
  }

  double Number() {
    const std::size_t start = at_;
    if (text_[at_] == '-' || text_[at_] == '+') ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool exponent =
          (c == '-' || c == '+') && at_ > start && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E');
      if (!IsDigit(c) && c != '.' && c != 'e' && c != 'E' && !exponent) break;
      ++at_;
    }
    const auto value = ParseNumber(text_.substr(start, at_ - start));
    if (!value) Fail(start, "expected a number such as 0.95");
    return *value;
  }

  Selector Select(std::string_view name, std::size_t start) {
    if (name.find(':') != std::string_view::npos) Fail(start, "a metric's name has no colon");
    Selector selector{std::string(name), {}};
    if (!Take('{')) return selector;
    while (!Take('}')) {
      Skip();
      const std::size_t place = at_;
      Matcher matcher;
      matcher.label = Word();
      if (matcher.label.empty()) Fail(place, "expected a label's name or '}'");
      if (matcher.label == "le" || matcher.label == "quantile") {
        Fail(place, "histograms are taken as a whole: see histogram_quantile");
      }
      matcher.equal = !Take('!');
      if (!Take('=')) Fail(at_, "expected '=' or '!=' and a value in quotes");
      if (at_ < text_.size() && text_[at_] == '~') {
        Fail(at_, "regular expressions are not understood: use '=' or '!='");
      }
      matcher.value = String();
      selector.matchers.push_back(std::move(matcher));
      Skip();
      if (!Take(',') && (at_ >= text_.size() || text_[at_] != '}'))
        Fail(at_, "expected ',' or '}'");
    }
    return selector;
  }

  std::string String() {
    Expect('"', "before the label's value");
    std::string value;
    while (at_ < text_.size() && text_[at_] != '"') {
      char c = text_[at_++];
      if (c == '\\') {
        if (at_ >= text_.size()) break;
        c = text_[at_++];
        if (c == 'n') {
          c = '\n';
        } else if (c != '"' && c != '\\') {
          Fail(at_ - 1, "in a value '\\' stands only in \\\\, \\\" and \\n");
        }
      }
      value += c;
    }
    if (at_ >= text_.size()) Fail(text_.size(), "the label's value has no closing quote");
    ++at_;
    return value;
  }

  ExpressionPtr Call(std::string_view name, std::size_t start, int depth) {
    if (name == "histogram_quantile") return Quantile(depth);
    const auto window = FindWindow(name);
    if (!window) {
      Fail(start, fmt::format("no function is called '{}'", Excerpt(name, 40)),
           Suggest(name, kFunctions));
    }
    Expect('(', "after the function");
    Skip();
    const std::size_t place = at_;
    Expression over;
    over.kind = Expression::Kind::kWindow;
    over.window = *window;
    const std::string_view metric = Word();
    if (metric.empty()) Fail(place, fmt::format("expected a metric, as in {}(metric[5m])", name));
    over.selector = Select(metric, place);
    Expect('[', fmt::format("and a window, as in {}(metric[5m])", name));
    const std::size_t from = at_;
    const std::size_t end = text_.find(']', at_);
    if (end == std::string_view::npos) Fail(from, "the window has no ']'");
    const auto length = ParseDuration(Trim(text_.substr(from, end - from)));
    over.length = length ? std::chrono::duration_cast<Millis>(*length) : Millis(0);
    if (!length || *length % std::chrono::seconds(1) != Duration::zero() ||
        over.length < std::chrono::seconds(1) || over.length > kLongestWindow) {
      Fail(from, "a window is a whole number of seconds up to 6h, as in [5m]");
    }
    at_ = end + 1;
    Expect(')', "after the window");
    return std::make_shared<const Expression>(std::move(over));
  }

  ExpressionPtr Quantile(int depth) {
    Expect('(', "after the function");
    Skip();
    const std::size_t place = at_;
    Expression quantile;
    quantile.kind = Expression::Kind::kQuantile;
    quantile.number =
        place < text_.size() && (IsDigit(text_[place]) || text_[place] == '.') ? Number() : -1;
    if (!(quantile.number >= 0 && quantile.number <= 1)) {
      Fail(place, "expected a quantile between 0 and 1");
    }
    Expect(',', "and a histogram, as in histogram_quantile(0.99, rate(h[5m]))");
    Skip();
    const std::size_t inner = at_;
    quantile.left = Sum(depth + 1);
    const Expression* rate = quantile.left.get();
    if (rate->kind == Expression::Kind::kAggregate &&
        rate->aggregation == Expression::Aggregation::kSum) {
      rate = rate->left.get();
    }
    if (rate->kind != Expression::Kind::kWindow ||
        (rate->window != Expression::Window::kRate &&
         rate->window != Expression::Window::kIncrease)) {
      Fail(inner, "expected rate(h[5m]), or sum by (…) of it");
    }
    Expect(')', "after the histogram");
    return std::make_shared<const Expression>(std::move(quantile));
  }

  ExpressionPtr Aggregate(Expression::Aggregation aggregation, int depth) {
    Expression all;
    all.kind = Expression::Kind::kAggregate;
    all.aggregation = aggregation;
    Grouping(all);
    Expect('(', "after the aggregation");
    all.left = Sum(depth + 1);
    Expect(')', "to close the aggregation");
    Skip();
    if (all.labels.empty() && !all.without) Grouping(all);
    return std::make_shared<const Expression>(std::move(all));
  }

  /// `by (a, b)` or `without (a)`, which may stand before or behind the operand.
  void Grouping(Expression& all) {
    Skip();
    const std::size_t start = at_;
    const std::string_view word = Word();
    if (word.empty()) return;
    if (word != "by" && word != "without") {
      at_ = start;
      if (text_.substr(start, 1) == "(") return;
      Fail(start, "expected 'by' or 'without'", Suggest(word, kGroupings));
    }
    all.without = word == "without";
    Expect('(', "before the labels");
    while (!Take(')')) {
      Skip();
      const std::size_t place = at_;
      const std::string_view label = Word();
      if (label.empty()) Fail(place, "expected a label's name or ')'");
      if (label == "le") Fail(place, "histograms are taken as a whole: leave out 'le'");
      all.labels.emplace_back(label);
      Skip();
      if (!Take(',') && (at_ >= text_.size() || text_[at_] != ')'))
        Fail(at_, "expected ',' or ')'");
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int operators_ = 0;
};

bool HasSeries(const Expression& expression) {
  if (expression.kind == Expression::Kind::kNumber) return false;
  if (expression.kind != Expression::Kind::kBinary) return true;
  return HasSeries(*expression.left) || HasSeries(*expression.right);
}

/// `sum(2)` means nothing in Prometheus either.
void CheckOperands(const Expression& expression) {
  if (expression.kind == Expression::Kind::kAggregate && !HasSeries(*expression.left)) {
    throw ExpressionError(0, "an aggregation needs a metric inside");
  }
  if (expression.left) CheckOperands(*expression.left);
  if (expression.right) CheckOperands(*expression.right);
}

}  // namespace

ExpressionPtr ParseExpression(std::string_view text) {
  ExpressionPtr expression = Parser(text).Run();
  if (!HasSeries(*expression)) throw ExpressionError(0, "the expression names no metric");
  CheckOperands(*expression);
  return expression;
}

}  // namespace perf::monitor::alerts
