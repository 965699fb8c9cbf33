// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/trace.hpp"

#include <doctest/doctest.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <set>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "tests/cache/shared_traces.hpp"

using namespace perf::cache;

namespace {

std::vector<Request> ReadAll(TraceReader& reader, std::size_t batch = 100) {
  std::vector<Request> all, some(batch);
  for (std::size_t count = 0; (count = reader.Read(some)) > 0;) {
    all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(count));
  }
  return all;
}

std::vector<Request> ReadText(std::string_view text, const TraceOptions& options = {}) {
  return ReadAll(*OpenTrace(OpenMemory(text, "t"), "t", options));
}

std::vector<std::uint64_t> Ids(const std::vector<Request>& requests) {
  std::vector<std::uint64_t> ids;
  for (const Request& request : requests) ids.push_back(request.id);
  return ids;
}

using U64s = std::vector<std::uint64_t>;

void AppendNumber(std::string& out, std::uint64_t value, int bytes, bool big) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * (big ? bytes - 1 - i : i));
}

std::string Oracle(const U64s& ids) {
  std::string out;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    AppendNumber(out, 100 + i, 4, false);
    AppendNumber(out, ids[i], 8, false);
    AppendNumber(out, 512 + i, 4, false);
    AppendNumber(out, static_cast<std::uint64_t>(-1), 8, false);
  }
  return out;
}

std::string Vscsi(const U64s& ids, int version) {
  std::string out;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto first = [&] {
      AppendNumber(out, 0x2a, 2, false);
      AppendNumber(out, static_cast<std::uint64_t>(version) << 8, 2, false);
    };
    if (version == 2) first();
    AppendNumber(out, i, 4, false);
    AppendNumber(out, 4096, 4, false);
    AppendNumber(out, 1, 4, false);
    if (version == 1) first();
    AppendNumber(out, ids[i], 8, false);
    AppendNumber(out, 77, 8, false);
    if (version == 2) AppendNumber(out, 5, 8, false);
  }
  return out;
}

std::string Numbers(const U64s& ids, int bytes) {
  std::string out;
  for (const std::uint64_t id : ids) AppendNumber(out, id, bytes, true);
  return out;
}

std::string Gzip(const std::string& text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Xz(const std::string& text) {
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  std::size_t size = 0;
  REQUIRE(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, nullptr,
                                  reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                                  reinterpret_cast<std::uint8_t*>(out.data()), &size,
                                  out.size()) == LZMA_OK);
  out.resize(size);
  return out;
}

std::string Zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const std::size_t size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
  REQUIRE(ZSTD_isError(size) == 0);
  out.resize(size);
  return out;
}

TraceFormat Guessed(std::string_view bytes) {
  const auto reader = OpenTrace(OpenMemory(bytes, "t"), "t", {});
  CHECK(
      reader->Guess().starts_with("guessed format " + std::string(Name(reader->Format())) + ": "));
  return reader->Format();
}

void CheckFails(std::string_view bytes, TraceFormat format, const char* message) {
  CAPTURE(message);
  CHECK_THROWS_WITH_AS(ReadText(bytes, {.format = format}), doctest::Contains(message),
                       perf::ConfigError);
}

}  // namespace

TEST_CASE("keys: numbers are ids, words are hashes, stars and empty lines are skipped") {
  const auto requests = ReadText("5\n*\n\n 18446744073709551615 \r\nabc\n007\n7\nabc",
                                 {.format = TraceFormat::kKeys});
  REQUIRE(requests.size() == 6);
  CHECK(requests[0].id == 5);
  CHECK(requests[1].id == 18446744073709551615ULL);
  CHECK(requests[2].id == requests[5].id);
  CHECK(std::set<std::uint64_t>{requests[2].id, requests[3].id, 7}.size() == 3);
  CHECK(requests[4].id == 7);
  CHECK(requests[0].size == 1);
}

TEST_CASE("arc: a line is a range of blocks") {
  CHECK(Ids(ReadText("10 3 0 0\n99 1 0 1\n5 0 0 2\n7 2\n", {.format = TraceFormat::kArc})) ==
        U64s{10, 11, 12, 99, 7, 8});
  CheckFails("1 1 0 0\n1 x 0 0\n", TraceFormat::kArc,
             "t:2: no start and count of blocks: \"1 x 0 0\"");
  CheckFails("1 1048577 0 0\n", TraceFormat::kArc,
             "t:1: a range of 1048577 blocks; at most 1048576");
}

