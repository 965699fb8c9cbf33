// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/template.hpp"

#include <fmt/format.h>

#include <utility>

#include "libperf/load/expression.hpp"

namespace perf::load {

TemplateError::TemplateError(std::size_t offset, const std::string& message, std::string suggestion)
    : Error(message), offset_(offset), suggestion_(std::move(suggestion)) {}
TemplateError::~TemplateError() = default;

Template::Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Template Template::Compile(std::string_view text, const Symbols& symbols) {
  Template result;
  std::string literal;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t dollar = text.find('$', at);
    literal += text.substr(at, dollar - at);
    if (dollar == std::string_view::npos) break;
    const std::string_view rest = text.substr(dollar);
    if (rest.starts_with("$${")) {
      literal += "${";
      at = dollar + 3;
      continue;
    }
    if (!rest.starts_with("${")) {
      literal += '$';
      at = dollar + 1;
      continue;
    }
    const std::size_t close = rest.find('}');
    if (close == std::string_view::npos) {
      throw TemplateError(dollar, "'${' without its '}' (write '$${' for a literal '${')");
    }
    const std::string_view body = rest.substr(2, close - 2);
    const bool sole = dollar == 0 && close + 1 == text.size();
    CompiledExpression compiled = CompileExpression(body, dollar + 2, symbols);
    at = dollar + close + 1;
    if (compiled.expression != nullptr) {
      result.parts_.push_back({std::exchange(literal, {}), std::move(compiled.expression)});
      result.sole_ = sole;
    } else {
      AppendText(*compiled.constant, literal);
      if (sole) result.value_ = std::move(compiled.constant);
    }
  }
  result.constant_ = std::move(literal);
  return result;
}

bool Template::IsConstant() const noexcept { return parts_.empty(); }

const std::string& Template::Constant() const noexcept { return constant_; }

void Template::Render(const Scope& scope, std::string& out) const {
  out.clear();
  Append(scope, out);
}

void Template::Append(const Scope& scope, std::string& out) const {
  for (const Part& part : parts_) {
    out += part.literal;
    part.expression->Append(scope, out);
  }
  out += constant_;
}

Json Template::Evaluate(const Scope& scope) const {
  if (value_) return *value_;
  if (sole_) return parts_.front().expression->Evaluate(scope);
  std::string text;
  Append(scope, text);
  return Json(std::move(text));
}

void Template::AppendJson(const Scope& scope, std::string& out) const {
  if (value_) return AppendJsonText(*value_, out);
  if (sole_) return parts_.front().expression->AppendJson(scope, out);
  const std::size_t from = out.size();
  Append(scope, out);
  QuoteJsonTail(out, from);
}

}  // namespace perf::load
