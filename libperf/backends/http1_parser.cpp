// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/http1_parser.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

constexpr std::size_t kExcerpt = 80;
constexpr std::size_t kMostKnown = 1024;  // bytes of a head that are kept for comparison

constexpr std::array<bool, 256> MakeTokenTable() {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~"))
    table[static_cast<unsigned char>(c)] = true;
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
  return table;
}
constexpr auto kToken = MakeTokenTable();

bool IsToken(std::string_view text) noexcept {
  for (const char c : text) {
    if (!kToken[static_cast<unsigned char>(c)]) return false;
  }
  return !text.empty();
}

bool IsDigit(char c) noexcept { return c >= '0' && c <= '9'; }

/// Whether `text` is `lower` in any case; `lower` is lower case.
bool Is(std::string_view text, std::string_view lower) noexcept {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c) != lower[i]) return false;
  }
  return true;
}

std::string_view TrimBlanks(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Calls `use` for each comma-separated item until it says false.
template <typename Use>
bool EachItem(std::string_view list, Use use) {
  for (;;) {
    const std::size_t comma = list.find(',');
    if (!use(TrimBlanks(list.substr(0, comma)))) return false;
    if (comma == std::string_view::npos) return true;
    list.remove_prefix(comma + 1);
  }
}

int HexDigit(char c) noexcept {
  if (IsDigit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

bool TakeContentLength(std::string_view value, std::optional<std::uint64_t>& length) noexcept {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return EachItem(value, [&length](std::string_view item) {
    std::uint64_t said = 0;
    for (const char c : item) {
      if (!IsDigit(c)) return false;
      const auto digit = static_cast<std::uint64_t>(c - '0');
      if (said > (kMax - digit) / 10) return false;
      said = said * 10 + digit;
    }
    if (item.empty() || (length && *length != said)) return false;
    length = said;
    return true;
  });
}

void Http1Parser::Start(bool to_head, const Sink& sink) noexcept {
  sink_ = sink;
  state_ = State::kStatusLine;
  head_ = Head{};
  head_.to_head = to_head;
  left_ = body_bytes_ = 0;
  line_.clear();
  error_.clear();
}

bool Http1Parser::TakesLines() const noexcept {
  return state_ != State::kBody && state_ != State::kBodyToEnd && state_ != State::kChunkData;
}

std::size_t Http1Parser::Feed(std::string_view bytes) {
  const bool may_know = state_ == State::kStatusLine && head_.bytes == 0 && sink_.fields == nullptr;
  std::size_t used = may_know ? FeedHead(bytes) : 0;
  while (used < bytes.size() && !Finished()) {
    const std::string_view rest = bytes.substr(used);
    used += TakesLines() ? FeedLine(rest) : FeedBody(rest);
  }
  return used;
}

/// Servers send the same head again and again, but for its date: what is byte for byte the one
/// before need not be understood once more.
std::size_t Http1Parser::FeedHead(std::string_view bytes) {
  if (!known_text_.empty() && known_.to_head == head_.to_head && bytes.starts_with(known_text_)) {
    head_ = known_;
    state_ = known_.after;
    left_ = known_.length.value_or(0);
    return known_text_.size();
  }
  std::size_t used = 0;
  while (used < bytes.size() && InHead()) used += FeedLine(bytes.substr(used));
  if (!InHead() && state_ != State::kFailed && used <= kMostKnown) {
    known_text_.assign(bytes.substr(0, used));
    known_ = head_;
    known_.after = state_;
  }
  return used;
}

std::size_t Http1Parser::FeedLine(std::string_view bytes) {
  const void* end = std::memchr(bytes.data(), '\n', bytes.size());
  const std::size_t used =
      end ? static_cast<std::size_t>(static_cast<const char*>(end) - bytes.data()) + 1
          : bytes.size();
  if (state_ != State::kChunkSize && state_ != State::kChunkEnd) head_.bytes += used;
  if (line_.size() + used > limits_.line) {
    Fail("a line longer than the limit");
  } else if (head_.bytes > limits_.head) {
    Fail("a head longer than the limit");
  } else if (end && line_.empty()) {
    OnLine(bytes.substr(0, used - 1));
  } else {
    line_.append(bytes.data(), end ? used - 1 : used);
    // What cannot become a good line must not be waited for until its end.
    if (!CheckStart(line_)) return used;
    if (end) {
      OnLine(line_);
      line_.clear();
    }
  }
  return used;
}

bool Http1Parser::CheckStart(std::string_view start) {
  if (state_ == State::kStatusLine) {
    constexpr std::string_view kWord = "HTTP/";
    if (start.substr(0, kWord.size()) == kWord.substr(0, start.size())) return true;
    Fail("not an HTTP/1 reply", start);
    return false;
  }
  if (state_ == State::kChunkEnd && !start.empty() && start[0] != '\r') {
    Fail("a chunk longer than it said");
    return false;
  }
  return true;
}

std::size_t Http1Parser::FeedBody(std::string_view bytes) {
  const bool to_end = state_ == State::kBodyToEnd;
  const std::size_t used =
      to_end ? bytes.size()
             : static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
  const std::uint64_t most =
      head_.status >= 400 ? std::max(sink_.max_body, sink_.max_error_body) : sink_.max_body;
  if (sink_.body != nullptr && sink_.body->size() < most) {
    const auto room = most - sink_.body->size();
    sink_.body->append(bytes.data(), static_cast<std::size_t>(std::min<std::uint64_t>(room, used)));
  }
  body_bytes_ += used;
  if (to_end) return used;
  left_ -= used;
  if (left_ == 0) state_ = state_ == State::kBody ? State::kDone : State::kChunkEnd;
  return used;
}

void Http1Parser::FeedEnd() {
  switch (state_) {
    case State::kDone:
    case State::kFailed: break;
    case State::kBodyToEnd: state_ = State::kDone; break;
    case State::kStatusLine:
      Fail(head_.bytes == 0 ? "closed by peer before reply" : "closed by peer within the head");
      break;
    case State::kFields: Fail("closed by peer within the head"); break;
    case State::kBody:
      Fail("closed by peer after " + std::to_string(body_bytes_) + " of " +
           std::to_string(*head_.length) + " body bytes");
      break;
    default:
      Fail("closed by peer after " + std::to_string(body_bytes_) +
           " body bytes, before the last chunk");
  }
}

void Http1Parser::OnLine(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  switch (state_) {
    case State::kStatusLine: OnStatusLine(line); break;
    case State::kFields:
      if (line.empty()) {
        OnHeadEnd();
      } else {
        OnField(line);
      }
      break;
    case State::kTrailers:
      if (line.empty()) {
        state_ = State::kDone;
      } else {
        OnField(line);
      }
      break;
    case State::kChunkSize: OnChunkSize(line); break;
    case State::kChunkEnd:
      if (!line.empty()) return Fail("a chunk longer than it said");
      state_ = State::kChunkSize;
      break;
    default: break;
  }
}

void Http1Parser::OnStatusLine(std::string_view line) {
  // "HTTP/1.1 200", then a blank and any reason, which may be missing.
  constexpr std::size_t kShortest = 12;
  const bool good = line.size() >= kShortest && line.substr(0, 7) == "HTTP/1." &&
                    IsDigit(line[7]) && line[8] == ' ' && line[9] >= '1' && line[9] <= '9' &&
                    IsDigit(line[10]) && IsDigit(line[11]) &&
                    (line.size() == kShortest || line[kShortest] == ' ') &&
                    std::memchr(line.data(), '\r', line.size()) == nullptr;
  if (!good) return Fail("not an HTTP/1 reply", line);
  head_.version = line[7] == '0' ? 10 : 11;
  head_.keep_alive = head_.version == 11;
  head_.status =
      static_cast<std::int16_t>((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
  state_ = State::kFields;
}

void Http1Parser::OnField(std::string_view line) {
  if (++head_.fields > limits_.fields) return Fail("too many header fields");
  if (line[0] == ' ' || line[0] == '\t') return Fail("a folded header field", line);
  const void* colon = std::memchr(line.data(), ':', line.size());
  if (colon == nullptr) return Fail("a header field without a colon", line);
  const auto length = static_cast<std::size_t>(static_cast<const char*>(colon) - line.data());
  const std::string_view name = line.substr(0, length);
  if (!IsToken(name)) return Fail("a bad header field name", line);
  const std::string_view value = TrimBlanks(line.substr(length + 1));
  if (!value.empty() && (std::memchr(value.data(), '\r', value.size()) != nullptr ||
                         std::memchr(value.data(), '\0', value.size()) != nullptr)) {
    return Fail("a control character in a header field", line);
  }
  // Framing must not change after the body began: trailers are data only.
  if (state_ == State::kFields) OnFraming(name, value);
  if (sink_.fields != nullptr && head_.status >= 200) sink_.fields->emplace_back(name, value);
}

void Http1Parser::OnFraming(std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 10:
      if (Is(name, "connection")) OnConnection(value);
      break;
    case 14:
      if (Is(name, "content-length") && !TakeContentLength(value, head_.length)) {
        Fail("a bad or contradicting Content-Length", value);
      }
      break;
    case 17:
      if (!Is(name, "transfer-encoding")) break;
      // Twice "chunked" is refused with the rest: a body cannot be chunked twice.
      if (head_.chunked || !Is(value, "chunked")) return Fail("an unknown transfer coding", value);
      head_.chunked = true;
      break;
    default: break;
  }
}

void Http1Parser::OnConnection(std::string_view value) {
  EachItem(value, [this](std::string_view item) {
    if (Is(item, "close")) {
      head_.keep_alive = false;
      return false;
    }
    if (head_.version == 10 && Is(item, "keep-alive")) head_.keep_alive = true;
    return true;
  });
}

void Http1Parser::OnHeadEnd() {
  if (head_.status < 200) {
    if (head_.status == 101) return Fail("an upgrade that was not asked for");
    if (++head_.interim > limits_.interim) return Fail("too many interim replies");
    head_.keep_alive = head_.chunked = false;
    head_.length.reset();
    state_ = State::kStatusLine;
    return;
  }
  if (head_.chunked && (head_.length || head_.version == 10)) {
    return Fail(head_.length ? "Transfer-Encoding beside Content-Length"
                             : "Transfer-Encoding in an HTTP/1.0 reply");
  }
  if (head_.to_head || head_.status == 204 || head_.status == 304) {
    state_ = State::kDone;
  } else if (head_.chunked) {
    state_ = State::kChunkSize;
  } else if (head_.length) {
    left_ = *head_.length;
    state_ = left_ == 0 ? State::kDone : State::kBody;
  } else {
    head_.keep_alive = false;
    state_ = State::kBodyToEnd;
  }
}

void Http1Parser::OnChunkSize(std::string_view line) {
  std::uint64_t size = 0;
  std::size_t digits = 0;
  for (; digits < line.size() && HexDigit(line[digits]) >= 0; ++digits) {
    if (size >> 58) return Fail("a chunk size that cannot be", line);
    size = size * 16 + static_cast<std::uint64_t>(HexDigit(line[digits]));
  }
  const std::string_view rest = TrimBlanks(line.substr(digits));
  const bool plain = rest.empty() || rest[0] == ';';
  if (digits == 0 || !plain || rest.find('\r') != std::string_view::npos) {
    return Fail("a bad chunk size", line);
  }
  left_ = size;
  state_ = size == 0 ? State::kTrailers : State::kChunkData;
}

void Http1Parser::Fail(std::string_view what) {
  state_ = State::kFailed;
  head_.keep_alive = false;
  error_ = what;
}

void Http1Parser::Fail(std::string_view what, std::string_view excerpt) {
  // `excerpt` may view line_, which stays as it is until the next Start.
  Fail(what);
  error_ += ": \"";
  error_ += Excerpt(excerpt.substr(0, 4 * kExcerpt), kExcerpt);
  error_ += '"';
}

}  // namespace perf::backends
