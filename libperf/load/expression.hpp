// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libperf/base/json.hpp"
#include "libperf/load/template.hpp"

namespace perf::load {

/// The inside of one `${…}`, compiled: a value that is known already, or an expression.
struct CompiledExpression {
  std::optional<Json> constant;
  std::unique_ptr<Expression> expression;  // null where `constant` is set
};

/// `body` is what stands between the braces, at byte `offset` of the whole text.
/// Throws: TemplateError. Thread safety: pure.
CompiledExpression CompileExpression(std::string_view body, std::size_t offset,
                                     const Symbols& symbols);

/// Compiles a call: `name(arguments)`; `arguments` stands at byte `arguments_offset`.
/// Throws: TemplateError. Thread safety: pure.
CompiledExpression CompileCall(std::string_view name, std::size_t offset,
                               std::string_view arguments, std::size_t arguments_offset,
                               const Symbols& symbols);

/// Appends what Json::ToText and Json::Dump return, without their temporaries for scalars.
void AppendText(const Json& value, std::string& out);
void AppendJsonText(const Json& value, std::string& out);
/// Appends `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
void AppendJsonString(std::string_view text, std::string& out);
/// Turns what stands in `out` from byte `from` on into a JSON string with its quotes, in place.
void QuoteJsonTail(std::string& out, std::size_t from);
void AppendInteger(std::int64_t value, std::string& out);

}  // namespace perf::load
