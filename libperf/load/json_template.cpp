// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "libperf/load/expression.hpp"

namespace perf::load {

/// Walks a document and gathers all that is constant into literals between the expressions.
struct JsonTemplate::Compiler {
  const Symbols& symbols;
  std::vector<Piece> pieces{};
  std::string literal{};
  std::string pointer{};  // where the walk stands

  void Compile(const Json& value) {
    if (value.IsString()) {
      Text(value.AsString(), false);
    } else if (value.IsArray()) {
      Elements(value.AsArray());
    } else if (value.IsObject()) {
      Members(value.AsObject());
    } else {
      AppendJsonText(value, literal);
    }
  }

  void Elements(const Json::Array& elements) {
    literal += '[';
    for (std::size_t i = 0; i < elements.size(); ++i) {
      if (i > 0) literal += ',';
      Below(std::to_string(i), [&] { Compile(elements[i]); });
    }
    literal += ']';
  }

  void Members(const Json::Object& members) {
    literal += '{';
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i > 0) literal += ',';
      Below(members[i].first, [&] {
        Text(members[i].first, true);
        literal += ':';
        Compile(members[i].second);
      });
    }
    literal += '}';
  }

  template <typename Walk>
  void Below(std::string_view token, Walk walk) {
    const std::size_t size = pointer.size();
    pointer += '/';
    for (const char c : token) {
      if (c == '~' || c == '/') {
        pointer += c == '~' ? "~0" : "~1";
      } else {
        pointer += c;
      }
    }
    walk();
    pointer.resize(size);
  }

  /// A name is always text: `always_text` keeps a lone expression from keeping its type.
  void Text(const std::string& text, bool always_text) {
    Template compiled = CompileHere(text);
    if (compiled.IsConstant()) {
      if (always_text) {
        AppendJsonString(compiled.Constant(), literal);
      } else {
        compiled.AppendJson(Scope{}, literal);
      }
      return;
    }
    if (always_text) compiled.sole_ = false;
    pieces.push_back({std::exchange(literal, {}), std::move(compiled)});
  }

  Template CompileHere(const std::string& text) const {
    try {
      return Template::Compile(text, symbols);
    } catch (const TemplateError& error) {
      if (pointer.empty()) throw;
      throw TemplateError(error.Offset(), fmt::format("at {}: {}", pointer, error.what()),
                          error.Suggestion());
    }
  }
};

JsonTemplate::JsonTemplate() = default;
JsonTemplate::JsonTemplate(JsonTemplate&&) noexcept = default;
JsonTemplate& JsonTemplate::operator=(JsonTemplate&&) noexcept = default;
JsonTemplate::~JsonTemplate() = default;

JsonTemplate JsonTemplate::Compile(const Json& document, const Symbols& symbols) {
  Compiler compiler{.symbols = symbols};
  compiler.Compile(document);
  JsonTemplate result;
  result.pieces_ = std::move(compiler.pieces);
  result.tail_ = std::move(compiler.literal);
  return result;
}

void JsonTemplate::Render(const Scope& scope, std::string& out) const {
  out.clear();
  for (const Piece& piece : pieces_) {
    out += piece.literal;
    piece.value.AppendJson(scope, out);
  }
  out += tail_;
}

}  // namespace perf::load