TEST_CASE("address: with and without the kind of access, by lines of the cache") {
  const std::string text = "s 0x1fffff78 1\nl 0x1fffff80 1\n0x20\nR ff\n I  04222C4C,3\n";
  CHECK(Ids(ReadText(text, {.format = TraceFormat::kAddress})) ==
        U64s{0x1fffff78, 0x1fffff80, 0x20, 0xff, 0x04222C4C});
  CHECK(Ids(ReadText(text, {.format = TraceFormat::kAddress, .line_bytes = 64})) ==
        U64s{0x1fffff78 >> 6, 0x1fffff80 >> 6, 0, 3, 0x04222C4C >> 6});
  CheckFails("l 0x12\nl what\n", TraceFormat::kAddress, "t:2: no hexadecimal address: \"l what\"");
  CHECK_THROWS_AS(ReadText(text, {.format = TraceFormat::kAddress, .line_bytes = 48}),
                  perf::ConfigError);
}

TEST_CASE("tr: time, id and size") {
  const auto reader =
      OpenTrace(OpenMemory("1 5 100\n2,6,200,9\n", "t"), "t", {.format = TraceFormat::kTr});
  CHECK(reader->HasSizes());
  const auto requests = ReadAll(*reader);
  CHECK(Ids(requests) == U64s{5, 6});
  CHECK(requests[1].size == 200);
  CheckFails("1 5 100\n2 6\n", TraceFormat::kTr, "t:2: no time, id and size: \"2 6\"");
}

TEST_CASE("csv: columns by name, by number, by what they are usually called") {
  const std::string text = "time,size,obj_id\n1,100,5\n2,200,\"6\"\n";
  for (const TraceOptions& options :
       {TraceOptions{.format = TraceFormat::kCsv},
        TraceOptions{.format = TraceFormat::kCsv, .key_column = "OBJ_ID"},
        TraceOptions{.format = TraceFormat::kCsv, .key_column = "3", .size_column = "2"}}) {
    const auto requests = ReadText(text, options);
    CHECK(Ids(requests) == U64s{5, 6});
    CHECK(requests[1].size == 200);
  }
  CHECK(Ids(ReadText("9;1\n8;2\n", {.format = TraceFormat::kCsv, .key_column = "2"})) ==
        U64s{1, 2});
  CHECK(Ids(ReadText("9 1\n8  2\n", {.format = TraceFormat::kCsv, .key_column = "2"})) ==
        U64s{1, 2});
  CHECK(Ids(ReadText("9|1\n8|2\n",
                     {.format = TraceFormat::kCsv, .key_column = "1", .delimiter = '|'})) ==
        U64s{9, 8});
  const auto quoted = ReadText("key,size\n\"a \"\"b\"\", c\",7\n", {.format = TraceFormat::kCsv});
  CHECK(quoted.at(0).id == ReadText("a \"b\", c", {.format = TraceFormat::kKeys}).at(0).id);
  CHECK(quoted.at(0).size == 7);
}

TEST_CASE("csv: what is wrong is said with its place") {
  CHECK_THROWS_WITH_AS(ReadText(",size\n", {.format = TraceFormat::kCsv, .key_column = "kye"}),
                       doctest::Contains("t:1: no column \"kye\""), perf::ConfigError);
  CHECK_THROWS_WITH_AS(ReadText("key,size\n", {.format = TraceFormat::kCsv, .key_column = "keys"}),
                       doctest::Contains("did you mean key?"), perf::ConfigError);
  CHECK_THROWS_WITH_AS(ReadText("1,2\n", {.format = TraceFormat::kCsv, .key_column = "3"}),
                       doctest::Contains("no column 3: there are 2"), perf::ConfigError);
  CheckFails("1,2\n", TraceFormat::kCsv, "t:1: which column is the key? Say it by number from 1");
  CheckFails("key,size\n1,2\n3\n", TraceFormat::kCsv, "t:3: 1 columns; number 2 is needed");
  CheckFails("key,size\n1,-2\n", TraceFormat::kCsv, "t:2: the size is no whole number: \"-2\"");
  CheckFails("key,size\n1,\"2\n", TraceFormat::kCsv, "t:2: a quote is not closed");
  CheckFails("key,size\n,2\n", TraceFormat::kCsv, "t:2: an empty key");
}

