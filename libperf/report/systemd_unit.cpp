// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/systemd_unit.hpp"

#include <fmt/format.h>

namespace perf::report {
namespace {

/// What systemd would take for its own: quotes, specifiers and variables.
std::string Quoted(const std::string& word) {
  std::string out = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '%' || c == '$') out += c;
    out += c;
  }
  return out + "\"";
}

}  // namespace

std::string SystemdUnit(const std::string& program, const std::string& listen) {
  std::string command = Quoted(program) + " serve --run-directory /run/perfkit";
  if (!listen.empty()) command += " --listen " + Quoted(listen);
  return fmt::format(
      R"(# Written by: perfctl export systemd
# Put it where local units are, and start it:
#   perfctl export systemd | sudo tee /etc/systemd/system/perfkit.service
#   sudo useradd --system --user-group perfkit
#   sudo systemctl daemon-reload && sudo systemctl enable --now perfkit
# Who may read the socket belongs to the group: sudo usermod -aG perfkit NAME
[Unit]
Description=perfkit agent: watches pools, caches, audio and targets
Documentation=man:perfctl(1)
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={}
ExecReload=/bin/kill -HUP $MAINPID
WatchdogSec=60
TimeoutStartSec=90
TimeoutStopSec=30
Restart=on-failure
RestartSec=5
User=perfkit
Group=perfkit
# Addresses and secrets of targets: DATABASE_URL, REDIS_URL, SPEECH_URL and the other variables.
EnvironmentFile=-/etc/perfkit/environment
Environment=XDG_STATE_HOME=/var/lib
RuntimeDirectory=perfkit
RuntimeDirectoryMode=0750
StateDirectory=perfkit
StateDirectoryMode=0750
ConfigurationDirectory=perfkit
UMask=0007
LimitNOFILE=65536
MemoryMax=512M
TasksMax=256

# It reads /proc and talks to its targets; nothing else is its business.
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
)",
      command);
}

}  // namespace perf::report
