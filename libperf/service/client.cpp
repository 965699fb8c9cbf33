// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/client.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include "libperf/backends/http1_parser.hpp"
#include "libperf/service/run_directory.hpp"

namespace perf::service {
namespace {

constexpr std::uint64_t kMostBody = 8U << 20U;

union AnyAddress {
  sockaddr plain;
  sockaddr_un local;
  sockaddr_in four;
  sockaddr_in6 six;
};

/// The length of the address, or 0.
socklen_t Resolve(const Question& question, AnyAddress& address) {
  if (!question.socket.empty()) {
    if (question.socket.size() >= sizeof address.local.sun_path) return 0;
    address.local.sun_family = AF_UNIX;
    std::memcpy(address.local.sun_path, question.socket.c_str(), question.socket.size() + 1);
    return sizeof address.local;
  }
  if (::inet_pton(AF_INET, question.host.c_str(), &address.four.sin_addr) == 1) {
    address.four.sin_family = AF_INET;
    address.four.sin_port = htons(question.port);
    return sizeof address.four;
  }
  if (::inet_pton(AF_INET6, question.host.c_str(), &address.six.sin6_addr) != 1) return 0;
  address.six.sin6_family = AF_INET6;
  address.six.sin6_port = htons(question.port);
  return sizeof address.six;
}

std::string Written(const Question& question) {
  std::string host = "localhost";
  if (question.socket.empty()) {
    host = question.host.find(':') == question.host.npos ? question.host
                                                         : fmt::format("[{}]", question.host);
  }
  std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
                                 question.method, question.target, host);
  if (!question.token.empty()) text += fmt::format("Authorization: Bearer {}\r\n", question.token);
  if (!question.body.empty()) {
    text += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n",
                        question.body.size());
  }
  return text + "\r\n" + question.body;
}

/// One exchange without blocking.
class Exchange {
 public:
  Exchange(const Question& question, Answer& answer) : answer_(answer), out_(Written(question)) {
    AnyAddress address{};
    const socklen_t length = Resolve(question, address);
    if (length == 0) {
      End("not a numeric address or a socket's path");
      return;
    }
    fd_ = ::socket(address.plain.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    // A unix socket whose queue is full gives EAGAIN: it listens, but does not get on.
    if (fd_ < 0 || (::connect(fd_, &address.plain, length) != 0 && errno != EINPROGRESS)) {
      End(std::strerror(errno));
      return;
    }
    backends::Http1Parser::Sink sink;
    sink.body = &answer_.body;
    sink.max_body = sink.max_error_body = kMostBody;
    parser_.Start(question.method == "HEAD", sink);
  }
  ~Exchange() {
    if (fd_ >= 0) ::close(fd_);
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  bool Done() const noexcept { return done_; }
  pollfd Wanted() const noexcept {
    return {fd_, static_cast<short>(sent_ < out_.size() ? POLLOUT : POLLIN), 0};
  }
  void Go() {
    if (sent_ < out_.size()) return Send();
    Receive();
  }
  void Late() { End("no answer in time"); }

 private:
  void Send() {
    const ssize_t sent = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (sent >= 0) {
      sent_ += static_cast<std::size_t>(sent);
      return;
    }
    if (errno == EAGAIN || errno == EINTR) return;
    // The peer may have answered before it read all, and closed.
    if (errno == EPIPE)
      sent_ = out_.size();
    else
      End(std::strerror(errno));
  }
  void Receive() {
    char bytes[16 << 10];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got < 0) {
      if (errno != EAGAIN && errno != EINTR) End(std::strerror(errno));
      return;
    }
    if (got == 0) {
      parser_.FeedEnd();
    } else {
      parser_.Feed({bytes, static_cast<std::size_t>(got)});
    }
    if (!parser_.Finished()) return;
    answer_.status = parser_.Status();
    if (parser_.Failed()) return End(parser_.Error());
    if (parser_.BodyBytes() > kMostBody) return End("the answer is larger than 8 MiB");
    End({});
  }
  void End(std::string error) {
    answer_.error = std::move(error);
    done_ = true;
  }

  Answer& answer_;
  std::string out_;
  std::size_t sent_ = 0;
  int fd_ = -1;
  bool done_ = false;
  backends::Http1Parser parser_;
};

}  // namespace

std::vector<Answer> Ask(std::span<const Question> questions, Deadline deadline) {
  std::vector<Answer> answers(questions.size());
  std::vector<std::unique_ptr<Exchange>> exchanges;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    exchanges.push_back(std::make_unique<Exchange>(questions[i], answers[i]));
  }
  for (;;) {
    std::vector<pollfd> wanted;
    std::vector<Exchange*> open;
    for (const auto& exchange : exchanges) {
      if (exchange->Done()) continue;
      wanted.push_back(exchange->Wanted());
      open.push_back(exchange.get());
    }
    if (open.empty()) return answers;
    const TimePoint now = Clock::now();
    if (deadline.Passed(now)) {
      for (Exchange* exchange : open) exchange->Late();
      return answers;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.Remaining(now));
    ::poll(wanted.data(), wanted.size(),
           static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (wanted[i].revents != 0) open[i]->Go();
    }
  }
}

Answer Ask(const Question& question, Deadline deadline) {
  return std::move(Ask(std::span(&question, 1), deadline).front());
}

std::vector<Found> AskAll(const std::vector<std::string>& directories, const std::string& target,
                          Deadline deadline) {
  std::vector<Question> questions;
  for (const std::string& directory : directories) {
    for (std::string& socket : RunDirectory::SocketsIn(directory)) {
      questions.push_back({.socket = std::move(socket), .target = target});
    }
  }
  std::vector<Answer> answers = Ask(questions, deadline);
  std::vector<Found> found;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const bool stale = answers[i].error == std::strerror(ECONNREFUSED);
    if (!stale) found.push_back({std::move(questions[i].socket), std::move(answers[i])});
  }
  return found;
}

}  // namespace perf::service
