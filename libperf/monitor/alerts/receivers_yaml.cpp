// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <set>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"
#include "libperf/config/reader.hpp"
#include "libperf/monitor/alerts/notifier.hpp"

namespace perf::monitor::alerts {
namespace {

using config::MapReader;
using config::Node;
using namespace std::chrono_literals;

constexpr std::array<std::string_view, 4> kKinds{"alertmanager", "webhook", "command", "log"};
constexpr std::array<std::string_view, 3> kLevels{"info", "warning", "critical"};

void ReadUrl(MapReader& reader, Receiver& receiver) {
  const Node* node = reader.Require("url");
  if (node == nullptr) return;
  receiver.url = node->Text();
  try {
    const Url url = Url::Parse(receiver.url);
    if (url.scheme != "http" && url.scheme != "https") {
      reader.Error("url", "expected a URL that begins with http:// or https://");
    }
  } catch (const ConfigError& error) {
    reader.Error("url", error.what());
  }
  for (const Node::Entry& entry : reader.Entries("headers")) {
    receiver.headers.emplace_back(entry.key, entry.value.Text());
  }
}

void ReadCommand(MapReader& reader, Receiver& receiver) {
  if (reader.Require("command") == nullptr) return;
  receiver.command = reader.Strings("command");
  if (receiver.command.empty() || !receiver.command[0].starts_with('/')) {
    reader.Error("command",
                 "expected a list: the path of a program, beginning with '/', and its arguments; "
                 "there is no shell");
  }
}

Receiver ReadReceiver(const Node& node, config::Diagnostics& diagnostics) {
  MapReader reader(node, diagnostics, "the receiver");
  Receiver receiver;
  if (reader.Require("name")) receiver.name = reader.String("name").value_or("");
  std::optional<std::size_t> kind;
  if (reader.Require("kind")) kind = reader.Enum("kind", kKinds);
  if (kind) {
    receiver.kind = static_cast<Receiver::Kind>(*kind);
    if (receiver.kind == Receiver::Kind::kAlertmanager ||
        receiver.kind == Receiver::Kind::kWebhook) {
      ReadUrl(reader, receiver);
    }
    if (receiver.kind == Receiver::Kind::kCommand) ReadCommand(reader, receiver);
  }
  if (const auto least = reader.Enum("least", kLevels)) {
    receiver.least = static_cast<Level>(*least + 1);
  }
  receiver.resolved = reader.Bool("resolved").value_or(true);
  receiver.timeout = reader.Duration("timeout", {100ms, 5min}).value_or(10s);
  receiver.resend = reader.Duration("resend", {1s, 24h}).value_or(Duration::zero());
  // Without its kind nobody knows which keys belong.
  if (kind) reader.Finish();
  return receiver;
}

}  // namespace

std::vector<Receiver> ParseReceivers(const config::Node& list, config::Diagnostics& diagnostics) {
  std::vector<Receiver> receivers;
  if (list.IsNull()) return receivers;
  if (!list.IsSequence() || list.Items().size() > kMostReceivers) {
    diagnostics.Error(list.At(),
                      fmt::format("expected a list of at most {} receivers", kMostReceivers));
    return receivers;
  }
  std::set<std::string> names;
  for (const Node& item : list.Items()) {
    const std::size_t before = diagnostics.Count();
    Receiver receiver = ReadReceiver(item, diagnostics);
    if (!receiver.name.empty() && !names.insert(receiver.name).second) {
      diagnostics.Error(item.At(),
                        fmt::format("there is another receiver '{}'", Excerpt(receiver.name, 40)));
    }
    if (diagnostics.Count() == before) receivers.push_back(std::move(receiver));
  }
  return receivers;
}

}  // namespace perf::monitor::alerts
