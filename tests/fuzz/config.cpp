// SPDX-License-Identifier: Apache-2.0
// A scenario file before anything is known of scenarios: aliases, depth, size, odd scalars,
// expressions, overlays, and what is said of all that.
#include "libperf/config/diagnostics.hpp"
#include "libperf/config/document.hpp"
#include "libperf/config/reader.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using perf::config::DiagnosticFormat;
using perf::config::Diagnostics;
using perf::config::Node;
using perf::fuzz::Require;

// What every tree promises, and that each place lies within its file.
std::size_t Visit(const Node& node, int depth) {
  Require(depth <= perf::config::kMaxDepth, "no tree is deeper than kMaxDepth");
  const auto& at = node.At();
  if (at.source && at.line > 0) {
    Require(at.line <= at.source->Lines() && at.column >= 1, "places lie within the file");
  }
  std::size_t size = 1;
  for (const Node& item : node.Items()) size += Visit(item, depth + 1);
  for (const auto& entry : node.Entries()) {
    size += Visit(entry.value, depth + 1);
    Require(node.Find(entry.key) == &entry.value, "no key stands twice");
  }
  Require(size == node.TreeSize() && size <= perf::config::kMaxNodes, "trees know their size");
  return size;
}

void Read(const Node& root, Diagnostics& diagnostics) {
  perf::config::MapReader reader(root, diagnostics, "it", root.Find("vars"));
  reader.Duration("for");
  reader.Integer("max");
  reader.Rate("rate");
  reader.Bytes("size");
  reader.Fraction("share");
  reader.Bool("enabled");
  reader.String("scenario");
  reader.Strings("load");
  reader.Child("pool").Finish();
  reader.Finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Diagnostics diagnostics;
  perf::config::LoadOptions options;
  options.files = false;
  options.environment = [](const std::string& name) {
    return name == "SET" ? std::optional<std::string>("v$${x}\n") : std::nullopt;
  };
  const std::string text(perf::fuzz::Text(data, size));
  auto document = perf::config::LoadText("fuzz.yaml", text, diagnostics, options);
  Require(diagnostics.HasErrors() || Visit(document.root, 1) > 0, "trees have a root");
  if (document.root.TreeSize() < 2000) {
    Visit(document.root, 1);
    perf::config::ToJson(document.root, true).Dump();
    Read(document.root, diagnostics);
    perf::config::ApplyProfile(document, "fast", {}, diagnostics, options);
    const std::string path = text.substr(0, text.find('\n'));
    perf::config::Overlay(document, path, text, diagnostics, options);
    Require(document.root.Height() <= perf::config::kMaxDepth, "overlays stay within the depth");
  }
  Require(diagnostics.Render().size() < 200'000, "what is said is bounded");
  diagnostics.Render(DiagnosticFormat::kGitHub);
  return 0;
}
