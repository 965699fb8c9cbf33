// SPDX-License-Identifier: Apache-2.0
#include "libperf/config/interpolate.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::config {
namespace {

constexpr int kMaxNesting = 8;  // of ${env.A:-${env.B:-…}}

bool IsName(std::string_view text) noexcept {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '_') return false;
  }
  return true;
}

// Whether `text` begins with an expression for this stage; ${envelope} is the scenario's.
bool IsOurs(std::string_view text) noexcept {
  return text.starts_with("${env.") || text.starts_with("${env:") || text.starts_with("${env}") ||
         text.starts_with("${file:");
}

// The index of the '}' that closes the '{' at `open`, or npos.
std::size_t Closing(std::string_view text, std::size_t open) noexcept {
  std::size_t depth = 0;
  for (std::size_t at = open; at < text.size(); ++at) {
    if (text[at] == '{') ++depth;
    if (text[at] == '}' && --depth == 0) return at;
  }
  return std::string_view::npos;
}

struct Resolved {
  std::string text;
  std::string template_text;
  bool tainted = false;
  bool failed = false;
};

class Interpolator {
 public:
  Interpolator(const LoadOptions& options, Diagnostics& diagnostics)
      : options_(options), diagnostics_(diagnostics) {}

  Node Walk(const Node& node, std::string_view skip) {
    if (node.IsNull()) return node;
    if (node.IsScalar()) return Scalar(node);
    // An alias shares its items or entries with its anchor, so their address identifies both.
    const void* identity = node.IsMap() ? static_cast<const void*>(&node.Entries())
                                        : static_cast<const void*>(&node.Items());
    if (const auto found = done_.find(identity); found != done_.end()) return found->second;
    Node out = node.IsMap() ? Map(node, skip) : Sequence(node);
    done_.emplace(identity, out);
    return out;
  }

 private:
  Node Map(const Node& node, std::string_view skip) {
    std::vector<Node::Entry> entries;
    for (const Node::Entry& entry : node.Entries()) {
      const bool stays = !skip.empty() && entry.key == skip;
      entries.push_back({entry.key, entry.key_at, stays ? entry.value : Walk(entry.value, {})});
    }
    return Node::MakeMap(node.At(), std::move(entries));
  }

  Node Sequence(const Node& node) {
    std::vector<Node> items;
    for (const Node& item : node.Items()) items.push_back(Walk(item, {}));
    return Node::MakeSequence(node.At(), std::move(items));
  }

  Node Scalar(const Node& node) {
    const std::string_view text = node.Text();
    if (text.find("${env") == std::string_view::npos &&
        text.find("${file:") == std::string_view::npos) {
      return node;
    }
    Resolved resolved = Expand(text, node.At(), 0);
    return Node::MakeResolved(node, std::move(resolved.text), std::move(resolved.template_text),
                              resolved.tainted, resolved.failed);
  }

  Resolved Expand(std::string_view text, const Place& at, int nesting) {
    Resolved out;
    std::size_t from = 0;
    while (from < text.size()) {
      const std::size_t dollar = text.find('$', from);
      Copy(out, text.substr(from, dollar - from));
      if (dollar == std::string_view::npos) break;
      const std::string_view rest = text.substr(dollar);
      from = dollar + 1;
      if (rest.starts_with("$$")) {
        Copy(out, "$$");
        from = dollar + 2;
      } else if (IsOurs(rest)) {
        const std::size_t end = Closing(rest, 1);
        if (end == std::string_view::npos) {
          Fail(out, at, fmt::format("'{}' has no closing brace", Excerpt(rest, 40)));
          break;
        }
        Append(out, rest.substr(2, end - 2), at, nesting);
        from = dollar + end + 1;
      } else {
        Copy(out, "$");
      }
    }
    return out;
  }

  static void Copy(Resolved& out, std::string_view text) {
    out.text += text;
    out.template_text += text;
  }

