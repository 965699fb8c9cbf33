// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/config/diagnostics.hpp"
#include "libperf/config/document.hpp"

namespace perf::config {

/// Both ends are allowed.
template <typename T>
struct Range {
  T min;
  T max;
};

inline constexpr Range<perf::Duration> kAnyDuration{perf::Duration::zero(),
                                                    std::chrono::hours(24 * 3650)};
inline constexpr Range<std::int64_t> kAnyInteger{std::numeric_limits<std::int64_t>::min(),
                                                 std::numeric_limits<std::int64_t>::max()};
inline constexpr Range<double> kAnyNumber{std::numeric_limits<double>::lowest(),
                                          std::numeric_limits<double>::max()};
inline constexpr Range<double> kUnitFraction{0.0, 1.0};
inline constexpr Range<double> kAnyRate{0.0, 1e9};
inline constexpr Range<std::uint64_t> kAnyBytes{0, std::uint64_t{1} << 50};

/// Typed reading of single scalars. All: nothing where the node is not such a scalar, is null or
/// out of range, and then the diagnostics say which rule is broken. `vars`, where given, is the
/// scenario's map of variables: a scalar that is exactly ${vars.NAME} is read as that variable.
/// Thread safety: none. Lifetime: borrows the diagnostics and `vars`.
class PERF_EXPORT ScalarReader {
 public:
  explicit ScalarReader(Diagnostics& diagnostics, const Node* vars = nullptr)
      : diagnostics_(&diagnostics), vars_(vars) {}

  std::optional<perf::Duration> Duration(const Node& node,
                                         Range<perf::Duration> range = kAnyDuration) const;
  std::optional<std::int64_t> Integer(const Node& node,
                                      Range<std::int64_t> range = kAnyInteger) const;
  std::optional<double> Number(const Node& node, Range<double> range = kAnyNumber) const;
  /// "1%" or 0.01.
  std::optional<double> Fraction(const Node& node, Range<double> range = kUnitFraction) const;
  std::optional<double> Rate(const Node& node, Range<double> range = kAnyRate) const;
  std::optional<std::uint64_t> Bytes(const Node& node,
                                     Range<std::uint64_t> range = kAnyBytes) const;
  /// true or false, unquoted; yes, on and 1 are errors.
  std::optional<bool> Bool(const Node& node) const;
  /// Any scalar but null, as Text(); ${vars.NAME} stays, for the template engine.
  std::optional<std::string> String(const Node& node) const;
  /// The index of the text in `names`; an unknown one is reported with a suggestion.
  std::optional<std::size_t> Enum(const Node& node, std::span<const std::string_view> names) const;

  Diagnostics& Errors() const noexcept { return *diagnostics_; }
  const Node* Vars() const noexcept { return vars_; }

 private:
  const Node* Scalar(const Node& node, std::string_view rule) const;
  template <typename T>
  struct Rule {
    std::string what;
    Range<T> range;
    Range<T> any;  // a range that goes without saying
    std::optional<T> (*parse)(std::string_view) noexcept;
    std::string (*print)(T);
  };
  template <typename T>
  std::optional<T> Check(const Node& node, const Rule<T>& rule) const;

  Diagnostics* diagnostics_;
  const Node* vars_;
};

/// Typed reading of one map that knows which keys were asked for, so that Finish() can report
/// every other one. A getter returns nothing where the key is absent or (then reported) wrong:
/// `reader.Duration("timeout", {1ms, 1h}).value_or(2s)`.
/// Thread safety: none. Lifetime: borrows the diagnostics and `vars`.
class PERF_EXPORT MapReader {
 public:
  /// A null node reads as an empty map; another kind is reported. `what` names the map in
  /// messages: "target 'db'".
  MapReader(Node node, Diagnostics& diagnostics, std::string what, const Node* vars = nullptr);

  std::optional<perf::Duration> Duration(std::string_view key,
                                         Range<perf::Duration> range = kAnyDuration);
  std::optional<std::int64_t> Integer(std::string_view key,
                                      Range<std::int64_t> range = kAnyInteger);
  std::optional<double> Number(std::string_view key, Range<double> range = kAnyNumber);
  std::optional<double> Fraction(std::string_view key, Range<double> range = kUnitFraction);
  std::optional<double> Rate(std::string_view key, Range<double> range = kAnyRate);
  std::optional<std::uint64_t> Bytes(std::string_view key, Range<std::uint64_t> range = kAnyBytes);
  std::optional<bool> Bool(std::string_view key);
  std::optional<std::string> String(std::string_view key);
  std::optional<std::size_t> Enum(std::string_view key, std::span<const std::string_view> names);

  /// A reader of the map below `key`, empty where it is absent. Finish it, too.
  MapReader Child(std::string_view key);
  /// The items of the sequence below `key`.
  std::vector<Node> Items(std::string_view key);
  /// The items of the sequence of scalars below `key`.
  std::vector<std::string> Strings(std::string_view key);
  /// The named values of the map below `key`.
  std::vector<Node::Entry> Entries(std::string_view key);
  /// The value of `key` as it stands, or null where it is absent.
  const Node* Get(std::string_view key);
  /// As Get, but an absent key is reported.
  const Node* Require(std::string_view key);
  bool Has(std::string_view key) { return Get(key) != nullptr; }

  /// Reports at the value of `key`, or at the map where the key is absent.
  void Error(std::string_view key, std::string message);
  /// Reports every key that nobody asked for, with the closest asked one as a suggestion.
  void Finish();

  const Node& Self() const noexcept { return node_; }
  const std::string& What() const noexcept { return what_; }
  const ScalarReader& Scalars() const noexcept { return scalars_; }

 private:
  template <typename T, typename Read>
  std::optional<T> Typed(std::string_view key, Read read);

  Node node_;
  ScalarReader scalars_;
  std::string what_;
  std::vector<std::string> asked_;
};

}  // namespace perf::config
