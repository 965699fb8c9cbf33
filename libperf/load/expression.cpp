// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/expression.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "libperf/base/text.hpp"

namespace perf::load {

Expression::~Expression() = default;

namespace {

constexpr std::size_t kShown = 60;  // bytes of a text quoted in a message

class FieldExpression final : public Expression {
 public:
  explicit FieldExpression(std::int64_t Scope::* field) : field_(field) {}
  Json Evaluate(const Scope& scope) const override { return Json(scope.*field_); }
  void Append(const Scope& scope, std::string& out) const override {
    AppendInteger(scope.*field_, out);
  }
  void AppendJson(const Scope& scope, std::string& out) const override { Append(scope, out); }

 private:
  std::int64_t Scope::* field_;
};

/// RFC 4122 version 4, from the seeded generator: unique in a run and the same in its repetition.
class UuidExpression final : public Expression {
 public:
  Json Evaluate(const Scope& scope) const override {
    std::string text;
    Append(scope, text);
    return Json(std::move(text));
  }

  void Append(const Scope& scope, std::string& out) const override {
    constexpr std::string_view kHex = "0123456789abcdef";
    constexpr std::uint64_t kVersion = 0x4000, kVersionMask = 0xF000;
    constexpr std::uint64_t kVariant = 1ULL << 63, kVariantMask = 3ULL << 62;
    const std::uint64_t high = (scope.random->Next() & ~kVersionMask) | kVersion;
    const std::uint64_t low = (scope.random->Next() & ~kVariantMask) | kVariant;
    std::array<char, 36> form;
    std::size_t at = 0;
    for (int nibble = 0; nibble < 32; ++nibble) {
      if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) form[at++] = '-';
      const std::uint64_t word = nibble < 16 ? high : low;
      form[at++] = kHex[(word >> (60 - nibble % 16 * 4)) & 15];
    }
    out.append(form.data(), form.size());
  }

  void AppendJson(const Scope& scope, std::string& out) const override {
    out += '"';
    Append(scope, out);
    out += '"';
  }
};

/// A captured or set value, or what stands at a JSON pointer of it.
class SlotExpression final : public Expression {
 public:
  SlotExpression(std::size_t slot, std::string_view pointer) : slot_(slot), pointer_(pointer) {}
  Json Evaluate(const Scope& scope) const override {
    const Json* value = Find(scope);
    return value != nullptr ? *value : Json();
  }
  void Append(const Scope& scope, std::string& out) const override {
    if (const Json* value = Find(scope)) AppendText(*value, out);
  }
  void AppendJson(const Scope& scope, std::string& out) const override {
    const Json* value = Find(scope);
    if (value == nullptr) {
      out += "null";
    } else {
      AppendJsonText(*value, out);
    }
  }

 private:
  const Json* Find(const Scope& scope) const noexcept {
    if (slot_ >= scope.values.size()) return nullptr;
    const Json& value = scope.values[slot_];
    return pointer_.empty() ? &value : value.AtPointer(pointer_);
  }

  std::size_t slot_;
  std::string pointer_;
};

class CellExpression final : public Expression {
 public:
  CellExpression(std::size_t data_set, std::size_t column) : data_set_(data_set), column_(column) {}
  Json Evaluate(const Scope& scope) const override {
    const std::string* cell = Find(scope);
    return cell != nullptr ? Json(*cell) : Json();
  }
  void Append(const Scope& scope, std::string& out) const override {
    if (const std::string* cell = Find(scope)) out += *cell;
  }
  void AppendJson(const Scope& scope, std::string& out) const override {
    const std::string* cell = Find(scope);
    if (cell == nullptr) {
      out += "null";
    } else {
      AppendJsonString(*cell, out);
    }
  }

 private:
  const std::string* Find(const Scope& scope) const noexcept {
    if (data_set_ >= scope.rows.size()) return nullptr;
    const std::vector<std::string>* row = scope.rows[data_set_];
    return row != nullptr && column_ < row->size() ? &(*row)[column_] : nullptr;
  }

