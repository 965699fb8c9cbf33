// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "libperf/base/error.hpp"

namespace perf {
namespace {

using Foreign = nlohmann::json;
constexpr std::size_t kDeepest = 512;

/// Builds a Json from the parser's events, so that neither its depth nor its members' order is
/// left to the foreign document type.
class Builder : public nlohmann::json_sax<Foreign> {
 public:
  bool null() override { return Put(Json()); }
  bool boolean(bool value) override { return Put(Json(value)); }
  bool number_integer(std::int64_t value) override { return Put(Json(value)); }
  bool number_unsigned(std::uint64_t value) override { return Put(Json(value)); }
  bool number_float(double value, const std::string&) override { return Put(Json(value)); }
  bool string(std::string& value) override { return Put(Json(std::move(value))); }
  bool binary(Foreign::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Open(Json::MakeObject()); }
  bool start_array(std::size_t) override { return Open(Json::MakeArray()); }
  bool end_array() override { return Close(); }

  bool key(std::string& name) override {
    open_.back().AsObject().emplace_back(std::move(name), Json());
    return true;
  }

  bool end_object() override {
    DropRepeated(open_.back().AsObject());
    return Close();
  }

  bool parse_error(std::size_t position, const std::string&,
                   const Foreign::exception& error) override {
    position_ = position;
    reason_ = error.what();
    return false;
  }

  Json TakeRoot() { return std::move(root_); }
  std::size_t Position() const noexcept { return position_; }
  /// Empty when the nesting was the reason.
  const std::string& Reason() const noexcept { return reason_; }

 private:
  bool Open(Json value) {
    if (open_.size() >= kDeepest) return false;
    open_.push_back(std::move(value));
    return true;
  }

  bool Close() {
    Json done = std::move(open_.back());
    open_.pop_back();
    return Put(std::move(done));
  }

  bool Put(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().IsArray()) {
      open_.back().AsArray().push_back(std::move(value));
    } else {
      open_.back().AsObject().back().second = std::move(value);
    }
    return true;
  }

  /// Of members with the same name the last wins and stands where the first stood.
  static void DropRepeated(Json::Object& members) {
    if (members.size() < 2) return;
    std::vector<std::size_t> order(members.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    // Sorted, not searched one by one: a hostile body may have a million members.
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const int names = members[a].first.compare(members[b].first);
      return names != 0 ? names < 0 : a < b;
    });
    std::vector<bool> dropped(members.size());
    bool any = false;
    for (std::size_t first = 0, i = 1; i < order.size(); ++i) {
      if (members[order[i]].first != members[order[first]].first) {
        first = i;
        continue;
      }
      members[order[first]].second = std::move(members[order[i]].second);
      dropped[order[i]] = true;
      any = true;
    }
    if (!any) return;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (dropped[i]) continue;
      if (kept != i) members[kept] = std::move(members[i]);
      ++kept;
    }
    members.resize(kept);
  }

  Json root_;
  std::vector<Json> open_;
  std::size_t position_ = 0;
  std::string reason_;
};

bool ParseInto(Builder& builder, std::string_view text) {
  return Foreign::sax_parse(text.begin(), text.end(), &builder);
}

[[noreturn]] void Explain(std::string_view text, const Builder& builder) {
  if (builder.Reason().empty()) {
    throw ConfigError(fmt::format("JSON nested deeper than {} levels", kDeepest));
  }
  const std::string_view read = text.substr(0, builder.Position() > 0 ? builder.Position() - 1 : 0);
  const auto line = 1 + std::count(read.begin(), read.end(), '\n');
  const std::size_t border = read.rfind('\n');
  const std::size_t column = 1 + read.size() - (border == std::string_view::npos ? 0 : border + 1);
  // The foreign message starts with its own number and place; ours stand before it.
  std::string_view reason = builder.Reason();
  const std::size_t colon = reason.find(": ");
  if (colon != std::string_view::npos) reason.remove_prefix(colon + 2);
  throw ConfigError(fmt::format("JSON line {}, column {}: {}", line, column, reason));
}

std::string Number(double value) {
  if (!std::isfinite(value)) return "null";
  std::string text = fmt::format("{}", value);
  // Stays a double when it is read back.
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

void WriteString(std::string& out, const std::string& text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c >= 0x20 && c != 0x7F && c != '"' && c != '\\';
  });
  if (plain) {
    out += '"';
    out += text;
    out += '"';
  } else {
    out += Foreign(text).dump(-1, ' ', false, Foreign::error_handler_t::replace);
  }
}

class Writer {
 public:
  explicit Writer(int indent) : indent_(indent) {}

  void Write(const Json& value, int depth) {
    if (value.IsNull()) {
      out_ += "null";
    } else if (value.IsBool()) {
      out_ += value.AsBool() ? "true" : "false";
    } else if (value.IsInt()) {
      fmt::format_to(std::back_inserter(out_), "{}", value.AsInt());
    } else if (value.IsDouble()) {
      out_ += Number(value.AsDouble());
    } else if (value.IsString()) {
      WriteString(out_, value.AsString());
    } else if (value.IsArray()) {
      WriteAll('[', ']', value.AsArray(), depth,
               [&](const Json& element) { Write(element, depth + 1); });
    } else {
      WriteAll('{', '}', value.AsObject(), depth, [&](const Json::Member& member) {
        WriteString(out_, member.first);
        out_ += indent_ < 0 ? ":" : ": ";
        Write(member.second, depth + 1);
      });
    }
  }