TEST_CASE("cachelib: operations, counts and both kinds of header") {
  const auto kv = ReadText(
      "op_time,key,key_size,op,op_count,size\n1,7,10,GET,2,87\n1,8,3,SET_LEASE,1,5\n1,7,1,DELETE,1,"
      "0\n");
  REQUIRE(kv.size() == 4);
  CHECK(Ids(kv) == U64s{7, 7, 8, 7});
  CHECK(kv[0].size == 97);
  CHECK(kv[1].op == TraceOp::kGet);
  CHECK(kv[2].op == TraceOp::kSet);
  CHECK(kv[3].op == TraceOp::kDelete);
  const auto block = ReadText(
      "op_time,block_id,io_size,op_name,op_count\n1,70,8388608,getChunkData.Permanent,1\n1,71,9,"
      "putChunk.Permanent,1\n");
  REQUIRE(block.size() == 2);
  CHECK(block[0].size == 8388608);
  CHECK(block[1].op == TraceOp::kSet);
  CheckFails("key,size\n", TraceFormat::kCacheLib, "t:1: no CacheLib header");
  CheckFails("key,op,size\n1,FROB,2\n", TraceFormat::kCacheLib,
             "t:2: an unknown operation: \"FROB\"");
  CheckFails("key,op,op_count\n1,GET,99999999\n", TraceFormat::kCacheLib,
             "t:2: a count of 99999999");
}

TEST_CASE("binary formats") {
  const U64s ids = {1, 0x12345678, 42932745, 1};
  CHECK(Ids(ReadText(Numbers(ids, 4), {.format = TraceFormat::kI32be})) == ids);
  const U64s wide = {1, 0x391c8ee0c57542c7, 0xffffffffffffffff};
  CHECK(Ids(ReadText(Numbers(wide, 8), {.format = TraceFormat::kI64be})) == wide);
  const auto oracle = ReadText(Oracle(wide), {.format = TraceFormat::kOracleGeneral});
  CHECK(Ids(oracle) == wide);
  CHECK(oracle[2].size == 514);
  for (const int version : {1, 2}) {
    const auto vscsi = ReadText(Vscsi(wide, version), {.format = TraceFormat::kVscsi});
    CHECK(Ids(vscsi) == wide);
    CHECK(vscsi[0].size == 4096);
  }
  CheckFails(Oracle(wide).substr(0, 50), TraceFormat::kOracleGeneral,
             "t: byte 48: ends within a record: 2 of 24 bytes");
  CheckFails(Numbers(wide, 8) + "abc", TraceFormat::kI64be,
             "t: byte 24: ends within a record: 3 of 8 bytes");
  CheckFails(Vscsi(wide, 1) + std::string(32, 'x'), TraceFormat::kVscsi,
             "t: byte 96: no vscsi record of version 1");
  CheckFails(std::string(40, 'x'), TraceFormat::kVscsi, "no vscsi record of version 1 or 2");
  CHECK(ReadText("", {.format = TraceFormat::kI32be}).empty());
}

