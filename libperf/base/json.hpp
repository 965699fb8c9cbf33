// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "libperf/base/export.hpp"

namespace perf {

/// A JSON value; objects keep the order in which their members were added.
/// Thread safety: as a standard container. Parsing and printing are done by nlohmann-json,
/// behind json.cpp; no foreign type shows here.
class PERF_EXPORT Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() noexcept = default;  // null
  Json(std::nullptr_t) noexcept {}
  Json(bool value) : value_(value) {}
  Json(int value) : value_(std::int64_t{value}) {}
  Json(unsigned value) : value_(std::int64_t{value}) {}
  Json(std::int64_t value) : value_(value) {}
  /// Values above the range of int64 become doubles.
  Json(std::uint64_t value);
  /// A value that is not finite prints as null: JSON has no other word for it.
  Json(double value) : value_(value) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}
  static Json MakeObject() { return Json(Object{}); }
  static Json MakeArray() { return Json(Array{}); }

  /// Throws: ConfigError with line and column for text that is not one JSON value, that is
  /// nested deeper than 512 levels, or that is not UTF-8. Of repeated members the last wins.
  static Json Parse(std::string_view text);
  /// As Parse, but nothing for bad text: for bodies that a server sent.
  static std::optional<Json> TryParse(std::string_view text) noexcept;
  /// One line where `indent` is negative; bytes that are not UTF-8 are replaced by U+FFFD.
  std::string Dump(int indent = -1) const;

  bool IsNull() const noexcept { return value_.index() == 0; }
  bool IsBool() const noexcept { return value_.index() == 1; }
  bool IsInt() const noexcept { return value_.index() == 2; }
  bool IsDouble() const noexcept { return value_.index() == 3; }
  bool IsNumber() const noexcept { return IsInt() || IsDouble(); }
  bool IsString() const noexcept { return value_.index() == 4; }
  bool IsArray() const noexcept { return value_.index() == 5; }
  bool IsObject() const noexcept { return value_.index() == 6; }

  /// Throws: Error when the value is of another kind.
  bool AsBool() const;
  std::int64_t AsInt() const;
  double AsDouble() const;  // also of an integer
  const std::string& AsString() const;
  const Array& AsArray() const;
  Array& AsArray();
  const Object& AsObject() const;
  Object& AsObject();

  /// The member of that name of an object, or null where there is none.
  const Json* Find(std::string_view name) const noexcept;
  Json* Find(std::string_view name) noexcept;
  /// The member of that name, added as null where there is none; a null value becomes an object.
  Json& operator[](std::string_view name);
  /// Appends to an array; a null value becomes one.
  Json& Append(Json value);
  /// RFC 6901; null where nothing stands there or the pointer is malformed.
  const Json* AtPointer(std::string_view pointer) const noexcept;
  /// Text of a scalar without quotes ("" for null); JSON text of the rest.
  std::string ToText() const;

  /// By value: 1 equals 1.0, and the order of members has no say.
  friend PERF_EXPORT bool operator==(const Json& a, const Json& b);

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

}  // namespace perf