  std::string Take() { return std::move(out_); }

 private:
  template <typename Elements, typename WriteOne>
  void WriteAll(char open, char close, const Elements& elements, int depth, WriteOne write) {
    out_ += open;
    bool first = true;
    for (const auto& element : elements) {
      if (!first) out_ += ',';
      first = false;
      BreakLine(depth + 1);
      write(element);
    }
    if (!first) BreakLine(depth);
    out_ += close;
  }

  void BreakLine(int depth) {
    if (indent_ < 0) return;
    out_ += '\n';
    out_.append(static_cast<std::size_t>(indent_) * static_cast<std::size_t>(depth), ' ');
  }

  int indent_;
  std::string out_;
};

/// Undoes "~1" and "~0"; false for any other use of '~'.
bool Unescape(std::string_view token, std::string& name) {
  name.clear();
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '~') {
      name += token[i];
      continue;
    }
    if (++i == token.size() || (token[i] != '0' && token[i] != '1')) return false;
    name += token[i] == '0' ? '~' : '/';
  }
  return true;
}

const Json* ElementAt(const Json::Array& elements, std::string_view token) noexcept {
  // RFC 6901 forbids leading zeros; nine digits are more than any document has.
  if (token.empty() || token.size() > 9 || (token[0] == '0' && token.size() > 1)) return nullptr;
  std::size_t index = 0;
  for (const char c : token) {
    if (c < '0' || c > '9') return nullptr;
    index = index * 10 + static_cast<std::size_t>(c - '0');
  }
  return index < elements.size() ? &elements[index] : nullptr;
}

template <typename T, typename Variant>
T& Get(Variant& value, std::string_view kind) {
  if (auto* held = std::get_if<std::remove_const_t<T>>(&value)) return *held;
  throw Error(fmt::format("JSON value is not {}", kind));
}

}  // namespace

Json::Json(std::uint64_t value) {
  if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    value_ = static_cast<std::int64_t>(value);
  } else {
    value_ = static_cast<double>(value);
  }
}

Json Json::Parse(std::string_view text) {
  Builder builder;
  if (!ParseInto(builder, text)) Explain(text, builder);
  return builder.TakeRoot();
}

std::optional<Json> Json::TryParse(std::string_view text) noexcept {
  try {
    Builder builder;
    if (!ParseInto(builder, text)) return std::nullopt;
    return builder.TakeRoot();
  } catch (const std::exception&) {
    return std::nullopt;  // out of memory
  }
}

std::string Json::Dump(int indent) const {
  Writer writer(indent);
  writer.Write(*this, 0);
  return writer.Take();
}

bool Json::AsBool() const { return Get<const bool>(value_, "a boolean"); }
std::int64_t Json::AsInt() const { return Get<const std::int64_t>(value_, "an integer"); }
double Json::AsDouble() const {
  if (IsInt()) return static_cast<double>(AsInt());
  return Get<const double>(value_, "a number");
}
const std::string& Json::AsString() const { return Get<const std::string>(value_, "a string"); }
const Json::Array& Json::AsArray() const { return Get<const Array>(value_, "an array"); }
Json::Array& Json::AsArray() { return Get<Array>(value_, "an array"); }
const Json::Object& Json::AsObject() const { return Get<const Object>(value_, "an object"); }
Json::Object& Json::AsObject() { return Get<Object>(value_, "an object"); }

const Json* Json::Find(std::string_view name) const noexcept {
  const Object* members = std::get_if<Object>(&value_);
  if (members == nullptr) return nullptr;
  for (const Member& member : *members) {
    if (member.first == name) return &member.second;
  }
  return nullptr;
}

Json* Json::Find(std::string_view name) noexcept {
  return const_cast<Json*>(std::as_const(*this).Find(name));
}

Json& Json::operator[](std::string_view name) {
  if (IsNull()) value_ = Object{};
  if (Json* found = Find(name)) return *found;
  return AsObject().emplace_back(std::string(name), Json()).second;
}

Json& Json::Append(Json value) {
  if (IsNull()) value_ = Array{};
  return AsArray().emplace_back(std::move(value));
}

const Json* Json::AtPointer(std::string_view pointer) const noexcept {
  const Json* at = this;
  std::string name;
  while (at != nullptr && !pointer.empty()) {
    if (pointer.front() != '/') return nullptr;
    pointer.remove_prefix(1);
    const std::string_view token = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(token.size());
    if (!Unescape(token, name)) return nullptr;
    at = at->IsArray() ? ElementAt(*std::get_if<Array>(&at->value_), name) : at->Find(name);
  }
  return at;
}

std::string Json::ToText() const {
  if (IsNull()) return {};
  return IsString() ? AsString() : Dump();
}

bool operator==(const Json& a, const Json& b) {
  if (a.IsNumber() && b.IsNumber()) {
    return a.IsInt() && b.IsInt() ? a.AsInt() == b.AsInt() : a.AsDouble() == b.AsDouble();
  }
  if (!a.IsObject() || !b.IsObject()) return a.value_ == b.value_;
  const Json::Object& left = a.AsObject();
  const Json::Object& right = b.AsObject();
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    // Mostly both are in the same order.
    const Json* other = left[i].first == right[i].first ? &right[i].second : b.Find(left[i].first);
    if (other == nullptr || !(left[i].second == *other)) return false;
  }
  return true;
}

}  // namespace perf
