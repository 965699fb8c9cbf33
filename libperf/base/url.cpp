// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/url.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf {
namespace {

constexpr std::array<std::string_view, 7> kSchemes{"http", "https",    "redis",     "rediss",
                                                   "unix", "postgres", "postgresql"};

[[noreturn]] void Fail(std::string_view reason) {
  // Never with the text itself: whatever is wrong with it, a part may be the password.
  throw ConfigError(fmt::format("invalid URL: {}", reason));
}

constexpr bool IsAlnum(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
constexpr bool IsUnreserved(char c) noexcept {
  return IsAlnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}
constexpr bool Contains(std::string_view set, char c) noexcept {
  return set.find(c) != std::string_view::npos;
}

constexpr int HexDigit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view TakeUntil(std::string_view& text, std::string_view ends) {
  const std::string_view part = text.substr(0, text.find_first_of(ends));
  text.remove_prefix(part.size());
  return part;
}

std::uint16_t ParsePort(std::string_view text) {
  if (text.empty()) return 0;
  std::uint16_t port = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (code != std::errc{} || end != text.data() + text.size() || port == 0) {
    Fail(
        "the port is not a number from 1 to 65535 (in a password, '/', '?', '#', ':' and '@' are "
        "written %2F, %3F, %23, %3A and %40)");
  }
  return port;
}

std::string ParseHost(std::string_view text) {
  if (text.find('%') == std::string_view::npos) {
    const bool good = std::all_of(text.begin(), text.end(), [](char c) {
      return IsUnreserved(c) || Contains("!$&'()*+=", c) || static_cast<unsigned char>(c) >= 0x80;
    });
    if (!good) Fail("the host has a character that is not allowed there");
    return std::string(text);
  }
  // libpq's way to name a socket directory: postgresql://%2Frun%2Fpostgresql/db
  std::string socket = PercentDecode(text);
  if (socket.front() != '/' || socket.find('\0') != std::string::npos)
    Fail("a percent-encoded host must be a socket directory");
  return socket;
}

void ParseAuthority(std::string_view text, Url& url) {
  const std::size_t at = text.find('@');
  if (at != std::string_view::npos) {
    const std::string_view user = text.substr(0, at);
    text.remove_prefix(at + 1);
    // Programs differ in which '@' they take, and so in the host they reach.
    if (text.find('@') != std::string_view::npos) Fail("a '@' in a password is written %40");
    const std::size_t colon = user.find(':');
    url.user = PercentDecode(user.substr(0, colon));
    if (colon != std::string_view::npos) url.password = PercentDecode(user.substr(colon + 1));
    // C interfaces would take a part of the name for the whole.
    if ((url.user + url.password).find('\0') != std::string::npos) Fail("%00 has no place in it");
  }
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) Fail("'[' without ']'");
    url.host = std::string(text.substr(1, close - 1));
    in6_addr address;
    if (::inet_pton(AF_INET6, url.host.c_str(), &address) != 1) {
      Fail("what stands in [] is not an IPv6 address");
    }
    text.remove_prefix(close + 1);
    if (!text.empty() && text.front() != ':') Fail("only ':' and a port may follow ']'");
  } else {
    url.host = ParseHost(TakeUntil(text, ":"));
  }
  if (!text.empty()) url.port = ParsePort(text.substr(1));
}

void CheckShape(const Url& url) {
  if (url.scheme == "unix") {
    if (!url.host.empty() || !url.user.empty() || url.path.size() < 2) {
      Fail("a socket is written unix:///path/to/socket");
    }
  } else if (url.host.empty() && !url.scheme.starts_with("postgres")) {
    Fail("the host is missing");
  }
  if (!url.host.empty() && url.host.front() == '/' && !url.scheme.starts_with("postgres")) {
    Fail("a socket is written unix:///path/to/socket");
  }
}

bool NamesSecret(std::string_view name) {
  const std::string lower = ToLower(PercentDecode(name));
  for (const char* word : {"pass", "pwd", "token", "secret", "key", "auth", "credential"}) {
    if (lower.find(word) != std::string::npos) return true;
  }
  return false;
}

std::string MaskQuery(std::string_view query) {
  std::string out;
  for (const std::string_view pair : Split(query, '&')) {
    if (!out.empty()) out += '&';
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && NamesSecret(pair.substr(0, equals))) {
      out += pair.substr(0, equals + 1);
      out += "***";
    } else {
      out += pair;
    }
  }
  return out;
}

}  // namespace

Url Url::Parse(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7F) {
      Fail("spaces and control characters must be percent-encoded");
    }
  }
  Url url;
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) Fail("a scheme such as http:// is missing");
  url.scheme = ToLower(text.substr(0, colon));
  if (std::find(kSchemes.begin(), kSchemes.end(), url.scheme) == kSchemes.end()) {
    const std::string_view near = Suggest(url.scheme, kSchemes);
    Fail(near.empty()
             ? "its scheme is none of http, https, redis, rediss, unix, postgres, postgresql"
             : fmt::format("unknown scheme; did you mean {}?", near));
  }
  text.remove_prefix(colon + 1);
  if (text.find('#') != std::string_view::npos) Fail("a '#' is written %23");
  if (text.starts_with("//")) {
    text.remove_prefix(2);
    ParseAuthority(TakeUntil(text, "/?"), url);
  } else if (url.scheme != "unix") {
    Fail("'//' is missing after the scheme");
  }
  url.path = std::string(TakeUntil(text, "?"));
  if (!text.empty()) url.query = std::string(text.substr(1));
  CheckShape(url);
  return url;
}

std::string Url::Authority() const {
  std::string out;
  if (host.find(':') != std::string::npos) {
    out = fmt::format("[{}]", host);
  } else if (!host.empty() && host.front() == '/') {
    out = PercentEncode(host);
  } else {
    out = host;
  }
  if (port != 0) out += fmt::format(":{}", port);
  return out;
}

std::string Url::Masked() const {
  std::string out = scheme + "://";
  if (!user.empty() || !password.empty()) {
    out += PercentEncode(user);
    if (!password.empty()) out += ":***";
    out += '@';
  }
  out += Authority();
  out += path;
  if (!query.empty()) out += "?" + MaskQuery(query);
  return out;
}

bool IsLoopback(std::string_view host) noexcept {
  if (host.empty() || host.front() == '/' || EqualsIgnoreCase(host, "localhost")) return true;
  std::array<char, INET6_ADDRSTRLEN + 1> text{};
  if (host.size() >= text.size() || host.find('\0') != std::string_view::npos) return false;
  std::copy(host.begin(), host.end(), text.begin());
  // inet_pton takes neither "127.1" nor octal parts, which resolvers read in different ways.
  in_addr four;
  if (::inet_pton(AF_INET, text.data(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  in6_addr six;
  return ::inet_pton(AF_INET6, text.data(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

std::string PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = HexDigit(text[i + 1]);
      const int low = HexDigit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out += static_cast<char>(high * 16 + low);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (IsUnreserved(c)) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace perf
