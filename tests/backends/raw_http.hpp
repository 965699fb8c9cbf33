// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace perf::backends {

/// A reply as bytes show it to somebody who trusts no client library.
struct RawReply {
  int status = 0;
  std::map<std::string, std::string> fields;  // names in lower case
  std::string body;
  std::vector<std::size_t> chunks;  // their sizes, without the last of 0
};

/// A blocking client for tests; each read fails after 10 s.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void Send(std::string_view bytes);
  /// Throws where the reply is not exactly framed. `to_head`: there is no body.
  RawReply Receive(bool to_head = false);
  RawReply Ask(std::string_view method, std::string_view target, std::string_view body = "",
               std::string_view fields = "");
  /// True at the end of file, false where a byte came.
  bool AtEnd();

 private:
  bool Fill();
  std::string Line();
  std::string Bytes(std::size_t count);

  int fd_;
  std::string buffer_;
};

}  // namespace perf::backends
