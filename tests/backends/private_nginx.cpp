// SPDX-License-Identifier: Apache-2.0
#include "tests/backends/private_nginx.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>

namespace perf::test {
namespace {

constexpr const char* kNginx = "/usr/sbin/nginx";

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Certificate = std::unique_ptr<X509, Free>;
using File = std::unique_ptr<std::FILE, Free>;

File Create(const std::string& path) {
  File file(std::fopen(path.c_str(), "w"));
  if (!file) throw std::runtime_error("cannot write " + path);
  return file;
}

void Extend(X509* certificate, int kind, const std::string& value) {
  std::unique_ptr<X509_EXTENSION, Free> extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str()));
  if (!extension) throw std::runtime_error("bad extension " + value);
  X509_add_ext(certificate, extension.get(), -1);
}

Certificate Fresh(EVP_PKEY* key, const std::string& name, long serial, long from, long to) {
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), from);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), to);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

}  // namespace

struct Authority::Parts {
  Key key{EVP_EC_gen("P-256")};
  Certificate certificate;
  long serial = 1;
};

Authority::Authority(std::string directory, const std::string& name)
    : parts_(new Parts), directory_(std::move(directory)) {
  parts_->certificate = Fresh(parts_->key.get(), name, 1, -86400, 86400);
  X509* own = parts_->certificate.get();
  X509_set_issuer_name(own, X509_get_subject_name(own));
  Extend(own, NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(own, parts_->key.get(), EVP_sha256());
  ca_file_ = directory_ + "/" + name + "-ca.pem";
  PEM_write_X509(Create(ca_file_).get(), own);
}

Authority::~Authority() { delete parts_; }

Authority::Pair Authority::Issue(const std::string& dns_name, long seconds) {
  const Key key(EVP_EC_gen("P-256"));
  const long serial = ++parts_->serial;
  const Certificate certificate =
      Fresh(key.get(), dns_name, serial, seconds < 0 ? seconds - 3600 : -60, seconds);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(parts_->certificate.get()));
  Extend(certificate.get(), NID_subject_alt_name, "DNS:" + dns_name);
  X509_sign(certificate.get(), parts_->key.get(), EVP_sha256());
  const std::string stem = ca_file_ + "-" + std::to_string(serial);
  PEM_write_X509(Create(stem + ".crt").get(), certificate.get());
  PEM_write_PrivateKey(Create(stem + ".key").get(), key.get(), nullptr, nullptr, 0, nullptr,
                       nullptr);
  return Pair{stem + ".crt", stem + ".key"};
}

TemporaryDirectory::TemporaryDirectory() {
  path_ = (std::filesystem::temp_directory_path() / "perfkit-test-XXXXXX").string();
  if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

bool PrivateNginx::Installed() { return ::access(kNginx, X_OK) == 0; }

PrivateNginx::PrivateNginx(const std::string& prefix, const std::string& flags,
                           const std::string& body) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (listener < 0 || ::bind(listener, any, length) != 0 || ::listen(listener, 128) != 0 ||
      ::getsockname(listener, any, &length) != 0) {
    throw std::runtime_error("no port for nginx");
  }
  port_ = ntohs(address.sin_port);
  const std::string config = prefix + "/nginx-" + std::to_string(port_) + ".conf";
  const std::string log = prefix + "/error.log";
  std::ofstream out(config);
  // A worker of another user could not enter the private directory.
  if (::geteuid() == 0) out << "user root; ";
  out << "daemon off; worker_processes 1; error_log " << prefix << "/error.log; pid " << config
      << ".pid; events { worker_connections 256; }\nhttp { access_log off; ";
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
    out << kind << "_temp_path " << prefix << "/" << kind << "; ";
  }
  out << "\nserver { listen 127.0.0.1:" << port_ << " " << flags << ";\n" << body << "}\n}\n";
  out.close();
  // nginx takes over a socket that is named so and listens where its configuration says.
  const std::string inherited = "NGINX=" + std::to_string(listener) + ";";
  char* environment[] = {const_cast<char*>(inherited.c_str()), nullptr};
  const char* arguments[] = {kNginx,      "-p", prefix.c_str(), "-e",
                             log.c_str(), "-c", config.c_str(), nullptr};
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    // SIGTERM: the master takes its worker along.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(1);
    ::execve(kNginx, const_cast<char**>(arguments), environment);
    ::_exit(127);
  }
  ::close(listener);
  if (pid_ < 0) throw std::runtime_error("fork failed");
}

PrivateNginx::~PrivateNginx() {
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace perf::test
