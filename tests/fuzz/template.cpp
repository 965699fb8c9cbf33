// SPDX-License-Identifier: Apache-2.0
// Expressions in scenarios, rendered over values that a server may have sent.
#include "libperf/load/template.hpp"

#include <string>

#include "tests/fuzz/require.hpp"

using perf::Json;
using perf::fuzz::Require;
using perf::load::JsonTemplate;
using perf::load::Scope;
using perf::load::Symbols;
using perf::load::Template;

namespace {

Symbols MakeSymbols() {
  Symbols symbols;
  symbols.AddConstant("vars.n", Json(1000));
  symbols.AddConstant("vars.list", Json::Parse(R"(["a", {"b": [1, 2.5]}, null])"));
  symbols.AddSlot("reply");
  symbols.AddDataSet("row", {0, {"id", "name"}});
  return symbols;
}

void TextTemplate(std::string_view text, const Symbols& symbols, std::string_view captured) {
  perf::Random random(1);
  const std::vector<std::string> row{"1", std::string(captured)};
  Scope scope;
  scope.random = &random;
  scope.values.resize(1);
  scope.values[0] = Json(captured);
  scope.rows = {&row};
  try {
    const Template compiled = Template::Compile(text, symbols);
    std::string out;
    compiled.Render(scope, out);
    if (compiled.IsConstant()) Require(out == compiled.Constant(), "a constant renders as it is");
    if (text.find('$') == std::string_view::npos) Require(out == text, "plain text stays");
    compiled.Evaluate(scope);
    out.clear();
    compiled.AppendJson(scope, out);
    Require(Json::TryParse(out).has_value(), "AppendJson gives JSON, whatever was captured");
  } catch (const perf::load::TemplateError& error) {
    Require(error.Offset() <= text.size(), "an error lies in the text");
  }
}

void JsonDocument(std::string_view text, const Symbols& symbols, std::string_view captured) {
  const auto document = Json::TryParse(text);
  if (!document) return;
  perf::Random random(1);
  Scope scope;
  scope.random = &random;
  scope.values = {Json(captured)};
  try {
    std::string out;
    JsonTemplate::Compile(*document, symbols).Render(scope, out);
    const auto rendered = Json::TryParse(out);
    Require(rendered.has_value(), "a JSON template gives JSON");
    if (text.find('$') == std::string_view::npos && text.find('\\') == std::string_view::npos) {
      Require(*rendered == *document, "a document without expressions stays as it is");
    }
  } catch (const perf::load::TemplateError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Symbols symbols = MakeSymbols();
  const std::string_view text = perf::fuzz::Text(data, size);
  const std::string_view captured = text.substr(size / 2);
  TextTemplate(text, symbols, captured);
  JsonDocument(text, symbols, captured);
  return 0;
}
