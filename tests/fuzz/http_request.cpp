// SPDX-License-Identifier: Apache-2.0
// The speech server's request reader: a request means the same however the network cuts it.
#include "libperf/backends/http_request.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "tests/fuzz/require.hpp"

using perf::backends::RequestReader;
using perf::fuzz::Require;

namespace {

struct Outcome {
  RequestReader::State state = RequestReader::State::kHead;
  std::string method, path, query, type, body;
  bool keep = false;
  std::size_t used = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome Read(std::string_view bytes, std::size_t piece) {
  Outcome outcome;
  RequestReader reader;
  std::vector<char> buffer;  // another one each time: the views must follow
  for (std::size_t end = std::min(piece, bytes.size());;) {
    buffer = std::vector<char>(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(end));
    outcome.state = reader.Read({buffer.data(), buffer.size()});
    if (outcome.state >= RequestReader::State::kDone || end == bytes.size()) break;
    end = std::min(end + piece, bytes.size());
  }
  if (outcome.state == RequestReader::State::kBad) {
    const int status = reader.BadStatus();
    Require(status >= 400 && status <= 505, "a refusal has its status");
  }
  if (outcome.state != RequestReader::State::kDone) return outcome;
  Require(reader.Consumed() <= buffer.size(), "takes no more than it was given");
  Require(reader.Consumed() > 0, "a request takes some bytes");
  const auto& request = reader.Request();
  Require(request.body.size() <= perf::backends::kMaxServedBody, "body is bounded");
  Require(!request.method.empty(), "a request has a method");
  outcome = {outcome.state,
             std::string(request.method),
             std::string(request.path),
             std::string(request.query),
             std::string(request.content_type),
             std::string(request.body),
             request.keep_alive,
             reader.Consumed()};
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t piece = 1 + data[0] / 2;
  const std::string_view bytes = perf::fuzz::Text(data + 1, size - 1);
  const Outcome whole = Read(bytes, bytes.size());
  const Outcome cut = Read(bytes, piece);
  Require(whole == cut, "cutting does not change a request");
  return 0;
}