  std::size_t data_set_;
  std::size_t column_;
};

template <typename T, typename... Args>
CompiledExpression Make(Args&&... args) {
  return {std::nullopt, std::make_unique<T>(std::forward<Args>(args)...)};
}

void CheckPointer(std::string_view pointer, std::size_t offset) {
  for (std::size_t i = pointer.find('~'); i != std::string_view::npos;
       i = pointer.find('~', i + 1)) {
    const char next = i + 1 < pointer.size() ? pointer[i + 1] : '\0';
    if (next != '0' && next != '1') {
      throw TemplateError(offset + i, "in a JSON pointer '~' stands only as '~0' or '~1'");
    }
  }
}

/// A constant or a slot, with the JSON pointer behind it; nothing where `name` is neither.
std::optional<CompiledExpression> Named(std::string_view name, std::string_view pointer,
                                        std::size_t offset, const Symbols& symbols) {
  const Json* constant = symbols.Constant(name);
  const std::optional<std::size_t> slot = symbols.Slot(name);
  if (constant == nullptr && !slot) return std::nullopt;
  CheckPointer(pointer, offset + name.size());
  if (constant == nullptr) return Make<SlotExpression>(*slot, pointer);
  const Json* value = constant->AtPointer(pointer);
  if (value == nullptr) {
    throw TemplateError(offset + name.size(),
                        fmt::format("'{}' has nothing at '{}'", name, Excerpt(pointer, kShown)));
  }
  return CompiledExpression{*value, nullptr};
}

std::optional<CompiledExpression> Builtin(std::string_view name, std::size_t offset) {
  if (name == "uuid") return Make<UuidExpression>();
  if (name == "seq") return Make<FieldExpression>(&Scope::seq);
  if (name == "user.id") return Make<FieldExpression>(&Scope::user_id);
  if (name == "iteration") return Make<FieldExpression>(&Scope::iteration);
  if (name == "rand.int" || name == "rand.zipf" || name == "rand.choice") {
    throw TemplateError(offset, fmt::format("'{}' needs arguments, as in '{}'", name,
                                            name == "rand.int"    ? "rand.int(1,6)"
                                            : name == "rand.zipf" ? "rand.zipf(1000,1.0)"
                                                                  : "rand.choice(de,en)"));
  }
  return std::nullopt;
}

std::optional<CompiledExpression> Column(std::string_view name, std::size_t offset,
                                         const Symbols& symbols) {
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const DataColumns* data = symbols.DataSet(name.substr(0, dot));
  if (data == nullptr) return std::nullopt;
  const std::string_view column = name.substr(dot + 1);
  const auto found = std::find(data->names.begin(), data->names.end(), column);
  if (found != data->names.end()) {
    return Make<CellExpression>(data->data_set,
                                static_cast<std::size_t>(found - data->names.begin()));
  }
  const std::vector<std::string_view> columns(data->names.begin(), data->names.end());
  throw TemplateError(
      offset + dot + 1,
      fmt::format("data set '{}' has no column '{}'", name.substr(0, dot), Excerpt(column, kShown)),
      std::string(Suggest(column, columns)));
}

void RefuseLoadTime(std::string_view body, std::size_t offset) {
  if (!body.starts_with("env.") && !body.starts_with("file:")) return;
  throw TemplateError(offset,
                      fmt::format("'${{{}}}' is resolved when the scenario is loaded, and cannot "
                                  "stand in a value that is made during the run",
                                  Excerpt(body, kShown)));
}

[[noreturn]] void FailUnknown(std::string_view name, std::size_t offset, const Symbols& symbols) {
  const std::vector<std::string_view> names = symbols.AllNames();
  std::string suggestion(Suggest(name, names));
  // "userid" is too far from "vars.userid" as words go, but plainly meant.
  if (const std::string variable = fmt::format("vars.{}", name);
      suggestion.empty() && symbols.Constant(variable) != nullptr) {
    suggestion = variable;
  }
  throw TemplateError(offset, fmt::format("nothing is named '{}' here", Excerpt(name, kShown)),
                      std::move(suggestion));
}

}  // namespace

CompiledExpression CompileExpression(std::string_view body, std::size_t offset,
                                     const Symbols& symbols) {
  const std::size_t first = body.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) {
    throw TemplateError(offset, "'${}' names nothing (write '$${' for a literal '${')");
  }
  body = Trim(body);
  offset += first;
  RefuseLoadTime(body, offset);
  if (const std::size_t inner = body.find("${"); inner != std::string_view::npos) {
    throw TemplateError(offset + inner, "'${…}' does not nest");
  }
  if (std::optional<CompiledExpression> builtin = Builtin(body, offset)) {
    return std::move(*builtin);
  }
  if (std::optional<CompiledExpression> named = Named(body, "", offset, symbols)) {
    return std::move(*named);
  }
  // Before calls: the name of a column may hold parentheses and slashes.
  if (std::optional<CompiledExpression> column = Column(body, offset, symbols)) {
    return std::move(*column);
  }
  const std::size_t open = body.find('(');
  const std::size_t slash = body.find('/');
  if (open < slash) {
    if (body.back() != ')') throw TemplateError(offset + open, "'(' without its ')'");
    const std::string_view arguments = body.substr(open + 1, body.size() - open - 2);
    return CompileCall(Trim(body.substr(0, open)), offset, arguments, offset + open + 1, symbols);
  }
  const std::string_view name = body.substr(0, slash);
  if (slash != std::string_view::npos) {
    if (auto named = Named(name, body.substr(slash), offset, symbols)) return std::move(*named);
  }
  FailUnknown(name, offset, symbols);
}

}  // namespace perf::load
