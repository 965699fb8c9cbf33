// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace perf::test {

/// Keys and certificates of one test authority, made when asked for, in PEM files of a directory.
class Authority {
 public:
  /// Writes `NAME-ca.pem`.
  Authority(std::string directory, const std::string& name);
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;
  const std::string& CaFile() const { return ca_file_; }
  struct Pair {
    std::string certificate;
    std::string key;
  };
  /// Signs a certificate for that DNS name, valid from now for so many seconds; negative: it
  /// ended so long ago.
  Pair Issue(const std::string& dns_name, long seconds = 3600);

 private:
  struct Parts;
  Parts* parts_;
  std::string directory_;
  std::string ca_file_;
};

/// A directory that goes away with its owner.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& Path() const { return path_; }

 private:
  std::string path_;
};

/// The installed nginx with a prefix of its own on a port that we opened, so that
/// nobody can take it before and it can be connected to at once.
class PrivateNginx {
 public:
  static bool Installed();
  /// `flags` behind the listen address ("ssl http2"), `body` inside the server block.
  PrivateNginx(const std::string& prefix, const std::string& flags, const std::string& body);
  ~PrivateNginx();
  PrivateNginx(const PrivateNginx&) = delete;
  PrivateNginx& operator=(const PrivateNginx&) = delete;
  std::uint16_t Port() const { return port_; }

 private:
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace perf::test
