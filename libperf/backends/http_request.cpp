// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/http_request.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::size_t kMaxChunkLine = 256;

constexpr std::array<bool, 256> MakeTokenTable() {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (const char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'})
    table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr auto kToken = MakeTokenTable();

bool IsToken(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return kToken[static_cast<unsigned char>(c)]; });
}

/// Neither controls nor spaces: what a target may consist of.
bool IsVisible(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; });
}

bool IsFieldValue(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  });
}

std::string_view TrimSpaces(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Digits only, the whole text, no overflow.
bool ParseLength(std::string_view text, int base, std::uint64_t& value) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() && text.front() != '-';
}

/// Whether a list field like Connection names `word`.
bool Lists(std::string_view value, std::string_view word) noexcept {
  while (!value.empty()) {
    const auto comma = value.find(',');
    if (EqualsIgnoreCase(TrimSpaces(value.substr(0, comma)), word)) return true;
    if (comma == std::string_view::npos) break;
    value.remove_prefix(comma + 1);
  }
  return false;
}

}  // namespace

void RequestReader::Reset() noexcept {
  std::string chunks = std::move(chunks_);
  chunks.clear();
  *this = RequestReader();
  chunks_ = std::move(chunks);
}

bool RequestReader::TakeExpectation() noexcept {
  return state_ == State::kBody && std::exchange(expects_, false);
}

RequestReader::State RequestReader::Bad(int status) noexcept {
  bad_status_ = status;
  return state_ = State::kBad;
}

void RequestReader::Rebase(const char* buffer) noexcept {
  if (base_ == buffer) return;
  if (base_ != nullptr)
    for (auto* view : {&request_.method, &request_.path, &request_.query, &request_.content_type})
      if (view->data() != nullptr) *view = {buffer + (view->data() - base_), view->size()};
  base_ = buffer;
}

RequestReader::State RequestReader::Read(std::string_view buffer) {
  Rebase(buffer.data());
  if (state_ == State::kHead) ReadHead(buffer);
  if (state_ == State::kBody) return chunked_ ? ReadChunks(buffer) : ReadBody(buffer);
  return state_;
}

RequestReader::State RequestReader::ReadHead(std::string_view buffer) {
  // RFC 9112, 2.2: an empty line before the request line is a habit of old clients.
  if (scanned_ <= position_)
    while (buffer.substr(position_).starts_with(kLineEnd)) position_ += kLineEnd.size();
  const std::string_view window = buffer.substr(0, position_ + kMaxServedHead);
  const auto end = window.find(kHeadEnd, std::max(position_, scanned_));
  if (end == std::string_view::npos) {
    if (window.size() - position_ >= kMaxServedHead) return Bad(431);
    // An end may lie across the border of what is here.
    const std::size_t tail = std::min(window.size(), kHeadEnd.size() - 1);
    scanned_ = std::max(position_, window.size() - tail);
    return state_;
  }
  std::string_view head = window.substr(position_, end + kLineEnd.size() - position_);
  position_ = end + kHeadEnd.size();
  for (bool first = true; !head.empty(); first = false) {
    const auto line_end = head.find(kLineEnd);
    const std::string_view line = head.substr(0, line_end);
    head.remove_prefix(line_end + kLineEnd.size());
    if (const int status = first ? ParseRequestLine(line) : ParseField(line)) return Bad(status);
  }
  if (const int status = CheckHead()) return Bad(status);
  return state_ = State::kBody;
}

int RequestReader::ParseRequestLine(std::string_view line) noexcept {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || last == first) return 400;
  request_.method = line.substr(0, first);
  std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!IsToken(request_.method) || target.empty() || !IsVisible(target)) return 400;
  if (!version.starts_with("HTTP/") || version.size() != 8 || version[6] != '.') return 400;
  if (version[5] != '1') return 505;
  request_.http10 = version[7] == '0';
  request_.keep_alive = !request_.http10;
  // The absolute form, which clients send to proxies; servers must take it as well.
  if (target.starts_with("http://")) {
    const auto path = target.find('/', 7);
    target = path == std::string_view::npos ? target.substr(0, 0) : target.substr(path);
  } else if (target.front() != '/' && target != "*") {
    return 400;
  }
  const auto mark = target.find('?');
  request_.path = target.substr(0, mark);
  request_.query = mark == std::string_view::npos ? target.substr(0, 0) : target.substr(mark + 1);
  return 0;
}

int RequestReader::ParseField(std::string_view line) noexcept {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !IsToken(line.substr(0, colon))) return 400;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = TrimSpaces(line.substr(colon + 1));
  if (!IsFieldValue(value)) return 400;
  if (EqualsIgnoreCase(name, "host")) {
    ++hosts_;
  } else if (EqualsIgnoreCase(name, "content-length")) {
    std::uint64_t length = 0;
    if (value.empty() || !ParseLength(value, 10, length)) return 400;
    if (has_length_ && length != length_) return 400;
    has_length_ = true;
    length_ = length;
  } else if (EqualsIgnoreCase(name, "transfer-encoding")) {
    if (chunked_) return 400;
    if (!EqualsIgnoreCase(value, "chunked")) return 501;
    chunked_ = true;
  } else if (EqualsIgnoreCase(name, "connection")) {
    if (Lists(value, "close")) request_.keep_alive = false;
    if (request_.http10 && Lists(value, "keep-alive")) request_.keep_alive = true;
  } else if (EqualsIgnoreCase(name, "content-type")) {
    request_.content_type = value;
  } else if (EqualsIgnoreCase(name, "expect")) {
    expects_ = EqualsIgnoreCase(value, "100-continue") && !request_.http10;
  }
  return 0;
}

int RequestReader::CheckHead() const noexcept {
  if (hosts_ > 1 || (hosts_ == 0 && !request_.http10)) return 400;
  if (chunked_ && (has_length_ || request_.http10)) return 400;
  return length_ > kMaxServedBody ? 413 : 0;
}

RequestReader::State RequestReader::ReadBody(std::string_view buffer) {
  if (buffer.size() - position_ < length_) return state_;
  request_.body = buffer.substr(position_, length_);
  position_ += length_;
  return state_ = State::kDone;
}

RequestReader::State RequestReader::ReadChunks(std::string_view buffer) {
  for (;;) {
    const std::string_view rest = buffer.substr(position_);
    const auto line_end = rest.substr(0, kMaxChunkLine).find(kLineEnd);
    if (line_end == std::string_view::npos) return rest.size() >= kMaxChunkLine ? Bad(400) : state_;
    const std::string_view digits = TrimSpaces(rest.substr(0, std::min(rest.find(';'), line_end)));
    std::uint64_t size = 0;
    if (digits.empty() || !ParseLength(digits, 16, size)) return Bad(400);
    if (size > kMaxServedBody || chunks_.size() + size > kMaxServedBody) return Bad(413);
    const std::size_t data = line_end + kLineEnd.size();
    if (size == 0) {
      // Trailers are read and dropped; an empty line ends them.
      const auto end = rest.find(kHeadEnd, line_end);
      if (end == std::string_view::npos) return rest.size() > kMaxServedHead ? Bad(431) : state_;
      position_ += end + kHeadEnd.size();
      request_.body = chunks_;
      return state_ = State::kDone;
    }
    if (rest.size() < data + size + kLineEnd.size()) return state_;
    if (!rest.substr(data + size).starts_with(kLineEnd)) return Bad(400);
    chunks_ += rest.substr(data, size);
    position_ += data + size + kLineEnd.size();
  }
}

}  // namespace perf::backends
