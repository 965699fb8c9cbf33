// SPDX-License-Identifier: Apache-2.0
#include "libperf/config/yaml.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <map>
#include <optional>
#include <streambuf>
#include <utility>
#include <vector>

#include "libperf/base/text.hpp"
#include "libperf/config/text_guard.hpp"

namespace perf::config {
namespace {

// yaml-cpp holds back all tokens of a top-level flow collection (230 bytes for each '[') until
// its end is seen, so 16 MiB of brackets would take 4 GB. Every token of a flow needs one of
// these characters, so their number since the last event bounds what is held back.
constexpr std::string_view kTokenCharacters = "[]{},:?&*!'\"|>%#";
constexpr std::size_t kMaxHeldBack = 250'000;
constexpr std::string_view kStringTag = "tag:yaml.org,2002:str";

struct Refusal {
  Place place;
  std::string message;
};

/// Hands the text over in small pieces and ends it when the parser has swallowed too much
/// without an event.
class MeteredBuffer : public std::streambuf {
 public:
  explicit MeteredBuffer(std::string_view text) : text_(text) {
    for (char c : kTokenCharacters) counts_[static_cast<unsigned char>(c)] = true;
  }
  void Event() noexcept { held_back_ = 0; }
  bool Exceeded() const noexcept { return held_back_ > kMaxHeldBack; }

 protected:
  int_type underflow() override {
    if (at_ >= text_.size() || Exceeded()) return traits_type::eof();
    const std::size_t size = std::min<std::size_t>(4096, text_.size() - at_);
    // The parser only reads; the interface of streambuf wants char* all the same.
    char* const begin = const_cast<char*>(text_.data()) + at_;
    at_ += size;
    held_back_ += static_cast<std::size_t>(std::count_if(
        begin, begin + size, [&](char c) { return counts_[static_cast<unsigned char>(c)]; }));
    setg(begin, begin, begin + size);
    return traits_type::to_int_type(*begin);
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t held_back_ = 0;
  bool counts_[256] = {};
};

Place PlaceOf(const std::shared_ptr<const Source>& source, const YAML::Mark& mark) {
  if (mark.line < 0) return {source, 0, 0};
  // yaml-cpp counts bytes; and at the end of the file its line may be one too many.
  const int line = std::min(mark.line + 1, source->Lines());
  const auto bytes = static_cast<std::size_t>(std::max(mark.column, 0));
  return {source, line, CountCharacters(source->Line(line).substr(0, bytes)) + 1};
}

/// One open sequence or map.
struct Frame {
  Place at;
  bool map = false;
  YAML::anchor_t anchor = 0;
  std::vector<Node> items;
  std::vector<Node::Entry> entries;
  std::map<std::string, std::size_t, std::less<>> index;  // of entries, by key
  std::vector<Node> merged;                               // values of merge keys
  bool has_key = false;
  bool key_usable = false;
  bool key_merges = false;
  std::string key;
  Place key_at;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const std::shared_ptr<const Source>& source, NodeBudget& budget,
              Diagnostics& diagnostics, MeteredBuffer& buffer)
      : source_(source), budget_(budget), diagnostics_(diagnostics), buffer_(buffer) {}

