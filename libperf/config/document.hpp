// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/config/source.hpp"

namespace perf::config {

class Diagnostics;

/// What yaml-cpp does not guard against; every file is held to these before anything walks it.
inline constexpr std::size_t kMaxFileBytes = std::size_t{16} << 20;
inline constexpr int kMaxDepth = 64;
inline constexpr std::size_t kMaxAliasNodes = 100'000;  // nodes that aliases and merge keys add
inline constexpr std::size_t kMaxNodes = 200'000;       // all nodes of a document, aliases expanded
inline constexpr int kMaxIncludeDepth = 16;
inline constexpr std::size_t kMaxIncludedFiles = 256;
inline constexpr std::size_t kMaxSecretBytes = std::size_t{64} << 10;

enum class NodeKind { kNull, kScalar, kSequence, kMap };

/// One value of a document: a handle onto immutable shared data, cheap to copy.
/// An alias shares the data of its anchor, so both have the anchor's place.
/// Thread safety: as a const object. A tree is at most kMaxDepth deep and kMaxNodes large.
class PERF_EXPORT Node {
 public:
  struct Entry;
  struct Data;

  /// A null without a place.
  Node();
  static Node MakeNull(Place at);
  static Node MakeScalar(Place at, std::string text, bool quoted);
  static Node MakeSequence(Place at, std::vector<Node> items);
  /// Requires: no two entries of the same key.
  static Node MakeMap(Place at, std::vector<Entry> entries);

  NodeKind Kind() const noexcept;
  bool IsNull() const noexcept { return Kind() == NodeKind::kNull; }
  bool IsScalar() const noexcept { return Kind() == NodeKind::kScalar; }
  bool IsSequence() const noexcept { return Kind() == NodeKind::kSequence; }
  bool IsMap() const noexcept { return Kind() == NodeKind::kMap; }
  const Place& At() const noexcept;

  /// The text of a scalar, with ${env.…} and ${file:…} resolved; "" for every other kind.
  const std::string& Text() const noexcept;
  /// As Text(), but with each '$' of a value that came from the environment or a secret file
  /// doubled: what is given to the template engine of the scenario, so that a '$' in a
  /// password is not read as a template.
  const std::string& TemplateText() const noexcept;
  /// Whether a scalar was written in quotes, as a block, or tagged !!str: text, whatever it
  /// looks like.
  bool Quoted() const noexcept;
  /// Whether a scalar holds a value from the environment or a secret file: never print it.
  bool Tainted() const noexcept;

  /// Empty for every kind but a sequence.
  const std::vector<Node>& Items() const noexcept;
  /// In the order of the file; empty for every kind but a map.
  const std::vector<Entry>& Entries() const noexcept;
  /// The value of `key` in a map, or null where there is none.
  const Node* Find(std::string_view key) const noexcept;
  const Entry* FindEntry(std::string_view key) const noexcept;

  /// Nodes of the tree below and including this one, aliases counted as often as they are used.
  std::size_t TreeSize() const noexcept;
  /// 1 for a scalar, 1 + the highest child for the rest.
  int Height() const noexcept;
  /// Whether ${env.…} or ${file:…} in a scalar could not be resolved, which has been reported:
  /// typed readers say nothing more about it.
  bool Unresolved() const noexcept;
  /// The scalar `written` after its ${env.…} and ${file:…} were resolved.
  static Node MakeResolved(const Node& written, std::string text, std::string template_text,
                           bool tainted, bool unresolved);

 private:
  explicit Node(std::shared_ptr<const Data> data) noexcept : data_(std::move(data)) {}
  std::shared_ptr<const Data> data_;
};

struct Node::Entry {
  std::string key;
  Place key_at;
  Node value;
};

/// The JSON value that a node stands for: plain true and false and plain numbers as JSON writes
/// them become what they look like; quoted scalars and everything else (007, 0x1f, yes) are text.
/// `templates` takes TemplateText() of the scalars instead of Text().
PERF_EXPORT Json ToJson(const Node& node, bool templates = false);

/// A loaded file with everything that it includes.
struct PERF_EXPORT Document {
  Node root;  // null when the file could not be read at all (then there is a diagnostic)
  std::vector<std::shared_ptr<const Source>> sources;  // the including file first
};

struct PERF_EXPORT LoadOptions {
  /// Where ${env.NAME} is looked up; empty: the environment of the process.
  std::function<std::optional<std::string>(const std::string& name)> environment;
  /// Whether `include:` and ${file:…} may open files.
  bool files = true;
};

/// Loads a YAML file, resolves ${env.NAME:-default} and ${file:PATH} in its scalars (below
/// `profiles` only in the one that is applied) and merges the files of its top-level `include:`
/// list (paths relative to the file that has the list): sequences are joined, included ones first;
/// maps are united, and a key that two files define is an error that names both places, but in
/// `vars` the including file wins; `scenario` and `description` of included files are dropped. A
/// file that is reached twice counts once. Never throws for what the file holds: problems go to
/// `diagnostics`, the first syntax error of each file and all others.
PERF_EXPORT Document LoadWithIncludes(const std::string& path, Diagnostics& diagnostics,
                                      const LoadOptions& options = {});
/// The same for text from elsewhere (standard input, a one-liner); `name` stands in messages,
/// relative paths start in the working directory.
PERF_EXPORT Document LoadText(std::string name, std::string text, Diagnostics& diagnostics,
                              const LoadOptions& options = {});

/// Sets what stands at `path` ("vars.x", "load.0.rate": map keys and sequence indices), making
/// maps on the way; `value` is YAML, its place is "--set PATH". For `--set vars.x=1`.
PERF_EXPORT void Overlay(Document& document, std::string_view path, std::string value,
                         Diagnostics& diagnostics, const LoadOptions& options = {});
/// Lays the map `profiles.NAME` over the document: maps are merged, all else is replaced.
/// Keys in `own` are not laid over but left for the caller (`duration_scale`). Returns the
/// profile; an unknown name is reported with a suggestion and gives a null node.
PERF_EXPORT Node ApplyProfile(Document& document, std::string_view name,
                              std::span<const std::string_view> own, Diagnostics& diagnostics,
                              const LoadOptions& options = {});

}  // namespace perf::config
