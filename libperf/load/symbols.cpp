// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <utility>

#include "libperf/load/template.hpp"

namespace perf::load {
namespace {

constexpr std::array<std::string_view, 7> kReserved{
    "uuid", "seq", "user.id", "iteration", "rand.int", "rand.zipf", "rand.choice"};
// What stands before their dots. (${file:…} has a colon, which no name has.)
constexpr std::array<std::string_view, 4> kReservedGroups{"vars", "env", "user", "rand"};

}  // namespace

void Symbols::AddConstant(std::string name, Json value) {
  constants_.insert_or_assign(std::move(name), std::move(value));
}

void Symbols::AddDataSet(std::string name, DataColumns columns) {
  for (const std::string& column : columns.names) columns_.insert(name + "." + column);
  data_sets_.insert_or_assign(std::move(name), std::move(columns));
}

std::size_t Symbols::AddSlot(const std::string& name) {
  return slots_.try_emplace(name, slots_.size()).first->second;
}

const Json* Symbols::Constant(std::string_view name) const {
  const auto found = constants_.find(name);
  return found == constants_.end() ? nullptr : &found->second;
}

std::optional<std::size_t> Symbols::Slot(std::string_view name) const {
  const auto found = slots_.find(name);
  return found == slots_.end() ? std::nullopt : std::optional(found->second);
}

const DataColumns* Symbols::DataSet(std::string_view name) const {
  const auto found = data_sets_.find(name);
  return found == data_sets_.end() ? nullptr : &found->second;
}

std::vector<std::string_view> Symbols::AllNames() const {
  std::vector<std::string_view> names(kReserved.begin(), kReserved.end());
  for (const auto& [name, value] : constants_) names.push_back(name);
  for (const auto& [name, slot] : slots_) names.push_back(name);
  names.insert(names.end(), columns_.begin(), columns_.end());
  return names;
}

bool Symbols::IsReserved(std::string_view name) noexcept {
  return std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end() ||
         std::find(kReservedGroups.begin(), kReservedGroups.end(), name) != kReservedGroups.end();
}

}  // namespace perf::load
