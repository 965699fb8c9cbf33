// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/config/diagnostics.hpp"
#include "libperf/config/document.hpp"
#include "libperf/config/interpolate.hpp"
#include "libperf/config/yaml.hpp"

namespace perf::config {
namespace {

using Parts = std::span<const std::string_view>;

// `node` with `value` at `path`; nothing where the path runs into a scalar or past a sequence.
std::optional<Node> Replaced(const Node& node, Parts path, const Node& value) {
  if (path.empty()) return value;
  const std::string_view part = path.front();
  if (node.IsSequence()) {
    const auto index = ParseInteger(part);
    if (!index || *index < 0 || static_cast<std::size_t>(*index) >= node.Items().size()) {
      return std::nullopt;
    }
    std::vector<Node> items = node.Items();
    Node& item = items[static_cast<std::size_t>(*index)];
    const auto below = Replaced(item, path.subspan(1), value);
    if (!below) return std::nullopt;
    item = *below;
    return Node::MakeSequence(node.At(), std::move(items));
  }
  if (node.IsScalar()) return std::nullopt;
  std::vector<Node::Entry> entries = node.Entries();
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Node::Entry& entry) { return entry.key == part; });
  const Node before = found == entries.end() ? Node() : found->value;
  const auto below = Replaced(before, path.subspan(1), value);
  if (!below) return std::nullopt;
  if (found == entries.end()) {
    entries.push_back({std::string(part), value.At(), *below});
  } else {
    found->value = *below;
  }
  // A null without a place becomes a map, and messages about it need one.
  return Node::MakeMap(node.At().source ? node.At() : value.At(), std::move(entries));
}

Node Merged(const Node& base, const Node& over, Parts own) {
  if (!base.IsMap() || !over.IsMap()) return over;
  std::vector<Node::Entry> entries = base.Entries();
  std::map<std::string_view, std::size_t> index;
  for (std::size_t at = 0; at < base.Entries().size(); ++at) {
    index.emplace(base.Entries()[at].key, at);
  }
  for (const Node::Entry& entry : over.Entries()) {
    if (std::find(own.begin(), own.end(), entry.key) != own.end()) continue;
    const auto [found, fresh] = index.emplace(entry.key, entries.size());
    if (fresh) {
      entries.push_back(entry);
    } else {
      Node::Entry& old = entries[found->second];
      old.value = Merged(old.value, entry.value, {});
    }
  }
  return Node::MakeMap(base.At(), std::move(entries));
}

// What `--set` was given: YAML, or plain text where it is none ("@home", "a: b: c") and does
// not look as if it wanted to be YAML.
std::optional<Node> Value(const std::shared_ptr<const Source>& source, Diagnostics& diagnostics) {
  const std::string& text = source->Text();
  const Node plain = Node::MakeScalar({source, 1, 1}, text, true);
  if (text.empty()) return plain;
  Diagnostics attempt;
  NodeBudget budget;
  if (const auto parsed = ParseYaml(source, budget, attempt); parsed && !attempt.HasErrors()) {
    return parsed;
  }
  constexpr std::string_view kMeantAsYaml = "[{\"'|>&*!";
  if (kMeantAsYaml.find(text[0]) == std::string_view::npos && text.size() <= kMaxSecretBytes &&
      text.find('\n') == std::string::npos) {
    return plain;
  }
  for (const Diagnostic& problem : attempt.Sorted()) {
    diagnostics.Error(problem.place, problem.message, problem.suggestion);
  }
  return std::nullopt;
}

}  // namespace

void Overlay(Document& document, std::string_view path, std::string value, Diagnostics& diagnostics,
             const LoadOptions& options) {
  const auto source =
      std::make_shared<Source>(fmt::format("--set {}", Excerpt(path, 200)), std::move(value));
  const std::vector<std::string_view> parts = Split(path, '.');
  const Place whole{source, 0, 0};
  if (std::find(parts.begin(), parts.end(), std::string_view()) != parts.end()) {
    diagnostics.Error(whole, "expected a path such as vars.users or load.0.rate");
    return;
  }
  const auto node = Value(source, diagnostics);
  if (!node) return;
  if (static_cast<int>(parts.size()) + node->Height() > kMaxDepth) {
    diagnostics.Error(whole, fmt::format("nested deeper than {} levels", kMaxDepth));
    return;
  }
  const auto root = Replaced(document.root, parts, Interpolate(*node, options, diagnostics));
  if (!root) {
    diagnostics.Error(whole,
                      "the path leads through a value that is neither a map nor a "
                      "sequence with such an item");
    return;
  }
  if (root->TreeSize() > kMaxNodes) {
    diagnostics.Error(whole, fmt::format("more than {} values in one document", kMaxNodes));
    return;
  }
  document.root = *root;
  document.sources.push_back(source);
}

Node ApplyProfile(Document& document, std::string_view name, Parts own, Diagnostics& diagnostics,
                  const LoadOptions& options) {
  const Node* profiles = document.root.Find("profiles");
  const Node* written = profiles ? profiles->Find(name) : nullptr;
  if (written == nullptr) {
    std::vector<std::string_view> names;
    if (profiles) {
      for (const auto& entry : profiles->Entries()) names.emplace_back(entry.key);
    }
    diagnostics.ErrorWithSuggestion(profiles ? profiles->At() : document.root.At(),
                                    fmt::format("there is no profile '{}'", name), name, names);
    return Node();
  }
  if (!written->IsMap() && !written->IsNull()) {
    diagnostics.Error(written->At(), "a profile must be a map");
    return Node();
  }
  const Node profile = Interpolate(*written, options, diagnostics);
  if (!profile.IsMap()) return profile;
  const Node root = Merged(document.root, profile, own);
  if (root.TreeSize() > kMaxNodes) {
    diagnostics.Error(profile.At(), fmt::format("more than {} values in one document", kMaxNodes));
    return profile;
  }
  document.root = root;
  return profile;
}

}  // namespace perf::config
