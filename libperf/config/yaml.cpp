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
#include <utility>
#include <vector>

#include "libperf/base/text.hpp"
#include "libperf/config/text_guard.hpp"
#include "libperf/config/yaml_input.hpp"

namespace perf::config {
namespace {

constexpr std::string_view kStringTag = "tag:yaml.org,2002:str";

struct Refusal {
  Place place;
  std::string message;
};

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
      : source_(source),
        locator_(source),
        budget_(budget),
        diagnostics_(diagnostics),
        buffer_(buffer) {}

  Node Root() const { return root_.value_or(Node::MakeNull({source_, 1, 1})); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (started_)
      throw Refusal{locator_.At(mark.line, mark.column), "a second document; one file holds one"};
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
    if (!quoted) CountPlain(at, value.size());
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
    Place at = locator_.At(mark.line, mark.column);
    if (budget_.nodes < nodes) {
      throw Refusal{at, fmt::format("more than {} values in one document", kMaxNodes)};
    }
    budget_.nodes -= nodes;
    CheckDepth(at, 1);
    return at;
  }

  void CountPlain(const Place& at, std::size_t bytes) {
    if (bytes > budget_.plain_bytes) {
      throw Refusal{at, fmt::format("more than {} MiB of text without quotes; put long texts in "
                                    "quotes, in a block or in a file of their own",
                                    kMaxPlainBytes >> 20)};
    }
    budget_.plain_bytes -= bytes;
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
        // The parser's place of a value that was left out is wherever the next token stands.
        const bool left_out = node.IsNull() && node.At().line != frame.key_at.line;
        frame.entries.push_back(
            {std::move(frame.key), frame.key_at, left_out ? Node::MakeNull(frame.key_at) : node});
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
  Locator locator_;
  NodeBudget& budget_;
  Diagnostics& diagnostics_;
  MeteredBuffer& buffer_;
  bool started_ = false;
  std::optional<Node> root_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Node> anchors_;
};

std::string Sentence(const YAML::ParserException& error, const Place& place) {
  constexpr std::pair<std::string_view, std::string_view> kHints[] = {
      {"end of map not found", " (check the indentation)"},
      {"end of sequence not found", " (check the indentation)"},
      {"end of map flow not found", " (a '}' is missing)"},
      {"illegal EOF in scalar", " (a quote before it is not closed)"},
      {"end of sequence flow not found", " (a ']' is missing)"},
  };
  std::string message = error.msg == "bad file" ? "nested too deep" : error.msg;
  // 0.7 does not name the anchor, 0.8 does.
  if (message.starts_with("the referenced anchor")) message = "the alias names no anchor before it";
  const std::string_view line = place.source->Line(place.line);
  const std::size_t indent = line.find_first_not_of(' ');
  if (indent != std::string_view::npos && line[indent] == '\t') {
    return message + " (YAML is indented with spaces, not tabs)";
  }
  for (const auto& [text, hint] : kHints) {
    if (message == text) message += hint;
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
  for (int line = 1; line <= source->Lines(); ++line) {
    if (source->Line(line).size() <= kMaxLineBytes) continue;
    message = fmt::format("a line of more than {} MiB; keep large data in a file of its own",
                          kMaxLineBytes >> 20);
    return Place{source, line, 1};
  }
  if (text.size() > budget.bytes) {
    message = fmt::format("all files together are larger than {} MiB", kMaxFileBytes >> 20);
    return Place{source, 0, 0};
  }
  budget.bytes -= text.size();
  return std::nullopt;
}

// Throws: Refusal.
void Feed(const std::shared_ptr<const Source>& source, TreeBuilder& builder,
          MeteredBuffer& buffer) {
  try {
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    // The second call is only there to see whether there is a second document.
    if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
  } catch (const Refusal&) {
    if (!buffer.Exceeded()) throw;
  } catch (const YAML::ParserException& error) {
    const Place place = Locator(source).At(error.mark.line, error.mark.column);
    if (!buffer.Exceeded()) throw Refusal{place, Sentence(error, place)};
  } catch (const YAML::Exception& error) {
    if (!buffer.Exceeded()) throw Refusal{{source, 0, 0}, error.msg};
  }
  // Whatever else was said is about the cut.
  if (!buffer.Exceeded()) return;
  const std::string much = buffer.TooLong()
                               ? fmt::format("is larger than {} MiB", kMaxValueBytes >> 20)
                               : fmt::format(
                                     "holds more than {} brackets, commas, quotes and other "
                                     "signs of YAML",
                                     kMaxHeldBack);
  throw Refusal{
      {source, 0, 0},
      fmt::format("a single value or comment {}; keep large data in a file of its own", much)};
}

}  // namespace

std::optional<Node> ParseYaml(const std::shared_ptr<const Source>& source, NodeBudget& budget,
                              Diagnostics& diagnostics) {
  std::string message;
  if (auto place = CheckText(source, budget, message)) {
    diagnostics.Error(std::move(*place), std::move(message));
    return std::nullopt;
  }
  Diagnostics semantic;
  MeteredBuffer buffer(source->Text());
  TreeBuilder builder(source, budget, semantic, buffer);
  std::optional<Node> root;
  try {
    Feed(source, builder, buffer);
    root = builder.Root();
  } catch (const Refusal& refusal) {
    // Before the others, because the diagnostics keep only so many.
    diagnostics.Error(refusal.place, refusal.message);
  }
  for (const Diagnostic& problem : semantic.Sorted()) {
    diagnostics.Error(problem.place, problem.message, problem.suggestion);
  }
  return root;
}

}  // namespace perf::config
