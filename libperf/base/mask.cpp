// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"

namespace perf {
namespace {

constexpr std::string_view kMask = "***";
constexpr std::string_view kEndsUrl = " \t\r\n\"'<>`";
constexpr std::size_t kLongestUrl = 2048;

constexpr bool IsNameChar(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == '%';
}

constexpr bool IsDigits(std::string_view text) noexcept {
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

constexpr bool IsSpace(char c) noexcept { return c == ' ' || c == '\t'; }

bool HasAny(std::string_view lower, std::initializer_list<std::string_view> words) noexcept {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return lower.find(word) != std::string_view::npos;
  });
}

/// Walks once over a text and copies it without what looks like a secret.
class Masker {
 public:
  explicit Masker(std::string_view text) : text_(text) {}

  std::string Run() {
    while (at_ < text_.size()) {
      if (text_.substr(at_, 3) == "://") {
        MaskUserinfo();
      } else if (IsNameChar(text_[at_])) {
        TakeWord();
      } else {
        out_ += text_[at_++];
      }
    }
    return std::move(out_);
  }

 private:
  void Copy(std::size_t end) {
    out_ += text_.substr(at_, end - at_);
    at_ = end;
  }

  void MaskTo(std::size_t end) {
    if (end > at_) out_ += kMask;
    at_ = end;
  }

  std::size_t EndOf(std::size_t from, std::string_view ends) const {
    return std::min(text_.find_first_of(ends, from), text_.size());
  }

  /// At "://": keeps the user, masks what stands between ':' and '@'.
  void MaskUserinfo() {
    Copy(at_ + 3);
    // Both bounds keep the walk linear over a text that is full of "://".
    if (url_end_ <= at_) url_end_ = EndOf(at_, kEndsUrl);
    const std::size_t url_end = std::min(url_end_, at_ + kLongestUrl);
    const std::string_view url = text_.substr(at_, url_end - at_);
    const std::string_view authority = url.substr(0, url.find_first_of("/?#"));
    std::size_t sign = authority.rfind('@');
    if (sign == std::string_view::npos) {
      const std::size_t colon = authority.find(':');
      if (colon == std::string_view::npos || IsDigits(authority.substr(colon + 1))) return;
      // Not a port: a password in which '/', '?' or '#' was not encoded.
      sign = url.rfind('@');
      if (sign == std::string_view::npos) return;
    }
    const std::size_t colon = url.find(':');
    if (colon >= sign) return;
    const std::size_t end = at_ + sign;
    Copy(at_ + colon + 1);
    MaskTo(end);
  }

  void TakeWord() {
    const std::size_t start = at_;
    std::size_t end = at_;
    while (end < text_.size() && IsNameChar(text_[end])) ++end;
    const std::string name = ToLower(PercentDecode(text_.substr(start, end - start)));
    Copy(end);
    if (name == "bearer" || name == "basic") {
      MaskCredentials(name == "bearer");
    } else if (NamesSecret(name, start)) {
      MaskValue();
    } else if (name == "authorization" || name == "proxy-authorization") {
      MaskHeader();
    }
  }

  bool NamesSecret(std::string_view name, std::size_t start) const {
    if (HasAny(name, {"password", "passwd", "passphrase", "pwd", "secret", "token", "apikey",
                      "api_key", "api-key", "private_key", "sslkey"})) {
      return true;
    }
    const bool in_query = start > 0 && (text_[start - 1] == '?' || text_[start - 1] == '&');
    return in_query && HasAny(name, {"pass", "key", "auth", "credential"});
  }

  /// After a name: masks the value of name=value, name='v', "name": "v".
  void MaskValue() {
    std::size_t next = at_;
    if (next < text_.size() && (text_[next] == '"' || text_[next] == '\'')) ++next;
    while (next < text_.size() && IsSpace(text_[next])) ++next;
    if (next >= text_.size() || (text_[next] != '=' && text_[next] != ':')) return;
    if (text_.substr(next, 3) == "://") return;
    ++next;
    while (next < text_.size() && IsSpace(text_[next])) ++next;
    if (next >= text_.size()) return;
    const char quote = text_[next];
    if (quote == '"' || quote == '\'') {
      Copy(next + 1);
      std::size_t end = at_;
      while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
      MaskTo(std::min(end, text_.size()));
    } else {
      Copy(next);
      MaskTo(EndOf(next, " \t\r\n&;,\"'<>`})]"));
    }
  }

  /// After "Authorization": masks all but the name of the scheme.
  void MaskHeader() {
    std::size_t next = at_;
    while (next < text_.size() && (IsSpace(text_[next]) || text_[next] == '"')) ++next;
    if (next >= text_.size() || (text_[next] != ':' && text_[next] != '=')) return;
    ++next;
    while (next < text_.size() && (IsSpace(text_[next]) || text_[next] == '"')) ++next;
    const std::size_t line_end = EndOf(next, "\r\n\"");
    const std::size_t space = text_.substr(0, line_end).find(' ', next);
    Copy(space == std::string_view::npos ? next : space + 1);
    MaskTo(line_end);
  }

  void MaskCredentials(bool always) {
    std::size_t next = at_;
    while (next < text_.size() && IsSpace(text_[next])) ++next;
    if (next == at_) return;
    const std::size_t end = EndOf(next, " \t\r\n\"',;<>`})]");
    const std::string_view word = text_.substr(next, end - next);
    // "Basic authentication" is prose; credentials have digits, padding or capitals inside.
    const bool coded = word.size() > 1 && std::any_of(word.begin() + 1, word.end(), [](char c) {
                         return !(c >= 'a' && c <= 'z') && c != '.';
                       });
    if (!coded && (!always || word.starts_with("token") || word.starts_with("auth"))) return;
    Copy(next);
    MaskTo(end);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t url_end_ = 0;  // of the last URL seen
  std::string out_;
};

}  // namespace

std::string MaskSecrets(std::string_view text) { return Masker(text).Run(); }

}  // namespace perf
