// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/tokens.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "libperf/backends/digest.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"

namespace perf::service {
namespace {

constexpr std::size_t kMostBytes = 1 << 20;
constexpr std::size_t kLeastToken = 16, kMostToken = 512, kMostName = 64;

/// Reads what was checked: through the one descriptor, so that nobody swaps the file in between.
std::string ReadPrivate(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw ConfigError(fmt::format("token file {}: {}", path, std::strerror(errno)));
  struct stat info{};
  const bool known = ::fstat(fd, &info) == 0;
  std::string why;
  if (!known || !S_ISREG(info.st_mode)) {
    why = "it is no regular file";
  } else if (info.st_uid != ::geteuid() && info.st_uid != 0) {
    why = "it belongs to another user";
  } else if ((info.st_mode & 077) != 0) {
    why = fmt::format("others may use it (mode {:04o}); run: chmod 600 {}", info.st_mode & 07777,
                      path);
  } else if (info.st_size > static_cast<off_t>(kMostBytes)) {
    why = "it is larger than 1 MiB";
  }
  std::string text(why.empty() ? static_cast<std::size_t>(info.st_size) : 0, '\0');
  const ssize_t got = ::read(fd, text.data(), text.size());
  ::close(fd);
  if (!why.empty()) throw ConfigError(fmt::format("token file {}: {}", path, why));
  text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return text;
}

bool GoodName(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kMostName &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                  c == '_' || c == '-' || c == '.';
         });
}

bool GoodToken(std::string_view token) noexcept {
  return token.size() >= kLeastToken && token.size() <= kMostToken &&
         std::all_of(token.begin(), token.end(),
                     [](unsigned char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

Tokens::Tokens(const std::string& path) {
  const std::string text = ReadPrivate(path);
  std::size_t number = 0;
  const auto fail = [&](std::string_view why) {
    throw ConfigError(fmt::format("token file {}:{}: {}", path, number, why));
  };
  for (std::string_view line : Split(text, '\n')) {
    ++number;
    line = Trim(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const std::size_t space = line.find_first_of(" \t");
    const std::string_view name = line.substr(0, space);
    const std::string_view token = space == line.npos ? "" : Trim(line.substr(space));
    // The first word is not quoted: it may be a token whose name was forgotten.
    if (!GoodName(name) || !GoodToken(token)) {
      fail("expected a name and a token of 16 to 512 printable characters");
    }
    if (std::any_of(tokens_.begin(), tokens_.end(), [&](auto& e) { return e.name == name; })) {
      fail("the name of another line again");
    }
    if (tokens_.size() == kMost) fail("more than 1000 tokens");
    tokens_.push_back({std::string(name), backends::Sha256Hex(token)});
  }
}

std::string_view Tokens::NameOf(std::string_view token) const {
  const std::string digest = backends::Sha256Hex(token);
  std::string_view name;
  for (const Entry& entry : tokens_) {
    const bool same = CRYPTO_memcmp(entry.digest.data(), digest.data(), digest.size()) == 0;
    if (same) name = entry.name;
  }
  return name;
}

}  // namespace perf::service
