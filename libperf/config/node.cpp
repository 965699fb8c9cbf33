// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "libperf/base/units.hpp"
#include "libperf/config/document.hpp"

namespace perf::config {

struct Node::Data {
  Place at;
  NodeKind kind = NodeKind::kNull;
  bool quoted = false;
  bool tainted = false;
  bool unresolved = false;
  int height = 1;
  std::size_t tree_size = 1;
  std::string text;
  std::unique_ptr<std::string> template_text;  // only where it differs from text
  std::vector<Node> items;
  std::vector<Entry> entries;
};

namespace {

// Whether `text` is a number in the grammar of JSON; anything looser (007, +1, .5) is text.
bool IsJsonNumber(std::string_view text) noexcept {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t from = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - from;
  };
  if (at < text.size() && text[at] == '-') ++at;
  const bool zero = at < text.size() && text[at] == '0';
  const std::size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

}  // namespace

Node::Node() {
  static const auto kEmpty = std::make_shared<const Data>();
  data_ = kEmpty;
}

Node Node::MakeNull(Place at) {
  auto data = std::make_shared<Data>();
  data->at = std::move(at);
  return Node(std::move(data));
}

Node Node::MakeScalar(Place at, std::string text, bool quoted) {
  auto data = std::make_shared<Data>();
  data->at = std::move(at);
  data->kind = NodeKind::kScalar;
  data->quoted = quoted;
  data->text = std::move(text);
  return Node(std::move(data));
}

Node Node::MakeResolved(const Node& written, std::string text, std::string template_text,
                        bool tainted, bool unresolved) {
  auto data = std::make_shared<Data>();
  data->at = written.At();
  data->kind = NodeKind::kScalar;
  data->quoted = written.Quoted();
  data->tainted = tainted;
  data->unresolved = unresolved;
  if (template_text != text) {
    data->template_text = std::make_unique<std::string>(std::move(template_text));
  }
  data->text = std::move(text);
  return Node(std::move(data));
}

Node Node::MakeSequence(Place at, std::vector<Node> items) {
  auto data = std::make_shared<Data>();
  data->at = std::move(at);
  data->kind = NodeKind::kSequence;
  for (const Node& item : items) {
    data->height = std::max(data->height, item.Height() + 1);
    data->tree_size += item.TreeSize();
  }
  data->items = std::move(items);
  return Node(std::move(data));
}

Node Node::MakeMap(Place at, std::vector<Entry> entries) {
  auto data = std::make_shared<Data>();
  data->at = std::move(at);
  data->kind = NodeKind::kMap;
  for (const Entry& entry : entries) {
    data->height = std::max(data->height, entry.value.Height() + 1);
    data->tree_size += entry.value.TreeSize();
  }
  data->entries = std::move(entries);
  return Node(std::move(data));
}

NodeKind Node::Kind() const noexcept { return data_->kind; }
const Place& Node::At() const noexcept { return data_->at; }
const std::string& Node::Text() const noexcept { return data_->text; }
const std::string& Node::TemplateText() const noexcept {
  return data_->template_text ? *data_->template_text : data_->text;
}
bool Node::Quoted() const noexcept { return data_->quoted; }
bool Node::Tainted() const noexcept { return data_->tainted; }
bool Node::Unresolved() const noexcept { return data_->unresolved; }
const std::vector<Node>& Node::Items() const noexcept { return data_->items; }
const std::vector<Node::Entry>& Node::Entries() const noexcept { return data_->entries; }
std::size_t Node::TreeSize() const noexcept { return data_->tree_size; }
int Node::Height() const noexcept { return data_->height; }

const Node::Entry* Node::FindEntry(std::string_view key) const noexcept {
  for (const Entry& entry : data_->entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

const Node* Node::Find(std::string_view key) const noexcept {
  const Entry* entry = FindEntry(key);
  return entry ? &entry->value : nullptr;
}

Json ToJson(const Node& node, bool templates) {
  switch (node.Kind()) {
    case NodeKind::kNull: return Json();
    case NodeKind::kSequence: {
      Json array = Json::MakeArray();
      for (const Node& item : node.Items()) array.Append(ToJson(item, templates));
      return array;
    }
    case NodeKind::kMap: {
      Json::Object members;
      for (const auto& entry : node.Entries()) {
        members.emplace_back(entry.key, ToJson(entry.value, templates));
      }
      return Json(std::move(members));
    }
    case NodeKind::kScalar: break;
  }
  const std::string& text = node.Text();
  if (!node.Quoted()) {
    if (text == "true") return Json(true);
    if (text == "false") return Json(false);
    if (IsJsonNumber(text)) {
      if (const auto integer = ParseInteger(text)) return Json(*integer);
      if (const auto number = ParseNumber(text)) return Json(*number);
    }
  }
  return Json(templates ? node.TemplateText() : text);
}

}  // namespace perf::config
