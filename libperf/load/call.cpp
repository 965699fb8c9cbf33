// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/load/expression.hpp"

namespace perf::load {
namespace {

constexpr std::size_t kShown = 60;  // bytes of a text quoted in a message

class UniformExpression final : public Expression {
 public:
  UniformExpression(std::int64_t low, std::int64_t high) : low_(low), high_(high) {}
  Json Evaluate(const Scope& scope) const override { return Json(scope.random->Int(low_, high_)); }
  void Append(const Scope& scope, std::string& out) const override {
    AppendInteger(scope.random->Int(low_, high_), out);
  }
  void AppendJson(const Scope& scope, std::string& out) const override { Append(scope, out); }

 private:
  std::int64_t low_;
  std::int64_t high_;
};

class ZipfExpression final : public Expression {
 public:
  ZipfExpression(std::int64_t n, double s) : zipf_(n, s) {}
  Json Evaluate(const Scope& scope) const override { return Json(zipf_.Draw(*scope.random)); }
  void Append(const Scope& scope, std::string& out) const override {
    AppendInteger(zipf_.Draw(*scope.random), out);
  }
  void AppendJson(const Scope& scope, std::string& out) const override { Append(scope, out); }

 private:
  Zipf zipf_;
};

class ChoiceExpression final : public Expression {
 public:
  explicit ChoiceExpression(Json::Array choices) : choices_(std::move(choices)) {}
  Json Evaluate(const Scope& scope) const override { return Draw(scope); }
  void Append(const Scope& scope, std::string& out) const override { AppendText(Draw(scope), out); }
  void AppendJson(const Scope& scope, std::string& out) const override {
    AppendJsonText(Draw(scope), out);
  }

 private:
  const Json& Draw(const Scope& scope) const {
    const auto last = static_cast<std::int64_t>(choices_.size()) - 1;
    return choices_[static_cast<std::size_t>(scope.random->Int(0, last))];
  }

