// SPDX-License-Identifier: Apache-2.0
#include "cli/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/sinks/systemd_sink.h>
#include <spdlog/spdlog.h>
#include <syslog.h>
#include <unistd.h>

namespace leadglass {

namespace {

std::shared_ptr<spdlog::logger> MakeLogger(bool foreground) {
  if (foreground) return spdlog::stderr_logger_mt("leadglass");
  if (::access("/run/systemd/journal/socket", W_OK) == 0) {
    return spdlog::systemd_logger_mt("leadglass", "leadglass");
  }
  return spdlog::syslog_logger_mt("leadglass", "leadglass", LOG_PID, LOG_DAEMON);
}

}  // namespace

Status StartLogging(bool foreground, const std::string& level) {
  const auto parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off) {
    return Error(Errc::kInvalidArgument, "no such log level: trace, debug, info, warning, error");
  }
  try {
    auto logger = MakeLogger(foreground);
    logger->set_level(parsed);
    logger->set_pattern(foreground ? "%Y-%m-%dT%H:%M:%S.%e %l %v" : "%v");
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
  } catch (const spdlog::spdlog_ex&) {
    return Error(Errc::kInternal, "cannot open the log");
  }
  return {};
}

void LogInfo(const std::string& text) { spdlog::info("{}", text); }
void LogWarning(const std::string& text) { spdlog::warn("{}", text); }
void LogError(const std::string& text) { spdlog::error("{}", text); }

}  // namespace leadglass