TEST_CASE("auto guesses each format and says why") {
  perf::Random random(1);
  U64s random_ids;
  for (int i = 0; i < 3000; ++i)
    random_ids.push_back(static_cast<std::uint64_t>(random.Int(1, 900)) * 0x9e3779b97f4a7c15ULL);
  U64s small;
  for (int i = 0; i < 3000; ++i) small.push_back(static_cast<std::uint64_t>(random.Int(1, 5000)));
  CHECK(Guessed("17\n18\n17\n") == TraceFormat::kKeys);
  CHECK(Guessed("user:1\nuser:2\n") == TraceFormat::kKeys);
  CHECK(Guessed("1 1 0 0\n2 7 0 1\n") == TraceFormat::kArc);
  CHECK(Guessed("s 0x1fffff78 1\nl 0x1fffff80 1\n") == TraceFormat::kAddress);
  CHECK(Guessed("1 5 100\n2 6 200\n") == TraceFormat::kTr);
  CHECK(Guessed("version,time,op,size,lbn\n1,5,2a,512,4\n") == TraceFormat::kCsv);
  CHECK(Guessed("op_time,key,key_size,op,op_count,size\n1,7,10,GET,2,87\n") ==
        TraceFormat::kCacheLib);
  CHECK(Guessed(Oracle(small)) == TraceFormat::kOracleGeneral);
  CHECK(Guessed(Vscsi(small, 1)) == TraceFormat::kVscsi);
  CHECK(Guessed(Vscsi(small, 2)) == TraceFormat::kVscsi);
  CHECK(Guessed(Numbers(small, 4)) == TraceFormat::kI32be);
  CHECK(Guessed(Numbers(small, 8)) == TraceFormat::kI64be);
  CHECK(Guessed(Numbers(random_ids, 8)) == TraceFormat::kI64be);
  CHECK_THROWS_WITH_AS(Guessed("a b\nc d e\n"),
                       doctest::Contains("cannot be guessed from lines like \"a b\""),
                       perf::ConfigError);
  CHECK_THROWS_WITH_AS(Guessed(""), doctest::Contains("empty"), perf::ConfigError);
  CHECK_THROWS_WITH_AS(Guessed(std::string_view("\0\1\2", 3)),
                       doctest::Contains("cannot be guessed"), perf::ConfigError);
  CHECK(OpenTrace(OpenMemory("1\n", "t"), "t", {.format = TraceFormat::kKeys})->Guess().empty());
}

TEST_CASE("gzip, xz and zstd are read as they are, also several in a row") {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += std::to_string(i * 7919 % 65537) + "\n";
  const auto plain = Ids(ReadText(text));
  REQUIRE(plain.size() == 100000);
  for (const auto& packed : {Gzip(text), Xz(text), Zstd(text)}) {
    CHECK(Ids(ReadText(packed)) == plain);
    CHECK(ReadText(packed + packed).size() == 200000);
    for (const std::size_t cut : {packed.size() / 2, packed.size() - 1}) {
      CHECK_THROWS_WITH_AS(ReadText(packed.substr(0, cut)), doctest::Contains("data: "),
                           perf::ConfigError);
    }
  }
  CHECK(ReadText(Gzip(text) + std::string(512, '\0')).size() == 100000);
  CHECK_THROWS_WITH_AS(ReadText(Gzip(text) + "junk"),
                       doctest::Contains("something else behind the end"), perf::ConfigError);
}

TEST_CASE("lines have a bound, line ends and a byte order mark are taken off") {
  CHECK(Ids(ReadText("\xef\xbb\xbf"
                     "1\r\n2\r\n",
                     {.format = TraceFormat::kKeys})) == U64s{1, 2});
  CHECK(ReadText(std::string(65536, 'x') + "\n1\n", {.format = TraceFormat::kKeys}).size() == 2);
  CheckFails("1\n" + std::string(65537, 'x'), TraceFormat::kKeys,
             "t:2: a line longer than 65536 bytes");
  CheckFails("1\n" + std::string(3 << 20, 'x'), TraceFormat::kKeys,
             "t:2: a line longer than 65536 bytes");
}

TEST_CASE("a limit ends a trace, whatever the batches") {
  const std::string text = "1 100 0 0\n1 100 0 0\n";
  for (const std::size_t batch : {1, 7, 100}) {
    const auto reader =
        OpenTrace(OpenMemory(text, "t"), "t", {.format = TraceFormat::kArc, .limit = 150});
    CHECK(ReadAll(*reader, batch).size() == 150);
  }
}