  Json::Array choices_;
};

struct Argument {
  std::string_view text;
  std::size_t offset = 0;
};

/// Parts between commas, without the space around them; a quoted part may hold commas.
std::vector<Argument> SplitArguments(std::string_view text, std::size_t offset) {
  std::vector<Argument> arguments;
  for (std::size_t begin = 0; begin <= text.size();) {
    std::size_t end = begin;
    const std::size_t first = text.find_first_not_of(" \t\r\n", begin);
    if (first != std::string_view::npos && (text[first] == '\'' || text[first] == '"')) {
      end = text.find(text[first], first + 1);
      if (end == std::string_view::npos) {
        throw TemplateError(offset + first, "a quote without its end");
      }
    }
    end = std::min(text.find(',', end), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    arguments.push_back({Trim(part), offset + std::min(first, end)});
    begin = end + 1;
  }
  return arguments;
}

/// What an argument stands for: a number or a constant; nothing for other words.
std::optional<Json> ValueOf(const Argument& argument, const Symbols& symbols) {
  if (const auto integer = ParseInteger(argument.text)) return Json(*integer);
  if (const auto number = ParseNumber(argument.text)) return Json(*number);
  if (const Json* constant = symbols.Constant(argument.text)) return *constant;
  if (argument.text.starts_with("vars.")) {
    throw TemplateError(argument.offset,
                        fmt::format("nothing is named '{}' here", Excerpt(argument.text, kShown)),
                        std::string(Suggest(argument.text, symbols.AllNames())));
  }
  return std::nullopt;
}

[[noreturn]] void FailArgument(const Argument& argument, std::string_view what) {
  throw TemplateError(argument.offset,
                      fmt::format("expected {}, not '{}'", what, Excerpt(argument.text, kShown)));
}

double NumberOf(const Argument& argument, std::string_view what, const Symbols& symbols) {
  const std::optional<Json> value = ValueOf(argument, symbols);
  if (value && value->IsNumber()) return value->AsDouble();
  if (value && value->IsString()) {
    if (const auto number = ParseNumber(value->AsString())) return *number;
  }
  FailArgument(argument, what);
}

std::int64_t IntegerOf(const Argument& argument, std::string_view what, const Symbols& symbols) {
  const std::optional<Json> value = ValueOf(argument, symbols);
  if (value && value->IsInt()) return value->AsInt();
  if (value && value->IsString()) {
    if (const auto integer = ParseInteger(value->AsString())) return *integer;
  }
  // "1e6" and 1000.0 are integers, too.
  const double number = NumberOf(argument, what, symbols);
  if (std::trunc(number) != number || std::abs(number) > 0x1p53) FailArgument(argument, what);
  return static_cast<std::int64_t>(number);
}

void CheckCount(std::string_view usage, const std::vector<Argument>& arguments, std::size_t wanted,
                std::size_t offset) {
  if (arguments.size() == wanted) return;
  const bool none = arguments.size() == 1 && arguments[0].text.empty();
  throw TemplateError(offset, fmt::format("'{}' takes {} arguments, not {}", usage, wanted,
                                          none ? 0 : arguments.size()));
}

std::unique_ptr<Expression> CompileUniform(const std::vector<Argument>& arguments,
                                           const Symbols& symbols) {
  const std::int64_t low = IntegerOf(arguments[0], "an integer or a constant that is one", symbols);
  const std::int64_t high =
      IntegerOf(arguments[1], "an integer or a constant that is one", symbols);
  if (low > high) {
    throw TemplateError(
        arguments[0].offset,
        fmt::format("rand.int({},{}): the first must not be above the second", low, high));
  }
  return std::make_unique<UniformExpression>(low, high);
}

std::unique_ptr<Expression> CompileZipf(const std::vector<Argument>& arguments,
                                        const Symbols& symbols) {
  const std::int64_t n = IntegerOf(arguments[0], "an integer or a constant that is one", symbols);
  const double s = NumberOf(arguments[1], "a number or a constant that is one", symbols);
  try {
    return std::make_unique<ZipfExpression>(n, s);
  } catch (const ConfigError& error) {
    throw TemplateError(arguments[0].offset, error.what());
  }
}

CompiledExpression CompileChoice(const std::vector<Argument>& arguments, const Symbols& symbols) {
  Json::Array choices;
  for (const Argument& argument : arguments) {
    const std::string_view text = argument.text;
    if (text.empty()) throw TemplateError(argument.offset, "rand.choice has an empty argument");
    if (text.front() == '\'' || text.front() == '"') {
      if (text.size() < 2 || text.back() != text.front()) {
        FailArgument(argument, "a comma behind the closing quote");
      }
      choices.emplace_back(text.substr(1, text.size() - 2));
    } else {
      choices.push_back(ValueOf(argument, symbols).value_or(Json(text)));
    }
  }
  if (choices.size() == 1 && choices[0].IsArray()) {
    choices = Json::Array(choices[0].AsArray());
    if (choices.empty()) throw TemplateError(arguments[0].offset, "rand.choice of an empty list");
  }
  return {std::nullopt, std::make_unique<ChoiceExpression>(std::move(choices))};
}

}  // namespace

CompiledExpression CompileCall(std::string_view name, std::size_t offset,
                               std::string_view arguments, std::size_t arguments_offset,
                               const Symbols& symbols) {
  const std::vector<Argument> parts = SplitArguments(arguments, arguments_offset);
  if (name == "rand.int") {
    CheckCount("rand.int(low,high)", parts, 2, arguments_offset);
    return {std::nullopt, CompileUniform(parts, symbols)};
  }
  if (name == "rand.zipf") {
    CheckCount("rand.zipf(n,s)", parts, 2, arguments_offset);
    return {std::nullopt, CompileZipf(parts, symbols)};
  }
  if (name == "rand.choice") return CompileChoice(parts, symbols);
  if (Symbols::IsReserved(name)) {
    throw TemplateError(offset, fmt::format("'{}' takes no arguments", name));
  }
  constexpr std::string_view kFunctions[] = {"rand.int", "rand.zipf", "rand.choice"};
  throw TemplateError(offset, fmt::format("there is no function '{}'", Excerpt(name, kShown)),
                      std::string(Suggest(name, kFunctions)));
}

}  // namespace perf::load
