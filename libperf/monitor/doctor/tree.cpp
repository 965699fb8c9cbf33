// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/doctor/tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::monitor {
namespace {

constexpr std::size_t kMostBytes = 256 * 1024, kMostNames = 4'096;

}  // namespace

std::optional<std::string> Tree::Text(const std::string& path) const {
  // O_NONBLOCK: nothing here is waited for.
  const int fd = ::open(At(path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  std::string text(kMostBytes, '\0');
  std::size_t size = 0;
  ssize_t got = 0;
  while (size < text.size() && (got = ::read(fd, text.data() + size, text.size() - size)) > 0) {
    size += static_cast<std::size_t>(got);
  }
  ::close(fd);
  if (got < 0) return std::nullopt;
  text.resize(size);
  const std::size_t end = text.find_last_not_of(" \t\r\n");
  text.resize(end == std::string::npos ? 0 : end + 1);
  return text;
}

std::optional<double> Tree::Number(const std::string& path) const {
  const std::optional<std::string> text = Text(path);
  if (!text) return std::nullopt;
  const std::vector<std::string_view> words = WordsOf(*text);
  return words.empty() ? std::nullopt : ParseNumber(words.front());
}

std::optional<double> Tree::Keyed(const std::string& path, std::string_view key) const {
  const std::optional<std::string> text = Text(path);
  if (!text) return std::nullopt;
  for (const std::string_view line : Split(*text, '\n')) {
    const std::vector<std::string_view> words = WordsOf(line);
    if (words.size() < 2) continue;
    std::string_view first = words.front();
    if (first.ends_with(':')) first.remove_suffix(1);
    if (first == key) return ParseNumber(words[1]);
  }
  return std::nullopt;
}

bool Tree::Exists(const std::string& path) const { return ::access(At(path).c_str(), F_OK) == 0; }

bool Tree::Executable(const std::string& path) const {
  struct stat status{};
  return ::stat(At(path).c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         ::access(At(path).c_str(), X_OK) == 0;
}

std::vector<std::string> Tree::Names(const std::string& path) const {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(At(path).c_str()), ::closedir);
  if (!directory) return names;
  while (names.size() < kMostNames) {
    const dirent* const entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string_view> WordsOf(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = line.find_first_not_of(" \t\n");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find_first_of(" \t\n"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

}  // namespace perf::monitor