  // `inner` is what stands between the braces.
  void Append(Resolved& out, std::string_view inner, const Place& at, int nesting) {
    if (inner.starts_with("file:")) {
      const auto secret = ReadSecret(inner.substr(5), at);
      out.failed = out.failed || !secret;
      if (secret) AppendForeign(out, *secret, at);
      return;
    }
    const std::size_t colon = inner.find(":-");
    const std::string_view head = inner.substr(0, colon);
    const std::string name(head.starts_with("env.") ? head.substr(4) : std::string_view());
    if (!IsName(name)) {
      return Fail(out, at,
                  fmt::format("'${{{}}}': expected ${{env.NAME}} or "
                              "${{env.NAME:-default}}",
                              Excerpt(inner, 60)));
    }
    const auto value = LookUp(options_, name);
    if (value && (!value->empty() || colon == std::string_view::npos)) {
      AppendForeign(out, *value, at);
    } else if (colon == std::string_view::npos) {
      Fail(out, at,
           fmt::format("the environment variable {} is not set; ${{env.{}:-default}} "
                       "gives it a default",
                       name, name));
    } else if (nesting >= kMaxNesting) {
      Fail(out, at, "defaults of environment variables are nested too deep");
    } else {
      const Resolved fallback = Expand(inner.substr(colon + 2), at, nesting + 1);
      out.text += fallback.text;
      out.template_text += fallback.template_text;
      out.tainted = out.tainted || fallback.tainted;
      out.failed = out.failed || fallback.failed;
    }
  }

  void Fail(Resolved& out, const Place& at, std::string message) {
    diagnostics_.Error(at, std::move(message));
    out.failed = true;
  }

  void AppendForeign(Resolved& out, std::string_view value, const Place& at) {
    if (value.size() > room_) {
      return Fail(out, at, "values from the environment and from files add up to over 16 MiB");
    }
    room_ -= value.size();
    out.tainted = true;
    out.text += value;
    for (const char c : value) out.template_text.append(c == '$' ? 2 : 1, c);
  }

  std::optional<std::string> ReadSecret(std::string_view path, const Place& at) {
    if (!options_.files) {
      diagnostics_.Error(at, "${file:…} is not allowed here");
      return std::nullopt;
    }
    const std::string resolved = at.Resolve(path);
    if (const std::string fault = FileFault(resolved); !fault.empty()) {
      diagnostics_.Error(at, fmt::format("cannot read '{}' ({})", resolved, fault));
      return std::nullopt;
    }
    try {
      std::string text = ReadFile(resolved, kMaxSecretBytes);
      if (text.ends_with('\n')) text.pop_back();
      if (text.ends_with('\r')) text.pop_back();
      if (text.find('\0') == std::string::npos) return text;
      diagnostics_.Error(at, fmt::format("'{}' holds a NUL byte", resolved));
    } catch (const Error& error) {
      diagnostics_.Error(at, error.what());
    }
    return std::nullopt;
  }

  const LoadOptions& options_;
  Diagnostics& diagnostics_;
  std::unordered_map<const void*, Node> done_;
  std::size_t room_ = kMaxFileBytes;
};

}  // namespace

Node Interpolate(const Node& node, const LoadOptions& options, Diagnostics& diagnostics,
                 std::string_view skip) {
  return Interpolator(options, diagnostics).Walk(node, skip);
}

std::optional<std::string> LookUp(const LoadOptions& options, const std::string& name) {
  if (options.environment) return options.environment(name);
  const char* value = std::getenv(name.c_str());
  return value ? std::optional<std::string>(value) : std::nullopt;
}

std::string FileFault(const std::string& path) {
  std::error_code failure;
  const auto status = std::filesystem::status(path, failure);
  if (!std::filesystem::exists(status)) return failure ? failure.message() : "no such file";
  // A pipe could block for ever, and /dev/zero has no end.
  if (!std::filesystem::is_regular_file(status)) return "not a regular file";
  return {};
}

}  // namespace perf::config
