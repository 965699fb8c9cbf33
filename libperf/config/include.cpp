// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/config/diagnostics.hpp"
#include "libperf/config/document.hpp"
#include "libperf/config/interpolate.hpp"
#include "libperf/config/yaml.hpp"

namespace perf::config {
namespace {

using Entries = std::vector<Node::Entry>;

std::string Canonical(const std::string& path) {
  std::error_code failure;
  const auto canonical = std::filesystem::canonical(path, failure);
  return failure ? path : canonical.string();
}

std::string DirectoryOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {};
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A UTF-8 byte order mark is no part of the text.
std::string StripMark(std::string text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

class Loader {
 public:
  Loader(Diagnostics& diagnostics, const LoadOptions& options)
      : diagnostics_(diagnostics), options_(options) {}

  Document Load(std::shared_ptr<const Source> source, const std::string& identity) {
    chain_.push_back({identity, source->Name()});
    const auto root = Tree(std::move(source));
    Document document;
    if (root) document.root = *root;
    document.sources = std::move(sources_);
    return document;
  }

 private:
  struct Link {
    std::string identity;
    std::string name;
  };

  // The tree of one file with all that it includes, without its key `include`.
  std::optional<Node> Tree(std::shared_ptr<const Source> source) {
    sources_.push_back(source);
    const auto written = ParseYaml(source, budget_, diagnostics_);
    if (!written) return std::nullopt;
    const Node own = Interpolate(*written, options_, diagnostics_, "profiles");
    const Node* includes = own.Find("include");
    if (includes == nullptr) return own;

    Entries entries;
    std::vector<Node> files = includes->Items();
    if (includes->IsScalar()) files.push_back(*includes);
    if (includes->IsMap()) diagnostics_.Error(includes->At(), "expected a list of files");
    for (const Node& file : files) {
      if (const auto included = Included(file)) Unite(entries, included->Entries(), true);
    }
    Entries rest = own.Entries();
    std::erase_if(rest, [](const Node::Entry& entry) { return entry.key == "include"; });
    Unite(entries, rest, false);
    return Node::MakeMap(own.At(), std::move(entries));
  }

  std::optional<Node> Included(const Node& file) {
    if (!file.IsScalar() || file.Text().empty()) {
      diagnostics_.Error(file.At(), "expected the path of a file");
      return std::nullopt;
    }
    if (!options_.files) {
      diagnostics_.Error(file.At(), "include is not allowed here");
      return std::nullopt;
    }
    const std::string path = file.At().Resolve(file.Text());
    const std::string identity = Canonical(path);
    if (Refused(file.At(), path, identity)) return std::nullopt;
    if (!loaded_.insert(identity).second) return std::nullopt;
    std::optional<Node> tree;
    try {
      auto source = std::make_shared<Source>(path, StripMark(ReadFile(path, kMaxFileBytes + 3)),
                                             DirectoryOf(path));
      chain_.push_back({identity, path});
      tree = Tree(std::move(source));
      chain_.pop_back();
    } catch (const ConfigError& error) {
      diagnostics_.Error(file.At(), error.what());
      return std::nullopt;
    }
    if (tree && !tree->IsMap() && !tree->IsNull()) {
      diagnostics_.Error(tree->At(), "an included file must be a map");
      return std::nullopt;
    }
    return tree;
  }

  bool Refused(const Place& at, const std::string& path, const std::string& identity) {
    const auto same = [&](const Link& link) { return link.identity == identity; };
    if (const auto start = std::find_if(chain_.begin(), chain_.end(), same);
        start != chain_.end()) {
      std::string chain;
      for (auto link = start; link != chain_.end(); ++link) chain += link->name + " -> ";
      diagnostics_.Error(at, fmt::format("cyclic include: {}{}", chain, path));
      return true;
    }
    if (const std::string fault = FileFault(path); !fault.empty()) {
      diagnostics_.Error(at, fmt::format("cannot include '{}' ({})", path, fault));
      return true;
    }
    if (static_cast<int>(chain_.size()) > kMaxIncludeDepth) {
      diagnostics_.Error(at, fmt::format("includes nested deeper than {}", kMaxIncludeDepth));
      return true;
    }
    if (loaded_.size() >= kMaxIncludedFiles) {
      diagnostics_.Error(at, fmt::format("more than {} included files", kMaxIncludedFiles));
      return true;
    }
    return false;
  }

  void Twice(const Node::Entry& first, const Node::Entry& second, std::string_view section) {
    const std::string where = section.empty() ? "" : fmt::format(" of '{}'", section);
    diagnostics_.Error(second.key_at,
                       fmt::format("key '{}'{} is already defined at {}", Excerpt(second.key, 60),
                                   where, first.key_at.Describe()));
  }

  // Adds the top-level entries of one file to those of the files before it.
  void Unite(Entries& entries, const Entries& more, bool included) {
    for (const Node::Entry& entry : more) {
      if (included && (entry.key == "scenario" || entry.key == "description")) continue;
      const auto same = [&](const Node::Entry& other) { return other.key == entry.key; };
      const auto found = std::find_if(entries.begin(), entries.end(), same);
      if (found == entries.end()) {
        entries.push_back(entry);
      } else if (entry.value.IsNull()) {
        continue;
      } else if (found->value.IsNull()) {
        found->value = entry.value;
      } else if (found->value.IsMap() && entry.value.IsMap()) {
        found->value = UniteMaps(*found, entry, !included && entry.key == "vars");
      } else if (found->value.IsSequence() && entry.value.IsSequence()) {
        std::vector<Node> items = found->value.Items();
        items.insert(items.end(), entry.value.Items().begin(), entry.value.Items().end());
        found->value = Node::MakeSequence(entry.value.At(), std::move(items));
      } else {
        Twice(*found, entry, {});
      }
    }
  }

  Node UniteMaps(const Node::Entry& first, const Node::Entry& second, bool replace) {
    Entries entries = first.value.Entries();
    std::map<std::string_view, std::size_t> index;
    for (std::size_t at = 0; at < first.value.Entries().size(); ++at) {
      index.emplace(first.value.Entries()[at].key, at);
    }
    for (const Node::Entry& entry : second.value.Entries()) {
      const auto [found, fresh] = index.emplace(entry.key, entries.size());
      if (fresh) {
        entries.push_back(entry);
      } else if (replace) {
        entries[found->second] = entry;
      } else {
        Twice(entries[found->second], entry, second.key);
      }
    }
    return Node::MakeMap(second.value.At(), std::move(entries));
  }

  Diagnostics& diagnostics_;
  const LoadOptions& options_;
  NodeBudget budget_;
  std::vector<Link> chain_;  // from the first file to the one being read
  std::set<std::string> loaded_;
  std::vector<std::shared_ptr<const Source>> sources_;
};

}  // namespace

Document LoadWithIncludes(const std::string& path, Diagnostics& diagnostics,
                          const LoadOptions& options) {
  try {
    // Three bytes more than allowed: a byte order mark does not count.
    auto source = std::make_shared<Source>(path, StripMark(ReadFile(path, kMaxFileBytes + 3)),
                                           DirectoryOf(path));
    return Loader(diagnostics, options).Load(std::move(source), Canonical(path));
  } catch (const ConfigError& error) {
    auto source = std::make_shared<Source>(path, std::string());
    // The place names the file already.
    std::string message = error.what();
    if (message.starts_with(path + ": ")) message.erase(0, path.size() + 2);
    diagnostics.Error({source, 0, 0}, std::move(message));
    return {Node(), {std::move(source)}};
  }
}

Document LoadText(std::string name, std::string text, Diagnostics& diagnostics,
                  const LoadOptions& options) {
  auto source = std::make_shared<Source>(std::move(name), StripMark(std::move(text)));
  return Loader(diagnostics, options).Load(std::move(source), {});
}

}  // namespace perf::config