  Node Root() const { return root_.value_or(Node::MakeNull({source_, 1, 1})); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (started_) throw Refusal{PlaceOf(source_, mark), "a second document; one file holds one"};
    started_ = true;
    buffer_.Event();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const Place at = Count(mark, 1);
    Add(Node::MakeNull(at), anchor, false);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const Place at = Count(mark, 1);
    const bool quoted = tag == "!" || tag == kStringTag;
    if (!quoted && !tag.empty() && tag != "?") RefuseTag(at, tag);
    Add(Node::MakeScalar(at, value, quoted), anchor, !quoted);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const Place at = Count(mark, 0);
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refusal{at, "an alias to the value that holds it"};
    const Node node = found->second;
    CountAlias(at, node);
    Add(node, 0, false);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, false);
  }
  void OnSequenceEnd() override {
    Frame frame = Close();
    Add(Node::MakeSequence(frame.at, std::move(frame.items)), frame.anchor, false);
  }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, true);
  }
  void OnMapEnd() override {
    Frame frame = Close();
    for (const Node& value : frame.merged) Merge(frame, value);
    Add(Node::MakeMap(frame.at, std::move(frame.entries)), frame.anchor, false);
  }

 private:
  Place Count(const YAML::Mark& mark, std::size_t nodes) {
    buffer_.Event();
    Place at = PlaceOf(source_, mark);
    if (budget_.nodes < nodes) {
      throw Refusal{at, fmt::format("more than {} values in one document", kMaxNodes)};
    }
    budget_.nodes -= nodes;
    CheckDepth(at, 1);
    return at;
  }

  void CountAlias(const Place& at, const Node& node, int below = 0) {
    const std::size_t size = node.TreeSize();
    if (size > budget_.alias_nodes) {
      throw Refusal{at, fmt::format("aliases expand to more than {} values", kMaxAliasNodes)};
    }
    if (size > budget_.nodes) {
      throw Refusal{at, fmt::format("more than {} values in one document", kMaxNodes)};
    }
    budget_.alias_nodes -= size;
    budget_.nodes -= size;
    CheckDepth(at, node.Height() + below);
  }

  void CheckDepth(const Place& at, int height) const {
    if (static_cast<int>(frames_.size()) + height > kMaxDepth) {
      throw Refusal{at, fmt::format("nested deeper than {} levels", kMaxDepth)};
    }
  }

  void RefuseTag(const Place& at, std::string_view tag) {
    diagnostics_.Error(
        at, fmt::format("the tag '{}' is not supported; only !!str is", Excerpt(tag, 60)));
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, bool map) {
    Frame frame;
    frame.at = Count(mark, 1);
    if (!tag.empty() && tag != "?" && tag != "!") RefuseTag(frame.at, tag);
    frame.map = map;
    frame.anchor = anchor;
    frames_.push_back(std::move(frame));
  }

  Frame Close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    return frame;
  }

  void Add(const Node& node, YAML::anchor_t anchor, bool plain) {
    if (anchor != 0) anchors_.insert_or_assign(anchor, node);
    if (frames_.empty()) {
      root_ = node;
    } else if (Frame& frame = frames_.back(); !frame.map) {
      frame.items.push_back(node);
    } else if (!frame.has_key) {
      TakeKey(frame, node, plain);
    } else {
      frame.has_key = false;
      if (frame.key_merges) {
        frame.merged.push_back(node);
      } else if (frame.key_usable) {
        frame.entries.push_back({std::move(frame.key), frame.key_at, node});
      }
    }
  }

  void TakeKey(Frame& frame, const Node& node, bool plain) {
    frame.has_key = true;
    frame.key_usable = false;
    frame.key_merges = plain && node.Text() == "<<";
    frame.key_at = node.At();
    if (frame.key_merges) return;
    if (!node.IsScalar()) {
      diagnostics_.Error(node.At(), "a key must be text");
      return;
    }
    const auto [found, fresh] = frame.index.emplace(node.Text(), frame.entries.size());
    if (!fresh) {
      diagnostics_.Error(node.At(), fmt::format("duplicate key '{}'; first defined at {}",
                                                Excerpt(node.Text(), 60),
                                                frame.entries[found->second].key_at.Describe()));
      return;
    }
    frame.key = node.Text();
    frame.key_usable = true;
  }

  // Adds what the map itself does not define; of several merged maps the first wins.
  void Merge(Frame& frame, const Node& value) {
    if (value.IsSequence()) {
      for (const Node& item : value.Items()) {
        if (item.IsMap()) {
          Merge(frame, item);
        } else {
          diagnostics_.Error(item.At(), "a merge key ('<<') takes maps only");
        }
      }
      return;
    }
    if (!value.IsMap()) {
      diagnostics_.Error(value.At(), "a merge key ('<<') takes a map or a sequence of maps");
      return;
    }
    for (const Node::Entry& entry : value.Entries()) {
      if (!frame.index.emplace(entry.key, frame.entries.size()).second) continue;
      CountAlias(entry.key_at, entry.value, 1);
      frame.entries.push_back(entry);
    }
  }

  const std::shared_ptr<const Source>& source_;
  NodeBudget& budget_;
  Diagnostics& diagnostics_;
  MeteredBuffer& buffer_;
  bool started_ = false;
  std::optional<Node> root_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Node> anchors_;
};

std::string Sentence(const YAML::ParserException& error, const Place& place) {
  std::string message = error.msg == "bad file" ? "nested too deep" : error.msg;
  const std::string_view line = place.source->Line(place.line);
  const std::size_t indent = line.find_first_not_of(' ');
  if (indent != std::string_view::npos && line[indent] == '\t') {
    message += " (YAML is indented with spaces, not tabs)";
  }
  return message;
}

std::optional<Place> CheckText(const std::shared_ptr<const Source>& source, NodeBudget& budget,
                               std::string& message) {
  const std::string& text = source->Text();
  if (const auto fault = FindTextFault(text)) {
    message = fault->message;
    if (fault->offset == 0) return Place{source, 1, 1};
    const std::string_view before = std::string_view(text).substr(0, fault->offset);
    const auto line = static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1;
    const std::size_t start = before.rfind('\n') + 1;  // npos + 1 is 0
    return Place{source, line, CountCharacters(before.substr(start)) + 1};
  }
  if (text.size() > budget.bytes) {
    message = fmt::format("all files together are larger than {} MiB", kMaxFileBytes >> 20);
    return Place{source, 0, 0};
  }
  budget.bytes -= text.size();
  return std::nullopt;
}

}  // namespace

std::optional<Node> ParseYaml(const std::shared_ptr<const Source>& source, NodeBudget& budget,
                              Diagnostics& diagnostics) {
  std::string message;
  if (auto place = CheckText(source, budget, message)) {
    diagnostics.Error(std::move(*place), std::move(message));
    return std::nullopt;
  }
  MeteredBuffer buffer(source->Text());
  TreeBuilder builder(source, budget, diagnostics, buffer);
  try {
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    // The second call is only there to see whether there is a second document.
    if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
    if (!buffer.Exceeded()) return builder.Root();
  } catch (const Refusal& refusal) {
    if (!buffer.Exceeded()) {
      diagnostics.Error(refusal.place, refusal.message);
      return std::nullopt;
    }
  } catch (const YAML::ParserException& error) {
    if (!buffer.Exceeded()) {
      const Place place = PlaceOf(source, error.mark);
      diagnostics.Error(place, Sentence(error, place));
      return std::nullopt;
    }
  } catch (const YAML::Exception& error) {
    diagnostics.Error({source, 0, 0}, error.msg);
    return std::nullopt;
  }
  diagnostics.Error({source, 0, 0},
                    fmt::format("a single value holds more than {} brackets, commas, quotes and "
                                "other signs of YAML; keep large data in a file of its own",
                                kMaxHeldBack));
  return std::nullopt;
}

}  // namespace perf::config