TEST_CASE("damaged traces are errors, never crashes") {
  const U64s ids = {1, 2, 3, 70000, 5};
  const std::vector<std::string> whole = {
      "1 1 0 0\n2 7 0 1\n", "version,time,op,size,lbn\n1,5,2a,512,4\n",
      Oracle(ids),          Vscsi(ids, 1),
      Vscsi(ids, 2),        "op_time,key,key_size,op,op_count,size\n1,7,10,GET,2,87\n",
      "s 0x1fffff78 1\n",   Gzip("1\n2\n3\n4\n"),
      Xz("1\n2\n3\n4\n"),   Zstd("1\n2\n3\n4\n")};
  perf::Random random(11);
  std::uint64_t refused = 0, read = 0;
  for (std::uint64_t round = 0; round < test::Seeds(2000); ++round) {
    std::string bytes =
        whole[static_cast<std::size_t>(random.Int(0, static_cast<std::int64_t>(whole.size()) - 1))];
    for (std::int64_t flips = random.Int(0, 4); flips-- > 0;) {
      bytes[static_cast<std::size_t>(random.Int(0, static_cast<std::int64_t>(bytes.size()) - 1))] ^=
          static_cast<char>(1 << random.Int(0, 7));
    }
    if (random.Int(0, 1) == 0)
      bytes.resize(
          static_cast<std::size_t>(random.Int(0, static_cast<std::int64_t>(bytes.size()))));
    TraceOptions options{.limit = 1000};
    options.format = static_cast<TraceFormat>(random.Int(0, 10));
    try {
      read += ReadText(bytes, options).size();
    } catch (const perf::ConfigError&) {
      ++refused;
    }
  }
  CHECK(refused > 0);
  CHECK(read > 0);
}

TEST_CASE("files that cannot be opened") {
  CHECK_THROWS_WITH_AS(OpenTrace("/nonexistent/trace", {}), doctest::Contains("/nonexistent/trace"),
                       perf::ConfigError);
  CHECK_THROWS_WITH_AS(OpenTrace("/", {}), doctest::Contains("directory"), perf::ConfigError);
  CHECK_THROWS_WITH_AS(OpenTrace("/dev/zero", {}), doctest::Contains("no regular file"),
                       perf::ConfigError);
}

TEST_CASE("names of formats") {
  for (const std::string_view name : TraceFormatNames())
    CHECK(Name(*ParseTraceFormat(name)) == name);
  CHECK(ParseTraceFormat("ORACLEGENERAL") == TraceFormat::kOracleGeneral);
  CHECK_FALSE(ParseTraceFormat("lirs").has_value());
}

TEST_CASE("a survey counts requests and, within 2 %, distinct keys") {
  std::string text;
  for (int i = 0; i < 300000; ++i) text += std::to_string(i % 100000 * 13) + "\n";
  const TraceSurvey survey = Survey(*OpenTrace(OpenMemory(text, "t"), "t", {}));
  CHECK(survey.requests == 300000);
  CHECK(survey.bytes == 300000);
  CHECK(static_cast<double>(survey.distinct) == doctest::Approx(100000).epsilon(0.02));
}

TEST_CASE("one real trace in four formats is the same, and all formats there are guessed") {
  const std::string folder = test::SharedTraces();
  if (folder.empty()) return;
  const auto text = ReadAll(*OpenTrace(folder + "/cloudPhysicsIO.txt.gz", {}), 5000);
  CHECK(text.size() == 113872);
  for (const char* file :
       {"cloudPhysicsIO.csv", "cloudPhysicsIO.oracleGeneral.bin", "cloudPhysicsIO.vscsi"}) {
    CAPTURE(file);
    const auto reader = OpenTrace(folder + "/" + file, {});
    CHECK(reader->HasSizes());
    const auto same = ReadAll(*reader, 5000);
    CHECK(Ids(same) == Ids(text));
    CHECK(same[3].size == 512 * 13);
  }
  for (const char* name : {"address_swim", "arc_oltp", "cache2k_orm-busy", "cache2k_web12",
                           "corda_vaultservice", "loop", "2_pools", "cs"}) {
    const auto [file, format] = test::TraceOf(name);
    CAPTURE(file);
    CHECK(OpenTrace(folder + "/" + file, {})->Format() == format);
  }
  for (const char* file :
       {"kv_traces_1.csv", "kv_traces_2.csv", "block_traces_1.csv", "block_traces_2.csv"}) {
    CAPTURE(file);
    const auto reader = OpenTrace(folder + "/" + file, {});
    CHECK(reader->Format() == TraceFormat::kCacheLib);
    CHECK(ReadAll(*reader).size() >= 90);
  }
}
