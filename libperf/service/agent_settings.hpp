// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace perf::service {

struct AgentConfig;

/// What a setting's text must be.
enum class SettingKind : std::uint8_t {
  kWhole,    // a whole number within the range
  kNumber,   // a number within the range
  kBool,     // true or false, in any case of letters
  kWord,     // one of `words`
  kUrl,      // its scheme is one of `words`; may hold a password
  kPath,     // absolute
  kAddress,  // HOST:PORT
};

/// A setting's value, read.
struct SettingValue {
  std::string text;
  std::int64_t whole = 0;
  double number = 0;
  bool flag = false;
};

/// One row of the table of all settings.
struct Setting {
  std::string_view key;
  std::string_view variable;
  std::string_view fallback;
  SettingKind kind = SettingKind::kWhole;
  double min = 0, max = 0;
  std::string_view words{};  // separated by '|'
  void (*apply)(AgentConfig&, const SettingValue&) = nullptr;
};

/// All single settings, in the order in which they are shown.
std::span<const Setting> Settings() noexcept;
/// Nothing for a text that breaks the setting's rule.
std::optional<SettingValue> ReadSetting(const Setting& setting, std::string_view text);
/// The rule for people: "expected a whole number between 1 and 10000".
std::string RuleOf(const Setting& setting);

}  // namespace perf::service
