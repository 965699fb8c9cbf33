// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace perf::test {

/// A raw stream server on loopback that does what a script says, bytes and all, one thread per
/// connection: for replies that no decent server sends.
/// Thread safety: the counters from any thread; scripts run on the connections' threads.
/// Lifetime: the destructor ends every script's wait and joins them all.
class EvilServer {
 public:
  class Peer {
   public:
    Peer(EvilServer& server, int fd, int number) : server_(server), fd_(fd), number_(number) {}
    ~Peer();
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    /// The next request with its body; false at the end of the stream.
    bool ReadRequest();
    const std::string& Head() const { return head_; }
    const std::string& Body() const { return body_; }
    /// Which connection this is, from 1.
    int Number() const { return number_; }
    bool Send(std::string_view bytes);
    /// One segment per byte.
    bool SendSlowly(std::string_view bytes);
    /// Waits until the client hangs up.
    void AwaitClose();
    /// Hangs up with a reset instead of an orderly end.
    void Reset();

   private:
    bool Fill();
    bool Wait(short events);
    EvilServer& server_;
    int fd_;
    int number_;
    std::string input_;
    std::string head_;
    std::string body_;
  };
  /// The connection is closed where the script returns.
  using Script = std::function<void(Peer&)>;

  /// Listens on 127.0.0.1, or on that unix socket, or on ::1 for "::1".
  explicit EvilServer(Script script, const std::string& where = "127.0.0.1");
  ~EvilServer();
  EvilServer(const EvilServer&) = delete;
  EvilServer& operator=(const EvilServer&) = delete;

  std::uint16_t Port() const { return port_; }
  std::string Url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int Connections() const { return connections_; }
  int Requests() const { return requests_; }
  /// How many connections the client has hung up on, as AwaitClose saw it.
  int HangUps() const { return hang_ups_; }

 private:
  void Accept();
  Script script_;
  int listener_ = -1;
  int stop_ = -1;  // readable once all is to end
  std::uint16_t port_ = 0;
  std::string path_;
  std::atomic<int> connections_{0};
  std::atomic<int> requests_{0};
  std::atomic<int> hang_ups_{0};
  std::vector<std::jthread> peers_;
  std::jthread acceptor_;
};

}  // namespace perf::test
