// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "tests/support/scratch_dir.hpp"

namespace perf {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string Next(InputFile& file, std::size_t most) {
  std::string text(most, '\0');
  text.resize(file.Read(std::as_writable_bytes(std::span(text))));
  return text;
}

}  // namespace

TEST_CASE("file: an output appears when it is complete, and replaces what stood there") {
  const test::ScratchDir dir;
  const std::string path = dir / "data";
  {
    OutputFile file(path);
    file.Write(Bytes("hello"));
    file.WriteAt(0, Bytes("J"));
    file.WriteAt(7, Bytes("!"));
    CHECK(file.Size() == 8);
    CHECK_THROWS_AS(ReadFile(path, 100), ConfigError);
    file.Commit();
  }
  CHECK(ReadFile(path, 100) == std::string("Jello\0\0!", 8));
  {
    OutputFile file(path);
    file.Write(Bytes("never committed"));
  }
  CHECK(ReadFile(path, 100).size() == 8);
  {
    OutputFile file(path);
    file.Commit();
  }
  CHECK(ReadFile(path, 100).empty());
  CHECK(dir.Count() == 1);
}

TEST_CASE("file: an output that cannot be written is an error that says why") {
  const test::ScratchDir dir;
  CHECK_THROWS_WITH_AS(OutputFile(dir / "absent/data"),
                       (dir / "absent/data: cannot be written: No such file or directory").c_str(),
                       OutputError);
  OutputFile full("/dev/full");
  CHECK_THROWS_WITH_AS(full.Write(Bytes("x")),
                       "/dev/full: cannot be written: No space left on device", OutputError);
  CHECK_THROWS_AS(full.WriteAt(0, Bytes("x")), OutputError);
  OutputFile null("/dev/null");
  null.Write(Bytes("x"));
  null.Commit();
  // A pipe without a reader must not be waited for.
  REQUIRE(::mkfifo((dir / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_AS(OutputFile(dir / "pipe"), OutputError);
  const int reader = ::open((dir / "pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  REQUIRE(reader >= 0);
  {
    OutputFile pipe(dir / "pipe");
    pipe.Write(Bytes("abc"));
    CHECK_THROWS_AS(pipe.WriteAt(0, Bytes("x")), OutputError);
  }
  std::array<char, 8> got{};
  CHECK(::read(reader, got.data(), got.size()) == 3);
  ::close(reader);
  CHECK(dir.Count() == 1);
}

TEST_CASE("file: an input is read on, or anywhere") {
  const test::ScratchDir dir;
  {
    OutputFile file(dir / "data");
    file.Write(Bytes("0123456789"));
    file.Commit();
  }
  InputFile file(dir / "data");
  CHECK(file.Size() == 10);
  CHECK(file.Name() == dir / "data");
  CHECK(Next(file, 4) == "0123");
  std::string text(4, '\0');
  CHECK(file.ReadAt(8, std::as_writable_bytes(std::span(text))) == 2);
  CHECK(text.substr(0, 2) == "89");
  CHECK(file.ReadAt(11, std::as_writable_bytes(std::span(text))) == 0);
  CHECK(Next(file, 100) == "456789");
  CHECK(Next(file, 100).empty());
  CHECK_THROWS_WITH_AS(InputFile(dir / ""), doctest::Contains("Is a directory"), ConfigError);
  CHECK_THROWS_AS(InputFile("/dev/zero"), ConfigError);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::write(ends[1], "ab", 2) == 2);
  ::close(ends[1]);
  InputFile pipe("/dev/fd/" + std::to_string(ends[0]));
  CHECK_FALSE(pipe.Size());
  CHECK_THROWS_AS(pipe.ReadAt(0, std::as_writable_bytes(std::span(text))), ConfigError);
  CHECK(Next(pipe, 9) == "ab");
  ::close(ends[0]);
}

}  // namespace perf
